"""The loop that all optimizers share: clock, history, checkpoints, interruption."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from envmap_inverse.errors import InputError, in_short
from envmap_inverse.metrics import sum_of_squared_errors
from envmap_inverse.optimizers.protocol import Keeper, Optimizer, Solver, Step
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, OnIteration, Record, Solution

__all__ = ["run"]

_Entry = tuple[int, Any, Any, float]
"""Index, loss, error and seconds of an iteration, not yet read from the device."""


def run(
    optimizer: Optimizer,
    problem: Problem,
    on_iteration: OnIteration | None = None,
    keeper: Keeper | None = None,
) -> Solution:
    """Solve a problem, from where the keeper has it.

    Args:
        optimizer: makes the solver.
        problem: what to solve.
        on_iteration: called after each step; returning True ends the run.
        keeper: keeps the state of the run, and has that of an earlier one to go on from.

    Returns:
        The solver's solution with the history, the seconds of each phase, and how the run ended.
    """
    clock = time.perf_counter()
    solver = optimizer.start(problem, keeper)
    kept = keeper.restore() if keeper else None
    earlier: list[Record] = []
    if kept is not None:
        earlier, state = kept
        solver.restore(state, len(earlier))
    if earlier:
        clock -= earlier[-1].seconds
    entries: list[_Entry] = []

    def history() -> tuple[Record, ...]:
        return (*earlier, *(Record(**_numbers(entry)) for entry in entries))

    status = "done"
    for index in _indices(solver, len(earlier), optimizer.num_steps):
        step = solver.step(index)
        error = _error(step, problem)
        entries.append((index, step.loss, error, time.perf_counter() - clock))
        is_interrupted = False
        if on_iteration is not None:
            is_interrupted = _answer(on_iteration, _iteration(entries[-1], step), problem)
        if keeper is not None:
            keeper.offer(lambda: (history(), solver.state()), is_last=is_interrupted)
        ending = step.ending or _ending(optimizer, entries[-1])
        if is_interrupted or ending:
            status = "interrupted" if is_interrupted else ending
            break
        del step  # its arrays are large
    solving = time.perf_counter() - clock
    solution = solver.solution()
    return replace(
        solution,
        history=history(),
        phases={**_phases(solution.phases, solving), "optimize": solving},
        status=solution.status if status == "done" else status,
    )


def _indices(solver: Solver, first: int, end: int) -> Iterator[int]:
    """The numbers of the steps that a solver is to take."""
    for index in range(first, end):
        if getattr(solver, "is_finished", False):
            return
        yield index


def _ending(optimizer: Optimizer, entry: _Entry) -> str:
    """How the run ends if its time is over; "" if it is not."""
    limit = getattr(optimizer, "seconds", None)
    return "done" if limit is not None and entry[3] > limit else ""


def _answer(on_iteration: OnIteration, iteration: Iteration, problem: Problem) -> bool:
    """Whether the caller's function ends the run.

    Raises:
        InputError: if it returns something else than True, False and None, or has changed the size
            of the film or of the map.
    """
    scene, sensor = problem.scene, problem.views[0].sensor
    before = scene.film_size(sensor), scene.envmap.resolution
    answer = on_iteration(iteration)
    if answer is not None and not isinstance(answer, bool | np.bool_):
        raise InputError(
            f"on_iteration returned {in_short(answer)}; return True to end the run, or nothing"
        )
    if (scene.film_size(sensor), scene.envmap.resolution) != before:
        raise InputError("on_iteration changed the size of the film or of the map; leave them")
    return bool(answer)


def _error(step: Step, problem: Problem) -> Any:
    """Sum of squared errors of a step's map; None without a ground truth."""
    if step.error is not None or problem.ground_truth is None:
        return step.error
    return sum_of_squared_errors(step.texels(), problem.ground_truth)


def _phases(known: dict[str, float], total: float) -> dict[str, float]:
    """Seconds by phase, where the solver knows any; the others are of solving."""
    return {**known, "solve": total - sum(known.values())} if known else {}


def _numbers(entry: _Entry) -> dict[str, Any]:
    index, loss, error, seconds = entry
    error = None if error is None else _number(error)
    return {"index": index, "loss": _number(loss), "error": error, "seconds": seconds}


def _number(value: Any) -> float:
    """A number that may be a device array of one."""
    return value if isinstance(value, float) else float(value[0])


def _iteration(entry: _Entry, step: Step) -> Iteration:
    return Iteration(**_numbers(entry), texels_on_device=step.texels, image_on_device=step.image)
