"""Responses and exposures found from made-up values."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse.images import linear_to_srgb
from envmap_inverse.images.response_fit import Exposures, ResponseFit, Samples, fit_response

Array = NDArray[np.float64]

EXPOSURES = np.array([1, 0.25, 0.0625, 0.02])
NOISE = 0.5 / 255


def srgb(light: Array, _: int) -> Array:
    return linear_to_srgb(light)


def film(light: Array, _: int) -> Array:
    """An S-curve: a logistic of the log light."""
    return 1.16 * light / (light + 0.16)


def phone(light: Array, shot: int) -> Array:
    """Shadows are lifted or lowered from shot to shot."""
    values = linear_to_srgb(light)
    return values + (0.2, -0.2, 0.1, 0.0)[shot] * values * (1 - values) ** 2


def samples(curve: Callable[[Array, int], Array], *, outliers: float = 0.0) -> Samples:
    """200 lights over four decades, each of three colours, with noise of half a level."""
    random = np.random.default_rng(1)
    light = np.exp(random.uniform(-7, 3, (200, 1))) * random.uniform(0.7, 1, (200, 3))
    exposed = np.clip(light[:, None] * EXPOSURES[:, None], 0, 1)
    values = np.stack([curve(exposed[:, k], k) for k in range(4)], axis=1)
    values = np.clip(values + NOISE * random.standard_normal(values.shape), 0, 1)
    wrong = random.random((200, 4, 1)) < outliers
    values = np.where(wrong, random.random(values.shape), values)
    counts = ((values > 0.014) & (values < 0.975)).astype(float)
    return Samples(values=values, counts=counts * (counts.sum(axis=1, keepdims=True) >= 2))


def by_exif(*, off: float = 1.0) -> Exposures:
    logs = np.log(EXPOSURES * np.array([1, off, 1, 1]))
    return Exposures(logs=logs, deviations=np.full(4, 0.05))


def unknown() -> Exposures:
    return Exposures(logs=np.log([1, 0.4, 0.1, 0.05]), deviations=np.full(4, 3.0))


def curve_error(fit: ResponseFit, curve: Callable[[Array, int], Array], picture: int = 0) -> float:
    """Standard deviation of the log of the found over the true exposure, between 10 and 95 %."""
    light = np.geomspace(1e-4, 1, 2000)
    values = curve(light, picture)
    inside = (values > 0.1) & (values < 0.95)
    off = np.log(fit.curve(picture, 0).linear(values[inside]) / light[inside])
    return float(np.std(off))


def test_srgb_is_recognized_and_the_exposures_of_it_are_exact() -> None:
    fit = fit_response(samples(srgb), unknown(), is_per_picture=False)
    assert fit.sharing == "sRGB"
    np.testing.assert_allclose(np.exp(fit.logs), EXPOSURES, rtol=0.01)


def test_a_curve_and_the_exposures_are_found_with_exif() -> None:
    fit = fit_response(samples(film), by_exif(off=1.06))
    assert fit.sharing == "one curve"
    np.testing.assert_allclose(np.exp(fit.logs), EXPOSURES, rtol=0.05)
    assert curve_error(fit, film) < 0.02


def test_exposures_are_found_that_exif_has_wrong() -> None:
    fit = fit_response(samples(srgb), by_exif(off=2.0))
    np.testing.assert_allclose(np.exp(fit.logs), EXPOSURES, rtol=0.02)


def test_without_exif_exposures_lie_within_wide_deviations() -> None:
    fit = fit_response(samples(film), unknown(), is_per_picture=False)
    off = fit.logs - np.log(EXPOSURES)
    assert (np.abs(off[1:]) < 2 * fit.deviations[1:]).all()
    assert fit.deviations[-1] > 0.5  # a factor of 1.6: a power of all exposures is not known


def test_a_curve_per_picture_is_found_where_the_camera_changed_it() -> None:
    fit = fit_response(samples(phone), by_exif())
    assert fit.sharing == "one curve per picture"
    assert max(curve_error(fit, phone, picture) for picture in range(4)) < 0.08


def test_a_tenth_of_the_values_may_be_wrong() -> None:
    fit = fit_response(samples(film, outliers=0.1), by_exif())
    np.testing.assert_allclose(np.exp(fit.logs), EXPOSURES, rtol=0.05)
    assert curve_error(fit, film) < 0.03


@pytest.mark.parametrize("curve", [srgb, film, phone])
def test_found_curves_rise(curve: Callable[[Array, int], Array]) -> None:
    fit = fit_response(samples(curve), by_exif())
    stored = np.arange(256) / 255
    for picture in range(4):
        linear = fit.curve(picture, 0).linear(stored)
        assert linear[0] == 0
        assert linear[-1] == pytest.approx(1)
        assert (np.diff(linear) > 0).all()
