"""A run that keeps its files: solved, followed while it goes, and able to go on after a kill."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any, Protocol

from envmap_inverse.backend import limited_threads
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.refining.search import Refinement
from envmap_inverse.run.checkpoints import Checkpoints, fingerprints
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.solving.estimate import Estimate, numbers_of, solve, with_refinement

__all__ = ["CHECKPOINT_EVERY", "Follower", "run"]

CHECKPOINT_EVERY = 30.0
"""Seconds between two checkpoints."""


class Follower(Protocol):
    """Follows a run while it goes: its folder, a live view, a program's own object."""

    def begin(self, problem: Problem, earlier: Sequence[Record]) -> None:
        """Take the problem, and the iterations of the run that this one continues."""

    def add(self, iteration: Iteration) -> bool | None:
        """Take an iteration; returning True ends the run."""


def run(
    folder: RunFolder,
    problem: Problem,
    optimizer: Optimizer,
    *,
    refining: Callable[[], Refinement] | None = None,
    followers: Sequence[Follower] = (),
    checkpoint_every: float = CHECKPOINT_EVERY,
    threads: int | None = None,
    loading: float = 0.0,
    starting: float = 0.0,
    notes: Sequence[str] | None = None,
) -> tuple[Estimate, dict[str, Any]]:
    """Solve a problem and write all files of the run but its report.

        problem = Problem.create(scene, image, loss=MSE())
        folder = RunFolder(Path("light"), {}, overwrite=False, frames=False, resume=True)
        result, summary = session.run(folder, problem, Transport())

    Args:
        folder: the folder for the files; closed and free for others at the end.
        problem: the problem to solve.
        optimizer: the optimizer to solve it with.
        refining: sets nearly known numbers of the scene first, as `Refiner.search` does.
        followers: told of each iteration after the folder has it.
        checkpoint_every: seconds between two checkpoints.
        threads: cores to render with.
        loading: seconds spent on reading the scene and the pictures.
        starting: seconds before that, from the start of the program.
        notes: warnings of this run, which may grow; None collects those of this call.

    Returns:
        The result, and the content of `summary.json`.
    """
    everyone: tuple[Follower, ...] = (folder, *followers)

    def on_iteration(iteration: Iteration) -> bool:
        wishes = [follower.add(iteration) for follower in everyone]
        return any(wishes)

    def words(iteration: Iteration) -> str:
        return numbers_of(iteration, folder.metrics)

    with folder, collected_warnings() if notes is None else nullcontext(notes) as met:
        begun = time.perf_counter()
        refinement = None if refining is None else refining()
        seconds = time.perf_counter() - begun
        marks = fingerprints(problem, optimizer)
        checkpoints = Checkpoints(folder.path, marks, every=checkpoint_every, before=folder.flush)
        earlier, _ = checkpoints.restore() or ([], {})
        for follower in everyone:
            follower.begin(problem, earlier)
        with limited_threads(threads):
            result = solve(problem, optimizer, on_iteration, checkpoints, words)
        folder.close()
        if refinement is not None:
            result = with_refinement(result, refinement, seconds)
        summary = folder.finish(result, problem, loading=loading, notes=met, starting=starting)
        if result.status == "done":
            checkpoints.remove()
    return result, summary
