from __future__ import annotations

import io
import os
import struct
import zlib
from pathlib import Path
from typing import NoReturn

import numpy as np
import OpenEXR
import OpenImageIO
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import Image

from envmap_inverse import InputError
from envmap_inverse.images import (
    endings,
    exr,
    read_image,
    tonemap,
    write_image,
)

READABLE = ["exr", "hdr", "npy", "png", "jpg", "jpeg", "tif", "webp", "avif", "heic", "jxl"]


def write_any(path: Path, image: NDArray[np.float32]) -> None:
    if path.suffix in {".tif", ".jxl"}:
        OpenImageIO.ImageBuf(tonemap(image)).write(str(path))
    elif path.suffix not in endings(written=True):
        pillow_heif.register_heif_opener()
        Image.fromarray(tonemap(image)).save(path)
    else:
        write_image(path, image)


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


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
    path = tmp_path / "a.xyz"
    path.write_bytes(b"x")
    with pytest.raises(
        InputError, match=r"a\.xyz: unknown kind of image.*\.exr, \.hdr, .*\.png, \.npy, \.jpg"
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


def test_a_file_that_may_not_be_read_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may read any file, so that a reader has to refuse it."""

    def fail(*_: object) -> NoReturn:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "a.exr").write_bytes(b"x")
    monkeypatch.setattr(exr.Exr, "read", fail)
    with pytest.raises(InputError, match=r"a\.exr: cannot be read: Permission denied"):
        read_image(tmp_path / "a.exr")


def test_parts_that_are_too_large_together_are_refused(
    tmp_path: Path, image: NDArray[np.float32], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library decodes them all, though only the first is used."""
    write_parts(tmp_path / "a.exr", image)
    needed = -(-3 * image.size // 4)  # four channels are allowed for each pixel
    monkeypatch.setattr(exr, "MAX_PIXELS", needed)
    read_image(tmp_path / "a.exr")
    monkeypatch.setattr(exr, "MAX_PIXELS", needed - 1)
    with pytest.raises(InputError, match=r"a\.exr: its 3 parts are too large to be read"):
        read_image(tmp_path / "a.exr")


@pytest.mark.parametrize("size", [(0, 4), (4, 0)])
def test_a_header_without_pixels_is_refused(tmp_path: Path, size: tuple[int, int]) -> None:
    write_hdr_of_size(tmp_path / "a.hdr", *size)
    with pytest.raises(InputError, match=rf"a\.hdr: damaged: .*{size[0]} x {size[1]} pixels"):
        read_image(tmp_path / "a.hdr")


@pytest.mark.parametrize("name", ["animation.png", "animation.webp", "gif.jpg"])
def test_of_an_animation_the_first_frame_is_taken_with_a_warning(tmp_path: Path, name: str) -> None:
    frames = [Image.new("RGB", (4, 4), (shade, shade, shade)) for shade in (0, 255, 99)]
    kind = {"animation.png": "PNG", "animation.webp": "WEBP", "gif.jpg": "GIF"}[name]
    options = {"lossless": True} if kind == "WEBP" else {}
    frames[0].save(
        tmp_path / name, kind, save_all=True, append_images=frames[1:], duration=40, **options
    )
    with pytest.warns(UserWarning, match=rf"{name}: is an animation of 3 frames; the first"):
        assert not read_image(tmp_path / name).any()


@pytest.mark.parametrize("ending", ["exr", "hdr", "npy", "png", "jpg", "tif", "webp"])
def test_a_file_whose_name_is_no_utf8_is_read(tmp_path: Path, ending: str) -> None:
    image = np.full((4, 6, 3), 0.5, np.float32)
    write_any(tmp_path / f"plain.{ending}", image)
    odd = tmp_path / os.fsdecode(b"odd\xff." + ending.encode())
    (tmp_path / f"plain.{ending}").rename(odd)
    assert read_image(odd).shape == (4, 6, 3)


@pytest.mark.parametrize("ending", ["tif", "jxl", "png"])
def test_a_jpeg_of_another_name_is_read_as_one(ending: str, tmp_path: Path) -> None:
    path, true = tmp_path / f"a.{ending}", tmp_path / "a.jpg"
    image = np.random.default_rng(1).random((16, 24, 3), np.float32)
    write_image(true, image)
    path.write_bytes(true.read_bytes())
    np.testing.assert_array_equal(read_image(path), read_image(true))
    path.write_bytes(true.read_bytes()[:700] + b"\xff" * 300)
    with pytest.raises(InputError, match=rf"a\.{ending}: cannot be decoded, damaged"):
        read_image(path)
