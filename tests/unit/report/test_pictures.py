from __future__ import annotations

import base64
import zlib

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse.report.pictures import (
    HATCH,
    SIGMAS,
    STEP_BIAS,
    UNCOUNTED,
    Heat,
    Raster,
    Sheet,
    difference,
    marked,
    residual,
)


def decoded(raster: Raster) -> NDArray[np.float64]:
    data = np.frombuffer(zlib.decompress(base64.b64decode(raster.base64)), np.uint8)
    low, high = data.reshape(2, 3, raster.height, raster.width).transpose(0, 2, 3, 1).astype(int)
    steps = low + 256 * high - STEP_BIAS
    steps[..., ::2] += steps[..., 1:2]
    bits = np.cumsum(steps, axis=1).astype("<u2")
    return bits.view("<f2").astype(np.float64) * raster.scale


def test_a_raster_keeps_radiance_to_the_precision_of_half_floats(
    rng: np.random.Generator,
) -> None:
    image = rng.lognormal(0, 3, (6, 5, 3)).astype(np.float32)
    np.testing.assert_allclose(decoded(Raster.of(image)), image, rtol=2**-11)


def test_a_raster_keeps_radiance_that_half_floats_cannot() -> None:
    image = np.array([[[1e6, 1, -2e6]]], np.float32)
    np.testing.assert_allclose(decoded(Raster.of(image)), image, rtol=2**-10)


def test_a_large_raster_is_shrunk() -> None:
    raster = Raster.of(np.ones((40, 50, 3), np.float32), max_pixels=500)
    assert (raster.height, raster.width) == (20, 25)


def test_a_difference_is_orange_where_too_bright_and_blue_where_too_dark() -> None:
    image = np.array([[[1.0] * 3, [0.0] * 3, [0.5] * 3]])
    (over, under, equal) = difference(image, np.full((1, 3, 3), 0.5), 1)[0]
    assert over[0] > over[2]
    assert under[2] > under[0]
    assert equal.tolist() == [0, 0, 0]


def test_a_quantity_that_is_nowhere_has_no_colours() -> None:
    assert Heat.of(np.zeros((4, 8, 3))) is None


def test_a_sheet_has_room_for_all_pictures() -> None:
    sheet = Sheet.of(np.zeros((7, 10, 20, 3), np.uint8))
    assert sheet.count == 7
    assert (sheet.width, sheet.height) == (20, 10)
    assert sheet.jpeg.startswith("data:image/jpeg;base64,")


# What holds for all pictures and numbers

radiances = st.floats(allow_nan=False, allow_infinity=False, width=32)


@settings(max_examples=25)
@given(image=st_np.arrays(np.float32, (2, 3, 3), elements=radiances))
def test_any_radiance_comes_out_of_a_raster_as_exactly_as_its_largest_allows(
    image: NDArray[np.float32],
) -> None:
    """11 bits of each value, or a 24th power of 2 where the whole is scaled to half floats."""
    raster = Raster.of(image)
    rounding = 2.0**-11 * np.abs(image.astype(np.float64)) + 2.0**-24 * raster.scale
    assert (np.abs(decoded(raster) - image) <= 1.01 * rounding).all()


@settings(max_examples=25)
@given(values=st_np.arrays(np.float32, (3, 4, 3), elements=st.floats(0, 2**60, width=32)))
def test_false_colours_span_what_is_there(values: NDArray[np.float32]) -> None:
    heat, mean = Heat.of(values), values.mean(axis=2)
    if heat is None:
        assert not mean.any()
        return
    assert 0 < heat.low <= heat.high <= mean.max()
    assert heat.high <= 1e4 * heat.low * (1 + 1e-6)


def test_a_residual_is_orange_where_the_fit_is_too_bright_and_black_where_it_is_right() -> None:
    values = np.zeros((1, 3, 3), np.float32)
    values[0, 0], values[0, 1, 2] = (-SIGMAS, 0, 0), 2 * SIGMAS  # the picture is darker; brighter
    orange, blue, black = residual(values)[0].tolist()
    assert orange[0] > 2 * orange[2]
    assert blue[2] > 2 * blue[0]
    assert black == [0, 0, 0]


def test_marks_are_magenta_on_grey_and_follow_a_picture_that_was_shrunk() -> None:
    mask = np.zeros((4, 8), bool)
    mask[:2, :2] = True
    found = marked(np.full((2, 4, 3), (200, 100, 0), np.uint8), mask)
    assert found[0, 0].tolist() == [255, 60, 220]
    assert found[1, 1].tolist() == found[0, 1].tolist() == [60, 60, 60]


def test_what_is_brighter_than_a_clipped_value_is_hatched_not_too_bright() -> None:
    reference = np.full((8, 8, 3), 0.5)
    reference[:, :4] = 1  # clipped
    found = difference(reference + 0.2, reference, 1, (0.99,) * 3)
    hatched, over = found[:, :4].reshape(-1, 3), found[:, 4:].reshape(-1, 3)
    assert {tuple(pixel) for pixel in hatched.tolist()} == {(0, 0, 0), HATCH}
    assert (over[:, 0] > over[:, 2]).all()
    under = difference(reference - 0.2, reference, 1, (0.99,) * 3)
    assert (under[:, :, 2] > under[:, :, 0]).all()


def test_what_does_not_count_is_grey_in_a_difference() -> None:
    counts = np.ones((4, 4, 3))
    counts[:, :2] = 0
    found = difference(np.ones((4, 4, 3)), np.zeros((4, 4, 3)), 1, counts=counts)
    assert (found[:, :2] == UNCOUNTED).all()
    assert (found[:, 2:, 0] > found[:, 2:, 2]).all()
