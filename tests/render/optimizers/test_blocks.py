from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_same_result
from keepers import Memory
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.metrics import log_rmse
from envmap_inverse.optimizers import loop, transport
from envmap_inverse.problem.problem import Problem

Image = NDArray[np.float32]
SIZE = 65, 64


@pytest.fixture
def with_blocks(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Makes pictures large: of so few pixels blocks are made."""

    def make(first: int = 64, enough: int = 10**6) -> None:
        monkeypatch.setattr(transport, "FIRST_PIXELS", first)
        monkeypatch.setattr(transport, "ENOUGH_PIXELS", enough)

    return make


@pytest.fixture(scope="module")
def scene(make_scene: Callable[..., ei.Scene], smooth_map: Image) -> ei.Scene:
    return make_scene(size=SIZE, texels=smooth_map)


@pytest.fixture(scope="module")
def diffuse(make_scene: Callable[..., ei.Scene], smooth_map: Image) -> ei.Scene:
    return make_scene("diffuse", size=SIZE, texels=smooth_map)


def picture_of(scene: ei.Scene) -> Image:
    return ei.render(scene, spp=256)


def told_by(scene: ei.Scene, picture: Any, **options: Any) -> tuple[ei.Estimate, list[Any]]:
    told: list[ei.Iteration] = []
    result = ei.estimate(
        scene, picture, optimizer=ei.Transport(**options), on_iteration=told.append
    )
    return result, told


def test_blocks_come_first_and_change_nothing_at_the_end(
    scene: ei.Scene, smooth_map: Image, with_blocks: Callable[..., None]
) -> None:
    picture = picture_of(scene)
    expected, without = told_by(scene, picture, spp=16)
    with_blocks()
    found, told = told_by(scene, picture, spp=16)
    np.testing.assert_allclose(found.texels, expected.texels, rtol=1e-4)
    assert len(told) > len(without)
    assert all(each.image.shape == picture.shape for each in told)
    errors = [log_rmse(each.texels, smooth_map) for each in told]
    assert errors[1] < errors[0]


def test_the_first_image_shows_blocks(scene: ei.Scene, with_blocks: Callable[..., None]) -> None:
    with_blocks()
    _, told = told_by(scene, picture_of(scene), spp=16)
    first = told[0].image[:, :64].reshape(8, 8, 8, 8, 3)
    assert np.ptp(first, axis=(1, 3)).max() == 0
    assert np.ptp(first[:, 0, :, 0]) > 0


@pytest.mark.parametrize("length", [1, 2, 3, 4, 5])
def test_a_run_killed_among_blocks_goes_on_to_the_same_bits(
    scene: ei.Scene, with_blocks: Callable[..., None], length: int
) -> None:
    with_blocks()
    optimizer, memory = ei.Transport(spp=64), Memory(length)
    problem = Problem.create(
        scene, picture_of(scene), loss=optimizer.default_loss, priors=optimizer.default_priors
    )
    whole = loop.run(optimizer, problem, None, memory)
    memory.recording = None
    resumed = loop.run(optimizer, problem, None, memory)
    assert_same_history(resumed, whole)


def assert_same_history(found: Any, expected: Any) -> None:
    np.testing.assert_array_equal(found.texels, expected.texels)
    assert [each.loss for each in found.history] == [each.loss for each in expected.history]


def test_a_run_whose_time_ends_among_blocks_has_a_map_and_no_recording(
    scene: ei.Scene, with_blocks: Callable[..., None]
) -> None:
    with_blocks()
    result = ei.estimate(
        scene, picture_of(scene), optimizer=ei.Transport(seconds=1e-6), keep_transport=True
    )
    assert len(result.history) == 1
    assert result.transport is None
    assert np.isfinite(result.texels).all()
    assert np.isfinite(result.deviation).all()


def test_blocks_are_enough_where_light_is_blurred(
    diffuse: ei.Scene, smooth_map: Image, with_blocks: Callable[..., None]
) -> None:
    picture = picture_of(diffuse)
    all_pixels, _ = told_by(diffuse, picture, max_outliers=0)
    with_blocks(enough=64)
    blocks, told = told_by(diffuse, picture, max_outliers=0)
    assert log_rmse(blocks.texels, smooth_map) < 1.1 * log_rmse(all_pixels.texels, smooth_map)
    assert told[-1].image.shape == picture.shape
    asked, _ = told_by(diffuse, picture, max_outliers=0, all_pixels=True)
    assert (asked.texels != blocks.texels).any()
    assert log_rmse(asked.texels, all_pixels.texels) < 0.05


def test_a_recording_that_is_kept_is_of_all_pixels(
    diffuse: ei.Scene, with_blocks: Callable[..., None]
) -> None:
    with_blocks(enough=64)
    picture = picture_of(diffuse)
    result = ei.estimate(diffuse, picture, keep_transport=True)
    assert result.transport is not None
    again = ei.estimate(
        diffuse, picture, optimizer=ei.Transport(recording=result.transport), keep_transport=True
    )
    assert log_rmse(again.texels, result.texels) < 0.05


def test_outliers_of_blocks_are_those_of_pixels(
    diffuse: ei.Scene, with_blocks: Callable[..., None]
) -> None:
    with_blocks(enough=64)
    picture = picture_of(diffuse)
    picture[24:40, 24:40] *= 0.2
    with pytest.warns(UserWarning, match="were left out"):
        result = ei.estimate(diffuse, picture)
    assert result.outliers is not None
    (mask,) = result.outliers
    assert mask.shape == picture.shape[:2]
    assert mask[24:40, 24:40].mean() > 0.5
    assert mask.mean() < 0.15


def test_frames_follow_one_whose_time_ended_among_blocks(
    scene: ei.Scene, with_blocks: Callable[..., None]
) -> None:
    with_blocks()
    picture = picture_of(scene)
    results = [
        *ei.estimate_sequence(scene, [picture, picture], optimizer=ei.Transport(seconds=1e-6))
    ]
    assert len(results) == 2
    assert_same_result(results[0], results[0])
