from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any, NoReturn

import imageio.v3 as iio
import numpy as np
import OpenEXR
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from PIL import Image

from envmap_inverse import InputError, images
from envmap_inverse.images import (
    display_exposure,
    encode_png,
    linear_to_srgb,
    read_image,
    srgb_to_linear,
    tonemap,
    write_bytes,
    write_image,
)

READABLE = ["exr", "hdr", "npy", "png", "jpg", "jpeg"]
WRITABLE = ["exr", "hdr", "npy", "png", "jpg", "jpeg"]


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(0, 1, (7, 9, 3)).astype(np.float32)


def write_any(path: Path, image: NDArray[np.float32]) -> None:
    if path.suffix in {".jpg", ".jpeg"}:
        Image.fromarray(tonemap(image)).save(path)
    else:
        write_image(path, image)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_exr_channels(path: Path, channels: dict[str, NDArray[np.float32]]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(path))


def write_exr_of_size(path: Path, width: int, height: int) -> None:
    """An EXR whose header claims a size that its pixels do not have."""
    write_image(path, np.ones((4, 4, 3)))
    data = path.read_bytes()
    window = struct.pack("<4i", 0, 0, 3, 3)
    assert data.count(window) == 2
    path.write_bytes(data.replace(window, struct.pack("<4i", 0, 0, width - 1, height - 1)))


def write_hdr_of_size(path: Path, width: int, height: int) -> None:
    header = f"#?RADIANCE\nFORMAT=32-bit_rle_rgbe\n\n-Y {height} +X {width}\n"
    path.write_bytes(header.encode() + bytes(64))


def write_png_of_size(path: Path, width: int, height: int) -> None:
    header = png_chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = png_chunk(b"IDAT", zlib.compress(bytes(64)))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + header + data + png_chunk(b"IEND", b""))


def write_jpg_of_size(path: Path, width: int, height: int) -> None:
    stream = io.BytesIO()
    Image.new("RGB", (4, 4)).save(stream, "JPEG")
    data = bytearray(stream.getvalue())
    frame = data.index(b"\xff\xc0\x00\x11\x08") + 5
    data[frame : frame + 4] = struct.pack(">HH", height, width)
    path.write_bytes(data)


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
        (np.ones((4, 4)), r"must have shape \(h, w, 3\); found \(4, 4\)"),
        (np.ones((0, 4, 3)), "must have shape"),
        (np.ones((4, 4, 3), np.uint8), "must hold floats, linear RGB; found uint8"),
        (np.array([[[{}] * 3]]), "cannot be decoded"),
    ],
    ids=["gray", "empty", "integers", "pickled"],
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


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_hdr_refuses_what_it_cannot_hold(tmp_path: Path, value: float) -> None:
    with pytest.raises(InputError, match="write EXR"):
        write_image(tmp_path / "a.hdr", np.full((4, 4, 3), value))
    assert not list(tmp_path.iterdir())


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


@pytest.mark.parametrize("channels", [["Y"], ["R", "G"], ["layer.R", "layer.G", "layer.B"]])
def test_exr_without_rgb_channels_is_refused_by_the_names_it_has(
    tmp_path: Path, channels: list[str], image: NDArray[np.float32]
) -> None:
    write_exr_channels(tmp_path / "a.exr", dict.fromkeys(channels, image[..., 0]))
    with pytest.raises(InputError, match=rf"a\.exr: has no R, G and B channels.*{channels[0]}"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize(
    ("name", "mode"), [("a.png", "L"), ("a.png", "LA"), ("a.png", "1"), ("a.jpg", "L")]
)
def test_gray_pictures_are_refused(tmp_path: Path, name: str, mode: str) -> None:
    Image.new("RGB", (4, 4)).convert(mode).save(tmp_path / name)
    with pytest.raises(InputError, match=rf"{name}: has no RGB channels"):
        read_image(tmp_path / name)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_file_cut_anywhere_is_refused_or_still_complete(
    tmp_path: Path, suffix: str, image: NDArray[np.float32]
) -> None:
    path = tmp_path / f"a.{suffix}"
    write_any(path, image)
    whole, data = read_image(path), path.read_bytes()
    messages = []
    for length in range(1, len(data), max(1, len(data) // 60)):
        path.write_bytes(data[:length])
        try:
            np.testing.assert_array_equal(read_image(path), whole)
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 40
    assert all(message.startswith(f"{path}: ") for message in messages)
    assert not any("\n" in message for message in messages)


@pytest.mark.parametrize("suffix", READABLE)
def test_an_empty_file_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.touch()
    with pytest.raises(InputError, match=f"{path}: the file is empty"):
        read_image(path)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_folder_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.mkdir()
    with pytest.raises(InputError, match=f"{path}: is a folder"):
        read_image(path)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_file_that_is_no_image_is_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    path.write_text("once upon a time\n" * 50)
    with pytest.raises(InputError, match=f"{path}: "):
        read_image(path)


@pytest.mark.parametrize("suffix", READABLE)
def test_a_missing_file_is_a_file_not_found_error(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    with pytest.raises(FileNotFoundError, match=f"{path}: no such image"):
        read_image(path)


def test_an_unknown_suffix_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    path = tmp_path / "a.tiff"
    path.write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"a\.tiff: unknown kind of image.*\.exr, \.hdr, \.npy, \.png"
    ):
        read_image(path)


@pytest.mark.parametrize("size", [(200_000, 200_000), (20_000, 20_000)])
@pytest.mark.parametrize("write", [write_exr_of_size, write_hdr_of_size])
def test_a_header_that_claims_a_huge_size_is_refused_by_that_size(
    tmp_path: Path, write: object, size: tuple[int, int]
) -> None:
    assert callable(write)
    path = tmp_path / ("a.exr" if write is write_exr_of_size else "a.hdr")
    write(path, *size)
    with pytest.raises(InputError, match=rf"{path}: {size[0]} x {size[1]} pixels are more than"):
        read_image(path)


def test_a_huge_png_is_refused(tmp_path: Path) -> None:
    write_png_of_size(tmp_path / "a.png", 200_000, 200_000)
    with pytest.raises(InputError, match=r"a\.png: "):
        read_image(tmp_path / "a.png")


def test_a_huge_jpeg_is_refused(tmp_path: Path) -> None:
    write_jpg_of_size(tmp_path / "a.jpg", 65_000, 65_000)
    with pytest.raises(InputError, match=r"a\.jpg: "):
        read_image(tmp_path / "a.jpg")


def test_an_exr_whose_header_claims_more_than_it_holds_is_refused(tmp_path: Path) -> None:
    write_exr_of_size(tmp_path / "a.exr", 400, 400)
    with pytest.raises(InputError, match=r"a\.exr: "):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize(
    "corners", [(-(2**31), 0, 2**31 - 1, 3), (0, 0, 3, 2**31 - 1), (3, 0, 0, 3), (0, 0, 2**27, 0)]
)
def test_an_exr_window_that_is_too_large_or_inside_out_is_refused(
    tmp_path: Path, corners: tuple[int, ...]
) -> None:
    path = tmp_path / "a.exr"
    write_image(path, np.ones((4, 4, 3)))
    window = struct.pack("<4i", 0, 0, 3, 3)
    path.write_bytes(path.read_bytes().replace(window, struct.pack("<4i", *corners)))
    with pytest.raises(InputError, match=r"a\.exr: "):
        read_image(path)


def write_parts(path: Path, image: NDArray[np.float32]) -> None:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    parts = [OpenEXR.Part(dict(header), {"RGB": k * image}, f"part {k}") for k in (1, 2, 3)]
    OpenEXR.File(parts).write(str(path))


def test_the_first_of_several_exr_parts_is_read(tmp_path: Path, image: NDArray[np.float32]) -> None:
    write_parts(tmp_path / "a.exr", image)
    np.testing.assert_array_equal(read_image(tmp_path / "a.exr"), image)


def test_an_exr_of_which_the_library_drops_a_part_is_refused(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    path = tmp_path / "a.exr"
    write_parts(path, image)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=r"a\.exr: damaged: [12] of 3 parts decode"):
        read_image(path)


def test_a_pipe_is_no_image(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.exr")
    with pytest.raises(InputError, match=r"a\.exr: is a folder or a device"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize("suffix", WRITABLE)
def test_writing_leaves_one_file_and_nothing_else(
    tmp_path: Path, suffix: str, image: NDArray[np.float32]
) -> None:
    write_image(tmp_path / f"a.{suffix}", image)
    write_image(tmp_path / f"a.{suffix}", image)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a"])
def test_writing_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"unknown kind of image; use one of \.exr, \.hdr, \.png"):
        write_image(tmp_path / name, np.ones((2, 2, 3)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    monkeypatch.setattr(os if failing == "fsync" else Path, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_written_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode


@given(
    values=st.lists(st.floats(-1e6, 1e6, width=32), min_size=2, max_size=20),
    exposure=st.floats(1e-3, 1e3),
)
def test_tonemapping_is_monotone(values: list[float], exposure: float) -> None:
    assert (np.diff(tonemap(np.sort(np.float32(values)), exposure).astype(int)) >= 0).all()


@given(value=st.floats(0, 1))
def test_tonemapping_is_srgb_rounded_to_the_nearest_level(value: float) -> None:
    exact = 255 * float(linear_to_srgb(np.float64(value)))
    steepest = 255 * 12.92 / 2**14  # a table entry's width where the curve is steepest
    assert abs(int(tonemap([value])[0]) - exact) <= 0.5 + steepest / 2 + 1e-3


@pytest.mark.parametrize(
    ("value", "level"),
    [(0, 0), (-0.1, 0), (-1e9, 0), (1, 255), (1.1, 255), (1e9, 255), (np.inf, 255), (np.nan, 255)],
)
def test_tonemapping_clips(value: float, level: int) -> None:
    assert tonemap(np.full((1, 1, 3), value)).tolist() == [[[level] * 3]]


def test_tonemapping_clips_the_largest_numbers_without_a_warning() -> None:
    assert tonemap(np.float32([3e38, -3e38])).tolist() == [255, 0]


def test_exposure_multiplies_before_the_curve() -> None:
    values = np.linspace(0, 0.25, 50)
    np.testing.assert_array_equal(tonemap(values, 4), tonemap(4 * values))


def test_the_display_exposure_shows_95_percent_at_0_8_or_less(rng: np.random.Generator) -> None:
    image = rng.exponential(3, (64, 64, 3))
    share = (image * display_exposure(image) <= 0.8).mean()
    assert share == pytest.approx(0.95, abs=0.001)


def test_a_black_image_is_shown_at_exposure_one() -> None:
    assert display_exposure(np.zeros((4, 4, 3))) == 1


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read any file, so that a reader has to refuse it."""

    def fail(_: Path) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.exr").write_bytes(b"x")
    monkeypatch.setattr(images, "_read_exr", fail)
    with pytest.raises(InputError, match=r"a\.exr: cannot be read: Permission denied"):
        read_image(tmp_path / "a.exr")


def test_parts_that_are_too_large_together_are_refused(
    tmp_path: Path, image: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library decodes them all, though only the first is used."""
    write_parts(tmp_path / "a.exr", image)
    needed = -(-3 * image.size // 4)  # four channels are allowed for each pixel
    monkeypatch.setattr(images, "MAX_PIXELS", needed)
    read_image(tmp_path / "a.exr")
    monkeypatch.setattr(images, "MAX_PIXELS", needed - 1)
    with pytest.raises(InputError, match=r"a\.exr: its 3 parts are too large to be read"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_a_header_without_pixels_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    write_hdr_of_size(tmp_path / "a.hdr", *size)
    with pytest.raises(InputError, match=rf"a\.hdr: damaged: .*{size[0]} x {size[1]} pixels"):
        read_image(tmp_path / "a.hdr")
