from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.problem.noise import Noise, estimate_noise


@pytest.fixture
def ramp() -> NDArray[np.float64]:
    """A picture of smooth shading, from 0.05 to 1.05, shape (128, 160, 3)."""
    x, y = np.meshgrid(np.linspace(0, 1, 160), np.linspace(0, 1, 128))
    return np.repeat((0.05 + x * (0.5 + 0.5 * y))[:, :, None], 3, axis=2)


def noisy(image: NDArray[np.float64], noise: Noise, seed: int = 1) -> NDArray[np.float32]:
    deviation = np.sqrt(noise.variance(image.astype(np.float32)))
    random = np.random.default_rng(seed).standard_normal(image.shape)
    return (image + deviation * random).astype(np.float32)


@pytest.mark.parametrize(
    "noise",
    [Noise(read=0.01), Noise(read=0.1), Noise(shot=0.01), Noise(relative=0.1)],
    ids=["faint", "strong", "shot", "relative"],
)
@pytest.mark.parametrize("level", [0.2, 0.6, 1.0])
def test_the_noise_of_smooth_shading_is_found_to_a_tenth(
    ramp: NDArray[np.float64], noise: Noise, level: float
) -> None:
    value = np.array(level, np.float32)
    found = estimate_noise(noisy(ramp, noise)).variance(value)
    assert np.sqrt(found / noise.variance(value)) == pytest.approx(1, abs=0.12)


def test_edges_are_not_taken_for_noise(ramp: NDArray[np.float64]) -> None:
    ramp[:, 40:60] *= 3
    ramp[50:70] *= 0.2
    found = estimate_noise(noisy(ramp, Noise(read=0.01)))
    assert found.variance(np.array(0.5, np.float32)) < 4 * 0.01**2


def test_a_picture_without_noise_has_none(ramp: NDArray[np.float64]) -> None:
    found = estimate_noise(ramp.astype(np.float32))
    assert found.variance(np.array(1, np.float32)) < 1e-10


def test_values_that_do_not_count_are_not_looked_at(ramp: NDArray[np.float64]) -> None:
    image = noisy(ramp, Noise(read=0.01))
    image[:64] += np.random.default_rng(5).standard_normal((64, 160, 3)).astype(np.float32)
    counts = np.zeros(image.shape, bool)
    counts[64:] = True
    found = estimate_noise(image, counts)
    assert found.variance(np.array(0.5, np.float32)) == pytest.approx(0.01**2, rel=0.3)


@pytest.mark.parametrize("size", [(1, 1), (23, 200), (24, 24)])
def test_small_pictures_tell_nothing_or_something_finite(size: tuple[int, int]) -> None:
    image = np.random.default_rng(1).random((*size, 3)).astype(np.float32)
    assert np.isfinite(estimate_noise(image).variance(np.array(1, np.float32)))


@pytest.mark.parametrize("name", ["read", "shot", "relative"])
@pytest.mark.parametrize("value", [-1.0, np.nan, np.inf])
def test_noise_that_cannot_be_is_refused(name: str, value: float) -> None:
    with pytest.raises(InputError, match=f"noise: {name} must lie from 0 to 1e.15"):
        Noise(**{name: value})


def test_negative_values_have_the_noise_of_darkness() -> None:
    noise = Noise(read=0.1, shot=1, relative=1)
    assert noise.variance(np.array(-5, np.float32)) == pytest.approx(0.01)
