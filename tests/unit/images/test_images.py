from __future__ import annotations

from pathlib import Path
from typing import Any

import imageio.v3 as iio
import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from PIL import Image

from envmap_inverse import InputError
from envmap_inverse.images import (
    encode_png,
    linear_to_srgb,
    read_image,
    srgb_to_linear,
    write_image,
)


def write_exr_channels(path: Path, channels: dict[str, NDArray[np.float32]]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


@pytest.mark.parametrize("suffix", ["exr", "EXR"])
def test_exr_holds_float32_bit_by_bit(tmp_path: Path, suffix: str) -> None:
    values = [0, -0.0, -1.5, 1e-45, 1e-38, 3.4e38, np.inf, -np.inf, np.nan, 65504, 1 / 3, 1e5]
    image = np.array(values, np.float32).reshape(2, 2, 3)
    write_image(tmp_path / f"a.{suffix}", image)
    back = read_image(tmp_path / f"a.{suffix}")
    assert back.dtype == np.float32
    np.testing.assert_array_equal(back.view(np.uint32), image.view(np.uint32))


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("channels", [3, 4])
def test_npy_holds_floats_of_any_size(
    tmp_path: Path, image: NDArray[np.float32], kind: type, channels: int
) -> None:
    stored = np.concatenate([image, image], axis=2)[..., :channels].astype(kind)
    np.save(tmp_path / "a.npy", stored)
    found = read_image(tmp_path / "a.npy")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, stored[..., :3].astype(np.float32))


def test_npy_is_written_as_float32(tmp_path: Path, image: NDArray[np.float32]) -> None:
    write_image(tmp_path / "a.npy", image)
    stored = np.load(tmp_path / "a.npy")
    assert stored.dtype == np.float32
    np.testing.assert_array_equal(stored, image)


@pytest.mark.parametrize(
    ("array", "words"),
    [
        (np.ones((4, 4, 2)), r"must have shape \(h, w, 3\); found \(4, 4, 2\)"),
        (np.ones((0, 4, 3)), "must have shape"),
        (np.ones((4, 4, 3), np.uint8), "must hold floats, linear RGB; found uint8"),
        (np.array([[[{}] * 3]]), "cannot be decoded"),
    ],
    ids=["two channels", "empty", "integers", "pickled"],
)
def test_other_arrays_are_refused(tmp_path: Path, array: NDArray[Any], words: str) -> None:
    np.save(tmp_path / "a.npy", array)
    with pytest.raises(InputError, match=rf"a\.npy: .*{words}"):
        read_image(tmp_path / "a.npy")


@given(image=st_np.arrays(np.float32, (5, 6, 3), elements=st.floats(0, 1e6, width=32)))
def test_hdr_holds_eight_bits_below_the_largest_channel(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    write_image(tmp_path / "a.hdr", image)
    largest = image.max(axis=2, keepdims=True)
    step = np.maximum(largest, 1e-30) / 128
    assert (np.abs(read_image(tmp_path / "a.hdr") - image) <= step).all()


def test_png_survives_reading_and_writing_unchanged(tmp_path: Path) -> None:
    levels = np.arange(256, dtype=np.uint8)
    picture = np.stack([levels, levels[::-1], np.roll(levels, 50)], axis=-1)[None]
    (tmp_path / "a.png").write_bytes(encode_png(picture))
    write_image(tmp_path / "b.png", read_image(tmp_path / "a.png"))
    np.testing.assert_array_equal(iio.imread(tmp_path / "b.png"), picture)


@pytest.mark.parametrize(
    ("byte", "linear"), [(0, 0), (10, 0.0030352698), (128, 0.2158605), (188, 0.5028865), (255, 1)]
)
def test_8_bit_images_are_taken_for_srgb(tmp_path: Path, byte: int, linear: float) -> None:
    (tmp_path / "a.png").write_bytes(encode_png(np.full((2, 2, 3), byte, np.uint8)))
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), linear, rtol=1e-6)


@pytest.mark.parametrize("suffix", ["jpg", "jpeg"])
def test_a_flat_jpeg_reads_like_the_png_of_the_same_colour(tmp_path: Path, suffix: str) -> None:
    picture = Image.new("RGB", (16, 16), (200, 200, 200))
    picture.save(tmp_path / f"a.{suffix}")
    picture.save(tmp_path / "a.png")
    found = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_allclose(found, read_image(tmp_path / "a.png"), rtol=0.02)


@given(value=st.floats(0, 1))
def test_srgb_decoding_inverts_encoding(value: float) -> None:
    assert srgb_to_linear(linear_to_srgb(np.float64(value))) == pytest.approx(value, abs=1e-7)


@pytest.mark.parametrize("mode", ["RGBA", "P"])
def test_png_pixels_of_other_kinds_are_read_as_rgb(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGB", (4, 4), (255, 0, 102))
    picture.convert(mode).save(tmp_path / "a.png")
    picture.save(tmp_path / "b.png")
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), read_image(tmp_path / "b.png"))


def test_a_cmyk_jpeg_is_not_read_as_rgb(tmp_path: Path) -> None:
    Image.new("RGB", (8, 8), (255, 0, 0)).convert("CMYK").save(tmp_path / "a.jpg")
    try:
        red, green, blue = read_image(tmp_path / "a.jpg")[4, 4]
    except InputError:
        return
    assert red > 0.5 > max(green, blue)


def test_exr_alpha_is_dropped(tmp_path: Path, image: NDArray[np.float32]) -> None:
    rgba = np.concatenate([image, image[..., :1]], axis=2)
    write_exr_channels(tmp_path / "a.exr", {"RGBA": rgba})
    np.testing.assert_array_equal(read_image(tmp_path / "a.exr"), image)


def test_half_precision_exr_is_read_as_float32(tmp_path: Path, image: NDArray[np.float32]) -> None:
    write_exr_channels(tmp_path / "a.exr", {"RGB": image.astype(np.float16)})
    found = read_image(tmp_path / "a.exr")
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, image.astype(np.float16))


@pytest.mark.parametrize("channels", [["Z"], ["R", "G"], ["layer.R", "layer.G"]])
def test_exr_without_rgb_channels_is_refused_by_the_names_it_has(
    tmp_path: Path, channels: list[str], image: NDArray[np.float32]
) -> None:
    write_exr_channels(tmp_path / "a.exr", dict.fromkeys(channels, image[..., 0]))
    with pytest.raises(InputError, match=rf"a\.exr: has no R, G and B channels.*{channels[0]}"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "L"), ("a.png", "LA"), ("a.png", "1"), ("a.jpg", "L")]
)
def test_grey_pictures_are_grey_light(tmp_path: Path, name: str, mode: str) -> None:
    Image.new("RGB", (4, 4), (255, 255, 255)).convert(mode).save(tmp_path / name)
    np.testing.assert_array_equal(read_image(tmp_path / name), np.ones((4, 4, 3)))
