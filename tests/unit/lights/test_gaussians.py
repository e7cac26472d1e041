from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.lights.gaussians import BLUR, _Problem
from envmap_inverse.lights.light import Light


def two_lobes() -> ei.SphericalGaussians:
    axes = np.array([[0.6, 0.8, 0.0], [0.0, -0.6, 0.8]])
    return ei.SphericalGaussians(
        axes=axes,
        sharpness=np.array([20.0, 5.0]),
        amplitudes=np.array([[5.0, 4.0, 3.0], [1.0, 1.5, 2.0]]),
        misfit=0.0,
    )


def test_lobes_are_found_again_but_for_the_blur() -> None:
    truth = two_lobes()
    found = ei.spherical_gaussians(truth.texels(64, 128), lobes=2)
    assert found.misfit < 0.02
    assert found.axes == pytest.approx(truth.axes, abs=0.01)
    # Variances add
    expected = 1 / (1 / truth.sharpness + BLUR**2)
    assert found.sharpness == pytest.approx(expected, rel=0.03)
    sent = found.amplitudes / found.sharpness[:, None]
    assert sent == pytest.approx(truth.amplitudes / truth.sharpness[:, None], rel=0.03)


def test_the_derivatives_are_those_of_the_residuals() -> None:
    problem = _Problem(np.random.default_rng(1).uniform(0, 1, (32 * 64, 3)))
    numbers = problem.start(3) + 0.1
    jacobian = problem.jacobian(numbers)
    for place in range(0, len(numbers), 4):
        step = np.zeros_like(numbers)
        step[place] = 1e-6
        change = problem.residuals(numbers + step) - problem.residuals(numbers - step)
        assert jacobian[:, place] == pytest.approx(change / 2e-6, abs=1e-5)


def test_deviations_follow_the_samples(rng: np.random.Generator) -> None:
    truth = two_lobes()
    levels = rng.normal(1, 0.1, (64, 1, 1, 1))
    samples = (levels * truth.texels(32, 64)).astype(np.float32)
    light = Light(texels=truth.texels(32, 64), samples=samples)
    found = ei.spherical_gaussians(light, lobes=2)
    spread = float(np.std(levels, ddof=1))
    assert found.amplitude_deviation == pytest.approx(spread * found.amplitudes, rel=0.05)
    assert found.axis_deviation == pytest.approx(0, abs=0.01)
    assert found.sharpness_deviation == pytest.approx(0, abs=0.3)


def test_a_bare_map_has_no_deviation() -> None:
    found = ei.spherical_gaussians(np.ones((8, 16, 3)), lobes=1)
    assert found.amplitude_deviation is None
    assert found.as_dict()["covariance"] is None
    assert found.texels(4, 8) == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("lobes", [0, 65])
def test_a_number_out_of_range_is_refused(lobes: int) -> None:
    with pytest.raises(ei.InputError, match=f"lobes must lie between 1 and 64; found {lobes}"):
        ei.spherical_gaussians(np.ones((8, 16, 3)), lobes=lobes)
