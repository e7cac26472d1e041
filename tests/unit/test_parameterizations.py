from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from envmap_inverse import parameterizations
from envmap_inverse.backend import dr, mi, select_variant
from envmap_inverse.parameterizations import Parameterization
from envmap_inverse.sphere.latlong import flatten_rgba

WIDTH, HEIGHT = RESOLUTION = (12, 7)
FEW = {"SH", "SG"}
"""Those that have too few parameters for any map."""
NAMES = {kind.__name__ for kind in parameterizations.PARAMETERIZATIONS}
COMPLETE = sorted(NAMES - FEW)
POSITIVE = sorted(NAMES - FEW - {"Direct"})

FREE = parameterizations.SG(lobes=4, free=True)

Array = NDArray[np.float32]


@pytest.fixture(autouse=True)
def backend() -> None:
    select_variant()


@pytest.fixture(params=[*(kind() for kind in parameterizations.PARAMETERIZATIONS), FREE], ids=repr)
def parameterization(request: pytest.FixtureRequest) -> Parameterization:
    made: Parameterization = request.param
    return made


@pytest.fixture(params=COMPLETE)
def complete(request: pytest.FixtureRequest) -> Parameterization:
    made: Parameterization = getattr(parameterizations, request.param)()
    return made


@pytest.fixture(params=POSITIVE)
def positive(request: pytest.FixtureRequest) -> Parameterization:
    made: Parameterization = getattr(parameterizations, request.param)()
    return made


@pytest.fixture
def texels(rng: np.random.Generator) -> Array:
    """From 0.02 to 2000, flat RGBA."""
    return flatten_rgba(10 ** rng.uniform(-1.7, 3.3, (HEIGHT, WIDTH, 3)))


def parameters_of(parameterization: Parameterization, texels: Array) -> Any:
    return parameterization.from_texels(mi.Float(texels), RESOLUTION)


def texels_of(parameterization: Parameterization, parameters: Any) -> Array:
    return np.array(parameterization.to_texels(mi.Float(parameters), RESOLUTION))


def gradient(parameterization: Parameterization, parameters: Any, weights: Array) -> Array:
    """Gradient of the weighted sum of the texels by the parameters."""
    x = mi.Float(parameters)
    dr.enable_grad(x)
    dr.backward(dr.sum(parameterization.to_texels(x, RESOLUTION) * mi.Float(weights)))
    return np.array(dr.grad(x))


def rgba_of(levels: NDArray[np.floating]) -> Array:
    """RGB values of a level as flat RGBA, alpha 0."""
    alpha = np.zeros((*levels.shape[:2], 1))
    return np.concatenate([levels, alpha], axis=2).astype(np.float32).ravel()


def test_a_map_comes_back_from_its_parameters(complete: Parameterization, texels: Array) -> None:
    found = texels_of(complete, parameters_of(complete, texels))
    np.testing.assert_allclose(found, texels, rtol=1e-4)


def test_the_gradient_is_the_difference_quotient(
    parameterization: Parameterization, rng: np.random.Generator
) -> None:
    start = parameters_of(parameterization, np.ones(4 * WIDTH * HEIGHT, np.float32))
    parameters = np.array(start) + rng.normal(0, 0.3, len(start))
    direction, step = rng.normal(size=len(start)), 1e-2
    weights = rng.uniform(0.5, 1, 4 * WIDTH * HEIGHT).astype(np.float32)
    above, below = (
        np.sum(
            weights * texels_of(parameterization, parameters + sign * step * direction), dtype=float
        )
        for sign in (1, -1)
    )
    found = gradient(parameterization, parameters, weights) @ direction
    assert found == pytest.approx((above - below) / (2 * step), rel=2e-3)


def test_a_map_stays_positive_whatever_the_parameters(
    positive: Parameterization, rng: np.random.Generator
) -> None:
    parameters = np.array(parameters_of(positive, np.ones(4 * WIDTH * HEIGHT, np.float32)))
    found = texels_of(positive, parameters + rng.normal(0, 2, parameters.shape))
    assert (found > 0).all()


def test_a_texel_at_zero_can_come_back(positive: Parameterization) -> None:
    parameters = parameters_of(positive, np.zeros(4 * WIDTH * HEIGHT, np.float32))
    np.testing.assert_allclose(texels_of(positive, parameters), 0.01, rtol=1e-3)
    slopes = gradient(positive, parameters, np.ones(4 * WIDTH * HEIGHT, np.float32))
    assert (slopes > 0.005).all()


def test_direct_parameters_are_the_texels(texels: Array) -> None:
    np.testing.assert_array_equal(parameters_of(ei.Direct(), texels), texels)
    np.testing.assert_array_equal(texels_of(ei.Direct(), texels), texels)


def test_exp_is_the_exponential_function() -> None:
    parameters = np.linspace(-20, 20, 41, dtype=np.float32)
    np.testing.assert_allclose(texels_of(ei.Exp(), parameters), np.exp(parameters), rtol=1e-6)


def test_softplus_is_exponential_below_its_knee_and_linear_above() -> None:
    parameters = np.linspace(-4, 200, 511, dtype=np.float32)
    found = texels_of(ei.Softplus(knee=0.5), parameters)
    expected = 0.5 * np.logaddexp(0, parameters.astype(np.float64) / 0.5)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(found[:3], 0.5 * np.exp(parameters[:3] / 0.5), rtol=1e-3)


def test_each_level_of_a_pyramid_scales_the_whole_map(texels: Array) -> None:
    pyramid = ei.Pyramid(levels=3)
    sizes = [4 * WIDTH * HEIGHT, 4 * 6 * 4, 4 * 3 * 3]
    parameters = np.array(parameters_of(pyramid, texels))
    assert len(parameters) == sum(sizes)
    for level in np.split(np.arange(sum(sizes)), np.cumsum(sizes)[:-1]):
        raised = parameters.copy()
        raised[level] += np.log(2)
        np.testing.assert_allclose(texels_of(pyramid, raised), 2 * texels, rtol=1e-4)


def test_a_coarse_level_is_interpolated_on_the_sphere(rng: np.random.Generator) -> None:
    """Columns are texel-centred and periodic, the first and last row are the poles."""
    coarse = rng.normal(size=(4, 6, 3))
    row = np.arange(HEIGHT) * 3 / (HEIGHT - 1)
    column = (np.arange(WIDTH) + 0.5) / 2 - 0.5
    wrapped = np.pad(coarse, ((0, 0), (1, 1), (0, 0)), mode="wrap")
    grid = np.meshgrid(row, column + 1, indexing="ij")
    expected = np.stack(
        [ndimage.map_coordinates(wrapped[..., c], grid, order=1) for c in range(3)], axis=2
    )
    parameters = np.concatenate([np.zeros(4 * WIDTH * HEIGHT), rgba_of(coarse)])
    found = np.log(texels_of(ei.Pyramid(levels=2), parameters))
    np.testing.assert_allclose(found, rgba_of(expected), atol=1e-5)


def test_a_pyramid_of_one_level_is_exp(texels: Array) -> None:
    parameters = np.array(parameters_of(ei.Exp(), texels))
    np.testing.assert_array_equal(parameters_of(ei.Pyramid(levels=1), texels), parameters)
    np.testing.assert_array_equal(
        texels_of(ei.Pyramid(levels=1), parameters), texels_of(ei.Exp(), parameters)
    )


def test_a_pyramid_may_have_more_levels_than_the_map_can_be_halved(texels: Array) -> None:
    pyramid = ei.Pyramid(levels=9)
    found = texels_of(pyramid, parameters_of(pyramid, texels))
    np.testing.assert_allclose(found, texels, rtol=1e-4)


def test_harmonics_are_those_of_the_library(rng: np.random.Generator) -> None:
    coefficients = rng.normal(size=(25, 3))
    found = texels_of(ei.SH(order=4), coefficients.ravel()).reshape(HEIGHT, WIDTH, 4)
    expected = ei.SphericalHarmonics(coefficients=coefficients).texels(HEIGHT, WIDTH)
    np.testing.assert_allclose(found[:, :, :3], expected, atol=1e-5)
    assert (found[:, :, 3] == 0).all()


def test_the_parameters_of_a_map_are_its_coefficients(texels: Array) -> None:
    found = np.array(parameters_of(ei.SH(order=2), texels)).reshape(9, 3)
    rgb = texels.reshape(HEIGHT, WIDTH, 4)[:, :, :3]
    np.testing.assert_allclose(found, ei.spherical_harmonics(rgb, order=2), rtol=1e-4, atol=1e-2)


def test_even_light_is_nearly_a_sum_of_lobes() -> None:
    ones = np.ones(4 * WIDTH * HEIGHT, np.float32)
    found = texels_of(ei.SG(lobes=24), parameters_of(ei.SG(lobes=24), ones)).reshape(-1, 4)
    np.testing.assert_allclose(found[:, :3], 1, atol=0.1)
    assert (found > 0).all()


def test_free_lobes_begin_as_the_others_do(texels: Array) -> None:
    fixed, free = (
        texels_of(kind, parameters_of(kind, texels))
        for kind in (dataclasses.replace(FREE, free=False), FREE)
    )
    np.testing.assert_allclose(free, fixed, rtol=1e-4)


@pytest.mark.parametrize(
    ("kind", "field", "value"),
    [
        (ei.SH, "order", 9),
        (ei.SG, "lobes", 0),
        (ei.SG, "floor", 0.0),
        (ei.Exp, "floor", 0.0),
        (ei.Exp, "floor", np.nan),
        (ei.Softplus, "floor", -1.0),
        (ei.Softplus, "knee", 0.0),
        (ei.Pyramid, "floor", np.inf),
        (ei.Pyramid, "levels", 0),
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(kind: Any, field: str, value: float) -> None:
    with pytest.raises(ei.InputError, match=field):
        kind(**{field: value})


@settings(max_examples=15)
@given(
    texels=st_np.arrays(
        np.float32,
        st.tuples(st.integers(2, 9), st.integers(1, 9), st.just(3)),
        elements=st.floats(-1, 2**13, width=32),
    )
)
def test_any_map_becomes_one_that_has_parameters_and_then_stays(
    positive: Parameterization, texels: Array
) -> None:
    """It is the map itself from the floor up."""
    resolution, flat = texels.shape[1::-1], flatten_rgba(texels)
    found = flat
    for _ in range(2):
        parameters = positive.from_texels(mi.Float(found), resolution)
        found = np.array(positive.to_texels(parameters, resolution))
        np.testing.assert_allclose(found, np.maximum(flat, 0.01), rtol=1e-4)


@settings(max_examples=15)
@given(
    start=st_np.arrays(np.float32, 4 * WIDTH * HEIGHT, elements=st.floats(-8, 8, width=32)),
    texel=st.integers(0, 4 * WIDTH * HEIGHT - 1),
    step=st.floats(0.125, 4, width=32),
)
def test_a_larger_parameter_makes_its_texel_brighter_and_no_other(
    complete: Parameterization, start: Array, texel: int, step: float
) -> None:
    parameters = np.array(parameters_of(complete, np.ones_like(start)))
    parameters[: len(start)] = start
    raised = parameters.copy()
    raised[texel] += step
    before, after = (texels_of(complete, x) for x in (parameters, raised))
    assert after[texel] > before[texel]
    np.testing.assert_array_equal(np.delete(after, texel), np.delete(before, texel))
