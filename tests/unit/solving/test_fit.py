from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from envmap_inverse.solving.fit import Fit, judge

Image = NDArray[np.float32]
ONES = np.ones((1, 3), np.float32)


@pytest.fixture
def light() -> Image:
    """Smooth random radiance, 48 x 64 pixels."""
    random = np.random.default_rng(3).lognormal(0, 1, (48, 64, 3))
    return ndimage.gaussian_filter(random, (2, 2, 0)).astype(np.float32)


def fit_of(image: Image, light: Image, noise: float = 0.0, **options: Any) -> Fit:
    """The fit of an image whose renderings are `light` with 1 % of independent noise."""
    random = np.random.default_rng(1)
    pair = [light * (1 + 0.01 * random.standard_normal(light.shape)) for _ in range(2)]
    view = ei.View(image, noise=ei.Noise(read=noise), **options)
    first, second = (half.astype(np.float32) for half in pair)
    return judge([view], [(first, second)], ONES)


def test_noise_of_the_expected_size_is_a_fit(light: Image) -> None:
    noise = 0.2 * np.random.default_rng(2).standard_normal(light.shape)
    found = fit_of((light + noise).astype(np.float32), light, noise=0.2)
    assert (found.verdict, found.reason) == ("within noise", "")
    assert found.chi2 == pytest.approx(1, abs=0.1)
    assert abs(found.correlation) < 0.05


def test_more_noise_than_expected_is_named(light: Image) -> None:
    noise = 0.2 * np.random.default_rng(2).standard_normal(light.shape)
    found = fit_of((light + noise).astype(np.float32), light, noise=0.05)
    assert found.verdict == "within noise"
    assert "noisier" in found.reason


def test_a_shift_is_no_fit_and_is_named(light: Image) -> None:
    moved = ndimage.shift(light, (0, 1, 0), order=1, mode="nearest")
    found = fit_of(moved, light)
    assert found.verdict == "no"
    assert found.correlation > 0.2
    assert "a shift of the picture by +" in found.reason


def test_what_the_scene_lacks_is_no_fit(light: Image) -> None:
    image = light.copy()
    image[10:25, 20:40] *= 1.5
    assert fit_of(image, light).verdict == "no"


def test_masked_pixels_do_not_matter(light: Image) -> None:
    image, mask = light.copy(), np.ones(light.shape[:2], np.float32)
    image[10:25, 20:40] *= 5
    mask[10:25, 20:40] = 0
    assert fit_of(image, light, mask=mask).verdict == "within noise"


def test_a_bound_that_is_met_is_no_misfit(light: Image) -> None:
    white = float(np.quantile(light, 0.8))
    found = fit_of(np.minimum(light, white), light, white=white)
    assert found.verdict == "within noise"
    assert found.chi2 < 1


def test_a_single_pixel_can_be_judged() -> None:
    pixel = np.ones((1, 1, 3), np.float32)
    assert fit_of(pixel, pixel).verdict == "within noise"


@pytest.mark.parametrize("factor", [1000, 1.3, 0.8])
def test_a_picture_in_other_units_is_no_fit_and_its_factor_is_named(
    light: Image, factor: float
) -> None:
    found = fit_of(light * np.float32(factor), light)
    assert found.verdict == "no"
    assert f"is {factor:.3g}:{factor:.3g}:{factor:.3g} times (red:green:blue)" in found.reason


def test_a_cast_of_colour_is_no_fit(light: Image) -> None:
    found = fit_of(light * np.float32([1.2, 1, 1]), light)
    assert "is 1.2:1:1 times (red:green:blue) as bright" in found.reason


def test_a_dark_ground_that_is_not_quite_black_is_no_other_level(light: Image) -> None:
    dark = light.copy()
    dark[:40] = 0
    assert "times" not in fit_of(dark + np.float32(0.002), dark).reason


def test_a_misfit_of_a_map_that_did_not_move_says_so(light: Image) -> None:
    view = ei.View(2 * light, noise=ei.Noise())
    found = judge([view], [(light, light)], ONES, motion=0.01)
    assert found.reason.startswith("the map hardly left its start (by 1 %)")
    assert "hardly" not in judge([view], [(light, light)], ONES, motion=0.5).reason


def test_a_misfit_of_a_run_that_ended_too_early_asks_for_more(light: Image) -> None:
    view = ei.View(2 * light, noise=ei.Noise())
    assert "or take" not in judge([view], [(light, light)], ONES).reason
    found = judge([view], [(light, light)], ONES, lacking="more rounds")
    assert found.reason.endswith("other emitters, or take more rounds")


def test_a_fit_needs_no_motion(light: Image) -> None:
    view = ei.View(light, noise=ei.Noise())
    assert judge([view], [(light, light)], ONES, motion=0).verdict == "within noise"


def turned(light: Image, degrees: float = 0.0, size: float = 1.0) -> Image:
    """The picture turned clockwise and enlarged about its centre."""
    height, width, _ = light.shape
    down, across = np.mgrid[:height, :width]
    y, x = down - (height - 1) / 2, across - (width - 1) / 2
    angle = np.radians(degrees)
    source_x = (np.cos(angle) * x + np.sin(angle) * y) / size + (width - 1) / 2
    source_y = (np.cos(angle) * y - np.sin(angle) * x) / size + (height - 1) / 2
    channels = [
        ndimage.map_coordinates(channel, [source_y, source_x], order=1, mode="nearest")
        for channel in np.moveaxis(light, 2, 0)
    ]
    return np.stack(channels, axis=2).astype(np.float32)


def test_a_turn_and_another_size_are_named(light: Image) -> None:
    found = fit_of(turned(light, degrees=1.0, size=1.02), light)
    assert found.verdict != "within noise"
    words = re.search(r"a turn by \+([\d.]+) degrees and a size \+([\d.]+) %", found.reason)
    assert words
    assert float(words[1]) == pytest.approx(1, abs=0.25)
    assert float(words[2]) == pytest.approx(2, abs=0.5)


def test_a_patch_that_no_map_explains_is_named_with_its_place(light: Image) -> None:
    image = light.copy()
    image[20:26, 40:46] *= 0.4
    found = fit_of(image, light)
    assert found.verdict != "within noise"
    assert "has a patch of 36 pixels round x=42, y=22 that no map explains" in found.reason


def test_pixels_that_look_clipped_are_named(light: Image) -> None:
    white = float(np.quantile(light, 0.9))
    found = fit_of(np.minimum(light, white), light)
    assert "share its highest value and are darker than their rendering" in found.reason
    bounded = fit_of(np.minimum(light, white), light, white=white)
    assert bounded.verdict == "within noise"


def test_a_fit_has_the_residuals_of_each_picture(light: Image) -> None:
    image = light.copy()
    image[10, 20] += 5
    (residuals,) = fit_of(image, light).residuals
    assert (residuals.shape, residuals.dtype) == (light.shape, np.float32)
    assert np.unravel_index(np.argmax(residuals.sum(axis=2)), (48, 64)) == (10, 20)
    names = {"chi2", "correlation", "verdict", "reason", "held_out"}
    assert fit_of(image, light).as_dict().keys() == names


def test_no_patch_is_named_where_the_misfit_is_everywhere(light: Image) -> None:
    random = np.random.default_rng(4).uniform(0.2, 3, (6, 8, 3))
    image = light * np.kron(random, np.ones((8, 8, 1))).astype(np.float32)
    found = fit_of(image, light)
    assert found.verdict == "no"
    assert "patch" not in found.reason


def test_masked_pixels_have_no_residuals(light: Image) -> None:
    mask = np.ones(light.shape[:2])
    mask[:, :5] = 0
    (residuals,) = fit_of(light + 1, light, mask=mask).residuals
    assert not residuals[:, :5].any()
    assert residuals[:, 5:].all()
