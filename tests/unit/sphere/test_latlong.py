from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.polynomial.legendre import leggauss
from numpy.typing import NDArray

from envmap_inverse.sphere import latlong

heights = st.integers(2, 60)
widths = st.integers(1, 60)


def centred_solid_angles(height: int, width: int) -> NDArray[np.float64]:
    theta = np.linspace(0, np.pi, height + 1)
    rows = (np.cos(theta[:-1]) - np.cos(theta[1:])) * 2 * np.pi / width
    return np.repeat(rows[:, None], width, axis=1)


SOLID_ANGLES: dict[str, Callable[[int, int], NDArray[np.float64]]] = {
    "corner": latlong.texel_solid_angles,
    "centred": centred_solid_angles,
}
conventions = st.sampled_from(["corner", "centred"])


@st.composite
def maps(draw: st.DrawFn) -> NDArray[np.float64]:
    shape = (draw(st.integers(2, 20)), draw(st.integers(1, 20)), draw(st.integers(1, 3)))
    return draw(st_np.arrays(np.float64, shape, elements=st.floats(-100, 100, width=32)))


def smooth_map(height: int, width: int, rows: str) -> NDArray[np.float64]:
    v = np.arange(height) / (height - 1) if rows == "corner" else (np.arange(height) + 0.5) / height
    u = (np.arange(width) + 0.5) / width
    x, y, z = np.moveaxis(latlong.uv_to_direction(u[None, :], v[:, None]), -1, 0)
    return np.stack([1 + 0.5 * y, 1 + 0.4 * x * z, 2 + y * y + 0.3 * x], axis=-1)


@given(height=heights, width=widths)
def test_solid_angles_sum_to_the_sphere(height: int, width: int) -> None:
    solid_angles = latlong.texel_solid_angles(height, width)
    assert solid_angles.shape == (height, width)
    assert solid_angles.sum() == pytest.approx(4 * np.pi, rel=1e-12)


@given(height=heights, width=widths)
def test_solid_angles_are_positive(height: int, width: int) -> None:
    assert (latlong.texel_solid_angles(height, width) > 0).all()


@pytest.mark.parametrize("height", [2, 3, 4, 9, 125])
def test_solid_angles_are_the_integrals_of_the_hat_functions(height: int) -> None:
    nodes, weights = leggauss(12)
    expected = np.zeros(height)
    corners = np.linspace(0, np.pi, height)
    for row, (low, high) in enumerate(pairwise(corners)):
        theta = low + (nodes + 1) / 2 * (high - low)
        falling = (high - theta) / (high - low)
        scale = (high - low) / 2 * np.sin(theta) * weights
        expected[row] += np.sum(falling * scale)
        expected[row + 1] += np.sum((1 - falling) * scale)
    found = latlong.texel_solid_angles(height, 7)
    np.testing.assert_allclose(found, np.tile(expected[:, None] * 2 * np.pi / 7, 7), rtol=1e-10)


@pytest.mark.parametrize("size", [(1, 4), (0, 4), (4, 0)])
def test_maps_that_are_too_small_have_no_solid_angles(size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="at least 2 rows and 1 column"):
        latlong.texel_solid_angles(*size)


@given(u=st.floats(0, 1, exclude_max=True), v=st.floats(0.001, 0.999))
def test_direction_to_uv_inverts_uv_to_direction(u: float, v: float) -> None:
    back_u, back_v = latlong.direction_to_uv(latlong.uv_to_direction(u, v))
    assert abs((back_u - u + 0.5) % 1 - 0.5) < 1e-9
    assert back_v == pytest.approx(v, abs=1e-12)
    assert 0 <= back_u < 1


@given(
    direction=st_np.arrays(np.float64, 3, elements=st.floats(-1, 1)).filter(
        lambda d: np.linalg.norm(d) > 1e-3
    )
)
def test_uv_to_direction_inverts_direction_to_uv(direction: NDArray[np.float64]) -> None:
    back = latlong.uv_to_direction(*latlong.direction_to_uv(direction))
    np.testing.assert_allclose(back, direction / np.linalg.norm(direction), atol=1e-12)


@pytest.mark.parametrize(
    ("direction", "u", "v"),
    [((0, 0, -1), 0, 0.5), ((1, 0, 0), 0.25, 0.5), ((0, 0, 1), 0.5, 0.5), ((-1, 0, 0), 0.75, 0.5)],
)
def test_horizontal_axes_stand_where_mitsuba_puts_them(
    direction: tuple[int, int, int], u: float, v: float
) -> None:
    np.testing.assert_allclose(latlong.direction_to_uv(direction), (u, v), atol=1e-15)


def test_the_zenith_is_plus_y_and_the_nadir_minus_y() -> None:
    v = [latlong.direction_to_uv((0, y, 0))[1] for y in (1, -1)]
    assert v == [0, 1]


def test_the_first_row_is_exactly_the_zenith_and_the_last_the_nadir() -> None:
    directions = latlong.texel_directions(5, 6)
    np.testing.assert_allclose(directions[0], np.tile([0, 1, 0], (6, 1)), atol=1e-15)
    np.testing.assert_allclose(directions[-1], np.tile([0, -1, 0], (6, 1)), atol=1e-15)


@given(height=st.integers(3, 30), width=st.integers(1, 30))
def test_columns_are_centred_on_their_texels(height: int, width: int) -> None:
    u, _ = latlong.direction_to_uv(latlong.texel_directions(height, width)[1])
    np.testing.assert_allclose(u, (np.arange(width) + 0.5) / width, atol=1e-12)


@pytest.mark.parametrize("degrees", [0, 1e-7, 30, 90, 180 - 1e-7, 180])
def test_the_angle_between_vectors_is_precise_however_small(degrees: float) -> None:
    angle = np.radians(degrees)
    b = 7 * np.array([np.cos(angle), np.sin(angle), 0])
    found = np.degrees(latlong.angle_between([[3, 0, 0]], [b, b]))
    np.testing.assert_allclose(found, [degrees, degrees], rtol=1e-7)


vectors = st_np.arrays(np.float64, 3, elements=st.floats(-10, 10)).filter(
    lambda vector: np.linalg.norm(vector) > 1e-3
)


@settings(max_examples=25)
@given(a=vectors, b=vectors, c=vectors, factor=st.floats(1e-3, 1e3))
def test_angles_are_distances_on_the_sphere(
    a: NDArray[np.float64], b: NDArray[np.float64], c: NDArray[np.float64], factor: float
) -> None:
    ab, bc, ac = (latlong.angle_between(*pair) for pair in ((a, b), (b, c), (a, c)))
    assert 0 <= ab <= np.pi
    assert latlong.angle_between(factor * b, a) == pytest.approx(ab, abs=1e-9)
    assert ac <= ab + bc + 1e-9
    assert latlong.angle_between(a, -b) == pytest.approx(np.pi - ab, abs=1e-9)


@given(height=heights, width=widths)
def test_texel_directions_have_unit_length(height: int, width: int) -> None:
    lengths = np.linalg.norm(latlong.texel_directions(height, width), axis=-1)
    np.testing.assert_allclose(lengths, 1, rtol=1e-12)


@given(
    texels=st_np.arrays(
        np.float32,
        st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3)),
        elements=st.floats(width=32, allow_nan=False),
    )
)
def test_unflatten_inverts_flatten(texels: NDArray[np.float32]) -> None:
    height, width, _ = texels.shape
    back = latlong.unflatten_rgba(latlong.flatten_rgba(texels), (width, height))
    np.testing.assert_array_equal(back, texels)


def test_flat_rgba_is_row_by_row_with_alpha_one(rng: np.random.Generator) -> None:
    texels = rng.random((2, 3, 3), np.float32)
    rgba = latlong.flatten_rgba(texels)
    assert rgba.dtype == np.float32
    np.testing.assert_array_equal(rgba[20:24], [*texels[1, 2], 1])


@pytest.mark.parametrize("shape", [(4, 4), (4, 4, 4), (48,)])
def test_flatten_refuses_what_are_no_texels(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        latlong.flatten_rgba(np.zeros(shape))


@pytest.mark.parametrize("shape", [(23,), (25,), (2, 3, 4)])
def test_unflatten_refuses_what_does_not_fit_the_resolution(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="must have shape"):
        latlong.unflatten_rgba(np.zeros(shape), (3, 2))


@given(
    texels=maps(), height=st.integers(2, 20), width=widths, rows=conventions, to_rows=conventions
)
def test_resampling_keeps_the_integral(
    texels: NDArray[np.float64], height: int, width: int, rows: str, to_rows: str
) -> None:
    before = SOLID_ANGLES[rows](*texels.shape[:2])[..., None] * texels
    resampled = latlong.resample(texels, height, width, rows=rows, to_rows=to_rows)
    after = SOLID_ANGLES[to_rows](height, width)[..., None] * resampled
    rounding = 1e-12 * (1 + np.abs(before).sum())
    np.testing.assert_allclose(after.sum((0, 1)), before.sum((0, 1)), atol=rounding)


@given(
    value=st.floats(-1e6, 1e6),
    old=st.tuples(heights, widths),
    new=st.tuples(heights, widths),
    rows=conventions,
    to_rows=conventions,
)
def test_resampling_keeps_a_constant(
    value: float, old: tuple[int, int], new: tuple[int, int], rows: str, to_rows: str
) -> None:
    resampled = latlong.resample(np.full((*old, 1), value), *new, rows=rows, to_rows=to_rows)
    assert resampled.shape == (*new, 1)
    np.testing.assert_allclose(resampled, value, rtol=1e-12)


@given(texels=maps(), rows=conventions)
def test_resampling_to_the_same_size_is_the_identity(
    texels: NDArray[np.float64], rows: str
) -> None:
    same = latlong.resample(texels, *texels.shape[:2], rows=rows, to_rows=rows)
    np.testing.assert_allclose(same, texels, atol=1e-10)


@given(texels=maps(), height=st.integers(2, 20), width=widths)
def test_resampling_stays_between_the_extremes(
    texels: NDArray[np.float64], height: int, width: int
) -> None:
    resampled = latlong.resample(texels, height, width)
    assert resampled.min() >= texels.min() - 1e-9
    assert resampled.max() <= texels.max() + 1e-9


@pytest.mark.parametrize("rows", ["corner", "centred"])
def test_resampling_between_row_conventions_moves_nothing_by_more_than_a_row(rows: str) -> None:
    other = {"corner": "centred", "centred": "corner"}[rows]
    texels = smooth_map(64, 128, rows)
    found = latlong.resample(texels, 64, 128, rows=rows, to_rows=other)
    one_row = np.abs(np.diff(texels, axis=0)).max()
    assert np.abs(found - smooth_map(64, 128, other)).max() < one_row


def test_a_smooth_map_survives_the_way_to_centred_rows_and_back() -> None:
    errors = []
    for height in (32, 64, 128):
        texels = smooth_map(height, 2 * height, "corner")
        size = texels.shape[:2]
        centred = latlong.resample(texels, *size, to_rows="centred")
        back = latlong.resample(centred, *size, rows="centred")
        errors.append(np.abs(back - texels).max())
        assert errors[-1] < np.abs(np.diff(texels, axis=0)).max()
    assert errors[1] < 0.6 * errors[0]
    assert errors[2] < 0.6 * errors[1]


def test_resampling_turns_with_the_map(rng: np.random.Generator) -> None:
    texels = rng.random((6, 12, 3))
    turned = latlong.resample(np.roll(texels, 4, axis=1), 6, 6)
    np.testing.assert_allclose(turned, np.roll(latlong.resample(texels, 6, 6), 2, axis=1))


@pytest.mark.parametrize(
    ("shape", "size"),
    [((4, 4), (4, 4)), ((4, 4, 3), (1, 4)), ((4, 4, 3), (4, 0)), ((1, 4, 3), (4, 4))],
)
def test_resampling_refuses_what_is_no_map(shape: tuple[int, ...], size: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=r"must have shape|at least 2 rows"):
        latlong.resample(np.zeros(shape), *size)


# Blur


def test_a_constant_map_stays_when_it_is_blurred() -> None:
    texels = np.full((9, 12, 3), [1.0, 2.0, 3.0])
    np.testing.assert_allclose(latlong.blur(texels, 0.3), texels, rtol=1e-12)


def test_a_blurred_map_turns_with_the_map(rng: np.random.Generator) -> None:
    texels = rng.random((9, 13, 2))
    turned = latlong.blur(np.roll(texels, 4, axis=1), 0.4)
    np.testing.assert_allclose(turned, np.roll(latlong.blur(texels, 0.4), 4, axis=1), atol=1e-12)


@pytest.mark.parametrize("row", [16, 24, 40])
def test_a_point_is_blurred_into_a_spot_as_wide_as_was_asked_in_both_directions(row: int) -> None:
    height, width, radius = 65, 128, 0.15
    texels = np.zeros((height, width, 1))
    texels[row, 64] = 1
    spot = latlong.blur(texels, radius)[:, :, 0] * latlong.texel_solid_angles(height, width)
    directions = latlong.texel_directions(height, width)
    angles = latlong.angle_between(directions, directions[row, 64])
    # A Gaussian of two dimensions has a mean square distance of twice its variance.
    mean = np.sum(spot * angles**2) / np.sum(spot)
    assert mean == pytest.approx(2 * radius**2, rel=0.1)


def test_blurred_poles_are_of_one_value_each(rng: np.random.Generator) -> None:
    blurred = latlong.blur(rng.random((9, 12, 1)), 0.4)
    np.testing.assert_allclose(blurred[[0, -1]].std(axis=1), 0, atol=1e-9)


@settings(max_examples=25)
@given(texels=maps(), radius=st.floats(0.01, 3), factor=st.floats(-10, 10))
def test_the_blurred_sum_of_two_maps_is_the_sum_of_the_blurred(
    texels: NDArray[np.float64], radius: float, factor: float
) -> None:
    other = texels[::-1] ** 2
    found = latlong.blur(texels + factor * other, radius)
    expected = latlong.blur(texels, radius) + factor * latlong.blur(other, radius)
    np.testing.assert_allclose(found, expected, atol=1e-8)


@settings(max_examples=25)
@given(texels=maps(), radius=st.floats(0.01, 3))
def test_a_mirrored_map_is_blurred_as_the_map_itself(
    texels: NDArray[np.float64], radius: float
) -> None:
    blurred = latlong.blur(texels, radius)
    np.testing.assert_allclose(latlong.blur(texels[::-1], radius), blurred[::-1], atol=1e-9)
    np.testing.assert_allclose(latlong.blur(texels[:, ::-1], radius), blurred[:, ::-1], atol=1e-9)
