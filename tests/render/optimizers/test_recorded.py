"""The objective that optimizers on the recorded light transport share."""

from __future__ import annotations

import numpy as np
import pytest
from keepers import Memory

import envmap_inverse as ei
from envmap_inverse.optimizers.recorded import Objective, recorded
from envmap_inverse.problem.problem import Problem


@pytest.fixture
def problem(scene: ei.Scene) -> Problem:
    picture = ei.render(scene, spp=64, seed=9)
    return Problem.create(scene, picture, loss=ei.MSE(), priors=(ei.Smoothness(),))


def test_the_gradient_is_the_directional_derivative(
    problem: Problem, rng: np.random.Generator
) -> None:
    objective = Objective(problem, recorded(problem, None, spp=16, seed=0))
    texels = objective.start * rng.uniform(0.5, 1.5, objective.start.shape).astype(np.float32)
    change = rng.normal(size=texels.shape).astype(np.float32)
    slope = float(np.vdot(objective.gradient(texels), change))
    step = np.float32(1e-2)  # squares have no third derivative: only float32 limits the difference
    ahead, behind = objective(texels + step * change), objective(texels - step * change)
    assert (ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-3)


def test_a_recording_that_is_kept_is_not_made_again(problem: Problem) -> None:
    memory = Memory(0)
    first = recorded(problem, memory, spp=4, seed=0)
    assert memory.recording is first
    assert recorded(problem, memory, spp=4, seed=0) is first


def test_an_exposure_to_be_found_is_refused(scene: ei.Scene) -> None:
    views = [ei.View(np.ones((8, 8, 3)), exposure=exposure) for exposure in (1, "auto")]
    unknown = Problem.create(scene, views, loss=ei.MSE())
    with pytest.raises(ei.InputError, match="exposure: this optimizer needs a number"):
        Objective(unknown, recorded(unknown, None, spp=4, seed=0))
