from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}


@pytest.fixture
def open_scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """Nothing but the map: a camera that looks across its seam, at rows 3 to 5 of 9."""
    return make_scene(texels=random_map(9, 16), **BEHIND_THE_CAMERA)


class NaNAt:
    """The squared error, but NaN in the calls of the given numbers; unfrozen loops call it."""

    def __init__(self, *calls: int) -> None:
        self.calls, self.count = calls, 0

    def __call__(self, prediction: Any, observation: Any) -> Any:
        is_bad, self.count = self.count in self.calls, self.count + 1
        return dr.square(prediction - observation) * (np.nan if is_bad else 1)


class NaNWhereBright:
    """The squared error, but NaN where a prediction exceeds a limit."""

    def __init__(self, limit: float) -> None:
        self.limit = limit

    def __call__(self, prediction: Any, observation: Any) -> Any:
        error = dr.square(prediction - observation)
        return dr.select(prediction > self.limit, np.nan, error)


def steep_zero(prediction: Any, _observation: Any) -> Any:
    """0 everywhere, by a way whose gradient is infinite."""
    return dr.sqrt(prediction - dr.detach(prediction))


@pytest.mark.parametrize("position", [0, 3, 5])
def test_a_step_that_meets_nan_is_dropped_and_counted(
    scene: ei.Scene, reference: NDArray[np.float32], position: int
) -> None:
    maps: list[NDArray[np.float32]] = []
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=6, frozen=False),
        loss=NaNAt(position),
        on_iteration=lambda iteration: maps.append(iteration.texels),
    )
    assert (result.num_dropped, result.status, len(result.history)) == (1, "done", 6)
    assert np.isnan(result.history[position].loss)
    before = maps[position - 1] if position else np.ones_like(maps[0])
    np.testing.assert_array_equal(maps[position], before)
    assert np.isfinite(result.texels).all()
    assert (result.texels != before).any() or position == 5


def test_a_frozen_loop_drops_the_steps_that_meet_nan(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam(iterations=40)
    brightest: list[float] = []
    ei.estimate(
        scene,
        reference,
        optimizer=adam,
        on_iteration=lambda iteration: brightest.append(float(iteration.image.max())),
    )
    loss = NaNWhereBright(float(np.percentile(brightest, 70)))
    maps: list[NDArray[np.float32]] = []
    result = ei.estimate(
        scene,
        reference,
        optimizer=adam,
        loss=loss,
        on_iteration=lambda iteration: maps.append(iteration.texels),
    )
    is_dropped = np.isnan([record.loss for record in result.history])
    assert 0 < result.num_dropped == is_dropped.sum() < len(is_dropped)
    before = [np.ones_like(maps[0]), *maps[:-1]]
    is_same = [np.array_equal(*pair) for pair in zip(maps, before, strict=True)]
    np.testing.assert_array_equal(is_same, is_dropped)


def test_a_step_whose_gradient_alone_is_not_finite_is_dropped(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam(iterations=3)
    result = ei.estimate(scene, reference, optimizer=adam, loss=steep_zero)
    assert [record.loss for record in result.history] == [0, 0, 0]
    assert result.num_dropped == 3
    assert (result.texels == 1).all()


@pytest.mark.parametrize("frozen", [True, False])
def test_too_many_dropped_steps_end_the_run_with_an_explanation(
    scene: ei.Scene, reference: NDArray[np.float32], frozen: bool
) -> None:
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=500, max_dropped=4, frozen=frozen),
        loss=NaNWhereBright(-1),
    )
    assert 4 <= len(result.history) <= 2 * 4
    assert result.num_dropped == len(result.history)
    assert "NaN or infinity" in result.status
    np.testing.assert_array_equal(result.texels, 1)


def test_a_run_that_ends_early_keeps_the_last_good_map(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    maps: list[NDArray[np.float32]] = []
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=500, max_dropped=3, frozen=False),
        loss=NaNAt(*range(4, 500)),
        on_iteration=lambda iteration: maps.append(iteration.texels),
    )
    assert 7 <= len(result.history) <= 10
    np.testing.assert_array_equal(result.texels, maps[3])
    assert (maps[3] != maps[2]).any()


def test_dropped_steps_that_are_not_in_a_row_do_not_end_the_run(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=8, max_dropped=2, frozen=False),
        loss=NaNAt(*range(0, 8, 2)),
    )
    assert (result.num_dropped, result.status, len(result.history)) == (4, "done", 8)


def test_a_dropped_step_does_not_change_the_steps_after_it(open_scene: ei.Scene) -> None:
    """With no noise, dropping step 0 must only shift the run by one."""
    white, reference = np.ones((9, 16, 3)), np.full((8, 8, 3), 0.5)
    expected = ei.estimate(
        open_scene,
        reference,
        optimizer=ei.Adam(iterations=1, frozen=False, spp=1, seed=1),
        initial=white,
    )
    found = ei.estimate(
        open_scene,
        reference,
        optimizer=ei.Adam(iterations=2, frozen=False, spp=1, seed=0),
        loss=NaNAt(0),
        initial=white,
    )
    np.testing.assert_allclose(found.texels, expected.texels, atol=1e-6)
