"""Clipped pictures, and pictures of unknown exposure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.metrics import log_rmse
from envmap_inverse.problem.view import start_exposures

Image = NDArray[np.float32]
MakeScene = Callable[..., ei.Scene]
WHITE = 1.0


@pytest.fixture(scope="module")
def window() -> Image:
    """A dim room with a window ten times as bright."""
    texels = np.full((16, 32, 3), 0.5, np.float32)
    texels[5:9, 12:18] = 5
    return texels


@pytest.fixture
def room(make_scene: MakeScene, window: Image) -> ei.Scene:
    return make_scene(size=(32, 32), texels=window, cameras=[(0, 0, 4), (4, 0, 0), (0, 0, -4)])


def clipped(image: Image) -> Image:
    return np.minimum(image, np.float32(WHITE))


def recover(scene: ei.Scene, views: Any) -> ei.Estimate:
    return ei.estimate(scene, views, optimizer=ei.Transport(rounds=6, iterations=20))


def test_a_clipped_light_is_brighter_if_clipped_values_are_bounds(
    room: ei.Scene, window: Image
) -> None:
    picture = clipped(ei.render(room, spp=256, seed=9))
    exact, censored = (recover(room, ei.View(picture, white=w)).texels for w in (None, WHITE))
    light = window[..., 0] > 1
    assert censored[light].mean() > 1.2 * exact[light].mean()
    assert log_rmse(censored, window) < log_rmse(exact, window)


def test_a_bound_that_is_met_costs_nothing(room: ei.Scene) -> None:
    picture = ei.render(room, spp=64, seed=9)
    is_over = picture > WHITE
    found = recover(room, ei.View(clipped(picture), white=WHITE))
    again = ei.render(room, found.texels, spp=64, seed=9)
    assert again[is_over].mean() > 0.95 * WHITE


def test_black_values_are_bounds_from_above(room: ei.Scene, window: Image) -> None:
    picture = ei.render(room, spp=64, seed=9)
    level = float(np.quantile(picture[picture > 0], 0.3))
    lifted = np.maximum(picture, np.float32(level))
    exact, bounded = (recover(room, ei.View(lifted, black=b)).texels for b in (None, level))
    assert bounded.mean() < exact.mean()


def test_views_tell_which_of_their_values_are_clipped() -> None:
    image = np.ones((2, 2, 3), np.float32)
    image[0, 0], image[1, 1] = 0, 0.5
    mask = np.float32([[1, 0], [0, 1]])
    view = ei.View(image, mask=mask, white=1.0, black=0.0)
    assert view.clipped_share == pytest.approx({"over": 0.0, "under": 0.5})
    assert view.is_over.sum() == 6
    assert view.is_under.sum() == 3


def test_a_view_of_which_everything_is_clipped_is_refused() -> None:
    with pytest.raises(ei.InputError, match="every pixel that counts is clipped"):
        ei.View(np.ones((2, 2, 3)), white=1.0)


@pytest.mark.parametrize("sensors", [(0, 0, 0), (0, 1, 2)])
def test_unknown_exposures_are_found_relative_to_the_first(
    room: ei.Scene, sensors: Sequence[int]
) -> None:
    true = (1.0, 0.25, 4.0)
    views = [
        ei.View(
            ei.render(room, spp=256, seed=9 + k, sensor=sensor) * np.float32(gain),
            sensor=sensor,
            exposure="auto",
        )
        for k, (sensor, gain) in enumerate(zip(sensors, true, strict=True))
    ]
    found = recover(room, views)
    assert found.exposures is not None
    np.testing.assert_allclose(found.exposures[:, 0], true, rtol=0.02)


def test_the_white_balance_of_a_view_is_found(room: ei.Scene) -> None:
    picture = ei.render(room, spp=256, seed=9)
    balance = np.float32((2, 1, 0.5))
    views = [ei.View(picture), ei.View(picture * balance, exposure="auto-rgb")]
    found = recover(room, views)
    assert found.exposures is not None
    np.testing.assert_allclose(found.exposures[1], balance, rtol=0.02)


def test_bracketed_clipped_pictures_give_the_whole_range(room: ei.Scene, window: Image) -> None:
    picture = ei.render(room, spp=256, seed=9)
    views = [
        ei.View(np.clip(picture * g, 0.01, 1), exposure="auto", white=1.0, black=0.01)
        for g in (np.float32(1), np.float32(0.1))
    ]
    found = recover(room, views)
    light = window[..., 0] > 1
    assert found.exposures is not None
    np.testing.assert_allclose(found.exposures[1], 0.1, rtol=0.03)
    assert found.texels[light].mean() == pytest.approx(5, rel=0.15)


def test_unknown_exposures_are_numbered_by_view_and_channel() -> None:
    image = np.ones((2, 2, 3))
    views = [ei.View(image, exposure=e) for e in ("auto", 2.0, "auto-rgb", (1, 2, 3))]
    exposures, unknown = start_exposures(views)
    np.testing.assert_array_equal(unknown, [[0, 0, 0], [-1, -1, -1], [1, 2, 3], [-1, -1, -1]])
    np.testing.assert_array_equal(exposures, [[1, 1, 1], [2, 2, 2], [1, 1, 1], [1, 2, 3]])


def test_the_first_exposure_is_one_if_none_is_known() -> None:
    views = [ei.View(np.ones((2, 2, 3)), exposure="auto") for _ in range(2)]
    _, unknown = start_exposures(views)
    np.testing.assert_array_equal(unknown, [[-1, -1, -1], [0, 0, 0]])


# Adam


@pytest.mark.parametrize("recorded_spp", [0, 64])
def test_adam_takes_clipped_values_for_bounds(
    room: ei.Scene, window: Image, recorded_spp: int
) -> None:
    picture = clipped(ei.render(room, spp=64, seed=9))
    adam = ei.Adam(iterations=60, learning_rate=0.2, recorded_spp=recorded_spp)
    start = np.full_like(window, 3)
    exact, censored = (
        ei.estimate(room, ei.View(picture, white=w), optimizer=adam, initial=start).texels
        for w in (None, WHITE)
    )
    light = window[..., 0] > 1
    assert exact[light].mean() < 0.8 * censored[light].mean()
    assert censored[light].mean() > 3  # nothing pulls it down


def test_adam_finds_unknown_exposures(room: ei.Scene) -> None:
    picture = ei.render(room, spp=64, seed=9)
    views = [ei.View(picture * np.float32(g), exposure="auto") for g in (1, 0.25)]
    found = ei.estimate(room, views, optimizer=ei.Adam(iterations=2))
    assert found.exposures is not None
    np.testing.assert_allclose(found.exposures[:, 0], (1, 0.25), rtol=0.02)


def test_a_censored_loss_gives_its_levels_to_the_views(room: ei.Scene) -> None:
    picture = clipped(ei.render(room, spp=64, seed=9))
    expected = recover(room, ei.View(picture, white=WHITE, black=0.0))
    found = ei.estimate(
        room,
        picture,
        optimizer=ei.Transport(rounds=6, iterations=20),
        loss=ei.Censored(ei.Transport().default_loss, white=WHITE),
    )
    assert log_rmse(found.texels, expected.texels) < 0.02  # held-out pixels may count otherwise
