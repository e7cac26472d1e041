"""Optimizers that go on from a kept state."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from keepers import Memory
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import limited_threads
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.checkpoints import fingerprints
from envmap_inverse.solving.estimate import solve

OPTIMIZERS: dict[str, Optimizer] = {
    "adam": ei.Adam(iterations=6),
    "robust": ei.Adam.robust(iterations=60),
    "recorded": ei.Adam(iterations=6, recorded_spp=4),
    "held out": ei.Adam(iterations=60, patience=50, held_out=0.2),
    "transport": ei.Transport(spp=4),
    "transport in passes": ei.Transport(spp=64),
}


@pytest.fixture
def problem(scene: ei.Scene) -> Problem:
    reference = ei.render(scene, spp=4)
    truth = scene.envmap.texels
    return Problem.create(scene, reference, loss=ei.MSE(), ground_truth=truth)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_a_run_that_goes_on_ends_bit_equal(problem: Problem, name: str, share: float) -> None:
    optimizer = OPTIMIZERS[name]
    memory = Memory(max(1, round(share * optimizer.num_steps)))
    with limited_threads(1):  # several take the sums of a gradient in any order
        whole = solve(problem, optimizer, None, memory)
        assert memory.kept is not None
        resumed = solve(problem, optimizer, None, memory)
    np.testing.assert_array_equal(resumed.texels, whole.texels)
    numbers = [
        [(record.index, record.loss, record.error) for record in result.history]
        for result in (resumed, whole)
    ]
    assert numbers[0] == numbers[1]


@pytest.mark.parametrize(
    "change",
    [
        {"mean": None},
        {"mean": np.zeros(5, np.float32)},
        {"square": np.zeros(512, np.float64)},
        {"taken": np.uint32([1000])},
        {"best_loss": np.array(1.0)},
    ],
)
def test_a_state_that_does_not_fit_is_refused(problem: Problem, change: dict[str, Any]) -> None:
    memory = Memory(2)
    solve(problem, ei.Adam(iterations=3), None, memory)
    assert memory.kept is not None
    arrays = memory.kept[1] | change
    memory.kept = memory.kept[0], {k: v for k, v in arrays.items() if v is not None}
    with pytest.raises(ei.InputError, match=r"the checkpoint's .* fit the run; begin again"):
        solve(problem, ei.Adam(iterations=3), None, memory)


@pytest.mark.parametrize("texels", [np.zeros((3, 3), np.float32), np.full((128, 3), np.nan)])
def test_a_map_that_does_not_fit_is_refused(problem: Problem, texels: NDArray[Any]) -> None:
    memory = Memory(2)
    memory.kept = [], {"texels": texels.astype(np.float32)}
    with pytest.raises(ei.InputError, match="the checkpoint does not fit the run"):
        solve(problem, ei.Transport(spp=1), None, memory)


def test_a_recording_of_other_pictures_is_made_again(
    problem: Problem, make_scene: Callable[..., ei.Scene]
) -> None:
    memory = Memory(2)
    other = ei.LightTransport.record(make_scene(size=(4, 4)), spp=1)
    memory.recording = other
    solve(problem, ei.Transport(spp=1), None, memory)
    assert memory.recording is not other


def test_all_that_a_run_follows_from_has_a_fingerprint(
    problem: Problem, make_scene: Callable[..., ei.Scene]
) -> None:
    base = fingerprints(problem, ei.Adam())
    assert fingerprints(problem, ei.Adam()) == base
    brighter = replace(problem.views[0], image=problem.views[0].image * 2)
    changed = {
        "reference image (picture 1)": replace(problem, views=(brighter,)),
        "the start map": replace(problem, initial=problem.initial * 2),
        "the ground truth": replace(problem, ground_truth=None),
        "the loss": replace(problem, loss=ei.Huber()),
        "the priors": replace(problem, priors=(ei.Tikhonov(),)),
        "the scene": replace(problem, scene=make_scene(fov=41)),
    }
    for name, other in changed.items():
        found = fingerprints(other, ei.Adam())
        assert {key for key in base if base[key] != found[key]} == {name}
    found = fingerprints(problem, ei.Adam(seed=1))
    assert {key for key in base if base[key] != found[key]} == {"the optimizer"}


@pytest.mark.parametrize(
    "options", [{"material": "rough"}, {"integrator": {"type": "path", "max_depth": 4}}]
)
def test_materials_and_integrators_are_part_of_the_scene(
    problem: Problem, make_scene: Callable[..., ei.Scene], options: dict[str, Any]
) -> None:
    other = replace(problem, scene=make_scene(**options))
    key = "the scene"
    assert fingerprints(other, ei.Adam())[key] != fingerprints(problem, ei.Adam())[key]


def test_the_scenes_own_map_is_no_part_of_it(problem: Problem) -> None:
    before = fingerprints(problem, ei.Adam())
    problem.scene.set_envmap(problem.scene.envmap.texels * 2)
    assert fingerprints(problem, ei.Adam()) == before
