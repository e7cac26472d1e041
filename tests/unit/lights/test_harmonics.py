from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.lambert import fibonacci_directions
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles

DIRECTIONS = texel_directions(6, 9).reshape(-1, 3)


@pytest.fixture
def harmonics(random_map: Callable[..., NDArray[np.float32]]) -> ei.SphericalHarmonics:
    return ei.spherical_harmonics(random_map(), order=2)


def polynomials(x: NDArray, y: NDArray, z: NDArray) -> list[NDArray]:
    """Those of the shaders of Filament and Unity."""
    one = np.ones_like(x)
    return [one, y, z, x, x * y, y * z, 3 * z**2 - 1, x * z, x**2 - y**2]


def test_an_array_of_them_has_the_coefficients(harmonics: ei.SphericalHarmonics) -> None:
    assert np.asarray(harmonics).shape == (9, 3)
    assert (np.asarray(harmonics) == harmonics.coefficients).all()


def test_a_bare_map_has_no_deviation(harmonics: ei.SphericalHarmonics) -> None:
    assert harmonics.deviation is None
    assert harmonics.irradiance_deviation([0, 1, 0]) is None
    assert harmonics.as_dict()["covariance"] is None


def test_the_irradiance_of_constant_radiance_is_pi_times_it() -> None:
    sky = ei.spherical_harmonics(np.full((8, 16, 3), 2.0), order=8)
    assert sky.irradiance(DIRECTIONS) == pytest.approx(2 * np.pi)
    assert sky.radiance(DIRECTIONS) == pytest.approx(2)
    assert sky.texels(4, 8) == pytest.approx(2)


def test_three_js_finds_the_same_irradiance(harmonics: ei.SphericalHarmonics) -> None:
    x, y, z = DIRECTIONS.T
    # SphericalHarmonics3.getIrradianceAt
    weights = [
        np.full_like(x, 0.886227),
        *(2 * 0.511664 * axis for axis in (y, z, x)),
        2 * 0.429043 * x * y,
        2 * 0.429043 * y * z,
        0.743125 * z * z - 0.247708,
        2 * 0.429043 * x * z,
        0.429043 * (x * x - y * y),
    ]
    found = np.transpose(weights) @ harmonics.for_three_js()
    assert found == pytest.approx(harmonics.irradiance(DIRECTIONS), abs=1e-4)


def test_filament_finds_the_same_irradiance_over_pi(harmonics: ei.SphericalHarmonics) -> None:
    x, y, z = DIRECTIONS.T
    # irradianceSH of its shaders
    found = np.transpose(polynomials(x, y, z)) @ harmonics.for_filament()
    assert found == pytest.approx(harmonics.irradiance(DIRECTIONS) / np.pi, abs=1e-12)
    # The table in IndirectLight.h, without the signs of its own basis
    factors = [0.282095] + 3 * [0.325735] + 2 * [0.273137] + [0.078848, 0.273137, 0.136569]
    assert harmonics.for_filament() == pytest.approx(
        np.array(factors)[:, None] * harmonics.coefficients, rel=1e-5
    )


def test_unity_finds_the_same_irradiance_over_pi(harmonics: ei.SphericalHarmonics) -> None:
    x, y, z = DIRECTIONS.T * [[-1], [1], [1]]
    sh = harmonics.for_unity().T
    for channel in range(3):
        # unity_SHA, unity_SHB and unity_SHC as its SphericalHarmonicsL2 fills them
        first = [sh[channel, 3], sh[channel, 1], sh[channel, 2], sh[channel, 0] - sh[channel, 6]]
        second = [sh[channel, 4], sh[channel, 5], 3 * sh[channel, 6], sh[channel, 7]]
        found = np.dot(first, [x, y, z, np.ones_like(x)])
        found += np.dot(second, [x * y, y * z, z * z, z * x]) + sh[channel, 8] * (x * x - y * y)
        expected = harmonics.irradiance(DIRECTIONS)[:, channel] / np.pi
        assert found == pytest.approx(expected, abs=1e-12)


def test_unreal_finds_the_same_radiance(harmonics: ei.SphericalHarmonics) -> None:
    x, z, y = DIRECTIONS.T  # its axes are (x, z, y)
    # SHBasisFunction3
    values = [
        np.full_like(x, 0.282095),
        -0.488603 * y,
        0.488603 * z,
        -0.488603 * x,
        1.092548 * x * y,
        -1.092548 * y * z,
        0.315392 * (3 * z * z - 1),
        -1.092548 * x * z,
        0.546274 * (x * x - y * y),
    ]
    found = np.transpose(values) @ harmonics.for_unreal()
    assert found == pytest.approx(harmonics.radiance(DIRECTIONS), abs=1e-4)


def test_a_low_order_leaves_zeros_for_the_others(
    random_map: Callable[..., NDArray[np.float32]],
) -> None:
    found = ei.spherical_harmonics(random_map(), order=1).for_three_js()
    assert found.shape == (9, 3)
    assert (found[4:] == 0).all()


def test_the_covariance_is_that_of_the_samples(rng: np.random.Generator) -> None:
    samples = rng.uniform(0, 1, (200, 6, 12, 3)).astype(np.float32)
    light = Light(texels=samples.mean(axis=0), samples=samples)
    harmonics = ei.spherical_harmonics(light, order=2)
    each = np.stack([np.asarray(ei.spherical_harmonics(sample, 2)) for sample in samples])
    assert harmonics.deviation == pytest.approx(each.std(axis=0, ddof=1))
    irradiances = np.stack(
        [ei.spherical_harmonics(sample, 2).irradiance(DIRECTIONS) for sample in samples]
    )
    deviation = irradiances.std(axis=0, ddof=1)
    assert harmonics.irradiance_deviation(DIRECTIONS) == pytest.approx(deviation)
    # Turned with the light
    about = harmonics.turned([[0, 0, 1], [0, 1, 0], [-1, 0, 0]])
    assert about.irradiance_deviation([0, 0, -1]) == pytest.approx(
        harmonics.irradiance_deviation([1, 0, 0])
    )


def test_too_few_samples_count_for_nothing(rng: np.random.Generator) -> None:
    samples = rng.uniform(0, 1, (3, 6, 12, 3)).astype(np.float32)
    assert Light(texels=samples[0], samples=samples).samples is None


@pytest.mark.parametrize("order", [-1, 9])
def test_an_order_out_of_range_is_refused(order: int) -> None:
    with pytest.raises(ei.InputError, match=f"order must lie between 0 and 8; found {order}"):
        ei.spherical_harmonics(np.ones((4, 8, 3)), order=order)


def test_a_matrix_that_is_not_orthogonal_is_refused(harmonics: ei.SphericalHarmonics) -> None:
    with pytest.raises(ei.InputError, match="matrix must be orthogonal"):
        harmonics.turned(2 * np.eye(3))


def test_order_2_leaves_3_percent_of_a_point_light_on_average_and_less_of_others() -> None:
    """Ramamoorthi and Hanrahan 2001, section 4: of the irradiance of a surface that faces it."""
    texels = np.zeros((64, 128, 3))
    texels[20, 40] = 1
    light = texels * texel_solid_angles(64, 128)[:, :, None]
    normals = fibonacci_directions(2000)
    true = np.maximum(normals @ texel_directions(64, 128)[20, 40], 0) * light.sum(axis=(0, 1))[0]
    errors = ei.spherical_harmonics(texels, 2).irradiance(normals)[:, 0] - true
    assert np.abs(errors).mean() == pytest.approx(0.0307 * light[20, 40, 0], rel=0.02)
    assert np.sqrt(np.mean(errors**2)) == pytest.approx(true.mean() / np.sqrt(48), rel=0.02)
