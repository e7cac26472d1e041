"""Contracts of every optimizer: those of `OPTIMIZERS`, and the example's."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keepers import Memory
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import limited_threads
from envmap_inverse.console.options import make_choice
from envmap_inverse.optimizers import loop
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem

Maker = Callable[..., Optimizer]
MakeProblem = Callable[[Optimizer], Problem]


@pytest.fixture
def make_problem(scene: ei.Scene) -> MakeProblem:
    """Mirrors on a film of 8 x 8 pixels, and what the optimizer assumes where nothing is asked."""
    picture, truth = ei.render(scene, spp=64, seed=9), scene.envmap.texels

    def make(optimizer: Optimizer) -> Problem:
        return Problem.create(
            scene,
            picture,
            loss=optimizer.default_loss,
            priors=optimizer.default_priors,
            initial=optimizer.default_initial,
            ground_truth=truth,
        )

    return make


def misfit(problem: Problem, texels: NDArray[np.float32]) -> float:
    """The loss of the picture and a rendering under a map."""
    picture = problem.views[0].image
    rendered = ei.render(problem.scene, texels, spp=64, seed=5)
    return float(np.mean(problem.loss(rendered, picture)))


def test_it_satisfies_the_protocol(make_optimizer: Maker) -> None:
    optimizer = make_optimizer()
    assert dataclasses.is_dataclass(optimizer)
    assert optimizer == make_optimizer()
    assert optimizer.num_steps >= 1
    with pytest.raises(dataclasses.FrozenInstanceError):
        optimizer.num_steps = 1  # type: ignore[misc]


def test_a_picture_fits_better_under_the_map_that_it_finds(
    make_optimizer: Maker, make_problem: MakeProblem
) -> None:
    optimizer = make_optimizer()
    problem = make_problem(optimizer)
    before = misfit(problem, problem.initial)
    found = loop.run(optimizer, problem)
    assert found.status == "done"
    assert found.texels.shape == problem.initial.shape
    assert misfit(problem, found.texels) < 0.25 * before


def test_its_history_has_a_record_per_step(
    make_optimizer: Maker, make_problem: MakeProblem
) -> None:
    optimizer = make_optimizer()
    history = loop.run(optimizer, make_problem(optimizer)).history
    assert 1 <= len(history) <= optimizer.num_steps
    assert [record.index for record in history] == list(range(len(history)))
    assert all(np.isfinite([record.loss, record.error]).all() for record in history)
    assert history[-1].loss < history[0].loss


def test_its_iterations_show_the_map_and_the_first_view(
    make_optimizer: Maker, make_problem: MakeProblem
) -> None:
    optimizer, shapes = make_optimizer(), set()

    def note(iteration: ei.Iteration) -> bool:
        shapes.add((iteration.texels.shape, iteration.image.shape))
        return iteration.index == 1

    problem = make_problem(optimizer)
    loop.run(optimizer, problem, note)
    assert shapes == {(problem.initial.shape, (8, 8, 3))}


def test_a_callback_interrupts_it(make_optimizer: Maker, make_problem: MakeProblem) -> None:
    optimizer = make_optimizer()
    found = loop.run(optimizer, make_problem(optimizer), lambda iteration: iteration.index == 1)
    assert found.status == "interrupted"
    assert len(found.history) == 2
    assert np.isfinite(found.texels).all()


def test_a_run_that_goes_on_from_its_state_ends_with_the_same_bits(
    make_optimizer: Maker, make_problem: MakeProblem
) -> None:
    optimizer, memory = make_optimizer(), Memory(2)
    problem = make_problem(optimizer)
    with limited_threads(1):  # several take the sums of a gradient in any order
        whole = loop.run(optimizer, problem, None, memory)
        assert memory.kept is not None
        resumed = loop.run(optimizer, problem, None, memory)
    np.testing.assert_array_equal(resumed.texels, whole.texels)
    assert [record.loss for record in resumed.history] == [record.loss for record in whole.history]


def test_a_state_of_another_map_is_refused(
    make_optimizer: Maker, make_problem: MakeProblem
) -> None:
    optimizer = make_optimizer()
    problem = make_problem(optimizer)
    solver = optimizer.start(problem)
    solver.step(0)
    state: dict[str, Any] = {
        name: array[:1] if array.ndim else array for name, array in solver.state().items()
    }
    with pytest.raises(ei.InputError, match=r"the checkpoint.*fit the run; begin again"):
        optimizer.start(problem).restore(state, 1)


def test_the_command_line_can_name_it(make_optimizer: Maker) -> None:
    name = make_optimizer.__name__.lower()
    assert make_choice([make_optimizer], "--optimizer", name) == make_optimizer()
    assert make_choice([make_optimizer], "--optimizer", f"{name}:seed=3") == make_optimizer(seed=3)
