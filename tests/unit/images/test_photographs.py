"""Photographs: EXIF, depth, compression, alpha, raw values."""

from __future__ import annotations

import struct
import sys
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pillow_heif
import pytest
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import IFDRational

from envmap_inverse import InputError
from envmap_inverse.images import (
    CameraSettings,
    Picture,
    clipping_levels,
    endings,
    read_image,
    read_picture,
    srgb_to_linear,
)

EXIF_FORMATS = ["jpg", "png", "tif", "webp", "avif"]


def exif_of(orientation: int = 1, **settings: Any) -> Image.Exif:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    exif.get_ifd(ExifTags.IFD.Exif).update(
        {getattr(ExifTags.Base, name): value for name, value in settings.items()}
    )
    return exif


def stripes() -> NDArray[np.uint8]:
    """16 x 24 pixels whose four corners differ, in blocks that JPEG keeps apart."""
    image = np.zeros((16, 24, 3), np.uint8)
    image[:8, :8], image[:8, 16:], image[8:, :8] = (200, 0, 0), (0, 200, 0), (0, 0, 200)
    return image


# Orientation


@pytest.mark.parametrize("ending", EXIF_FORMATS)
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_turns_a_picture_upright(tmp_path: Path, ending: str, orientation: int) -> None:
    path = tmp_path / f"a.{ending}"
    options: Any = {"webp": {"lossless": True}}.get(ending, {"subsampling": "4:4:4"})
    exif = exif_of(orientation)
    Image.fromarray(stripes()).save(path, exif=exif, quality=100, **options)
    turned = Image.fromarray(stripes())
    turned.getexif()[ExifTags.Base.Orientation] = orientation
    expected = srgb_to_linear(np.asarray(ImageOps.exif_transpose(turned)) / 255)
    np.testing.assert_allclose(read_image(path), expected, atol=0.1)
    picture = read_picture(path)
    assert picture.size == (24, 16)
    assert picture.orientation == orientation
    assert len(picture.upright.notes) == (orientation != 1)


@pytest.mark.parametrize("orientation", [0, 9, 77])
def test_an_orientation_that_does_not_exist_turns_nothing(tmp_path: Path, orientation: int) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.jpg", exif=exif_of(orientation))
    assert read_picture(tmp_path / "a.jpg").orientation == 1


@pytest.mark.parametrize(
    ("size", "is_turned"),
    [((240, 160), False), ((160, 240), True), ((10, 10), True), ((17, 16), False)],
)
def test_the_shape_of_a_film_tells_whether_to_turn(size: tuple[int, int], is_turned: bool) -> None:
    picture = Picture(image=np.zeros((16, 24, 3), np.float32), orientation=6)
    found = picture.for_size(size)
    assert found.size == ((16, 24) if is_turned else (24, 16))
    assert found.orientation == 1
    assert len(found.notes) == 1


def test_half_a_turn_fits_every_film(rng: np.random.Generator) -> None:
    image = rng.uniform(size=(16, 24, 3)).astype(np.float32)
    found = Picture(image=image, orientation=3).for_size((24, 16))
    np.testing.assert_array_equal(found.image, image[::-1, ::-1])


def test_alpha_turns_with_the_picture() -> None:
    alpha = np.zeros((2, 3), np.float32)
    alpha[0, 0] = 1  # upper left goes to the upper right
    picture = Picture(image=np.zeros((2, 3, 3), np.float32), alpha=alpha, orientation=6).upright
    assert picture.alpha is not None
    assert picture.alpha[0, 1] == 1


# The camera


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_the_cameras_settings_are_read(tmp_path: Path, ending: str) -> None:
    exif = exif_of(
        ExposureTime=IFDRational(1, 60),
        FNumber=IFDRational(28, 10),
        ISOSpeedRatings=400,
        FocalLength=IFDRational(26, 1),
        FocalLengthIn35mmFilm=52,
    )
    Image.fromarray(stripes()).save(tmp_path / f"a.{ending}", exif=exif)
    camera = read_picture(tmp_path / f"a.{ending}").camera
    assert camera.exposure_time == pytest.approx(1 / 60)
    assert camera.f_number == pytest.approx(2.8)
    assert (camera.iso, camera.focal_length, camera.focal_length_35mm) == (400, 26, 52)
    assert camera.exposure == pytest.approx(400 / 60 / 2.8**2)


def test_the_settings_in_a_tiff_are_read(tmp_path: Path) -> None:
    buffer = OpenImageIO.ImageBuf(stripes())
    for name, value in (("ExposureTime", 1 / 60), ("FNumber", 2.8), ("Exif:FocalLength", 26.0)):
        buffer.specmod().attribute(name, value)
    buffer.write(str(tmp_path / "a.tif"))
    camera = read_picture(tmp_path / "a.tif").camera
    assert camera.exposure_time == pytest.approx(1 / 60)
    assert camera.f_number == pytest.approx(2.8)
    assert (camera.focal_length, camera.focal_length_35mm) == (26, None)


def test_without_exif_nothing_is_known(tmp_path: Path) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.jpg")
    assert read_picture(tmp_path / "a.jpg").camera == CameraSettings()
    assert CameraSettings().exposure is None


@pytest.mark.parametrize(("time", "f_number"), [(1e-9, 8.0), (1e12, 8.0), (0.01, 1e6)])
def test_an_exposure_that_no_camera_takes_is_unknown(time: float, f_number: float) -> None:
    assert CameraSettings(exposure_time=time, f_number=f_number, iso=100).exposure is None


@pytest.mark.parametrize("value", [IFDRational(1, 0), IFDRational(0, 1), IFDRational(-1, 3)])
def test_settings_that_no_camera_has_are_unknown(tmp_path: Path, value: IFDRational) -> None:
    exif = exif_of(ExposureTime=value)
    Image.fromarray(stripes()).save(tmp_path / "a.jpg", exif=exif)
    assert read_picture(tmp_path / "a.jpg").camera.exposure_time is None


# Depth and compression


@pytest.mark.parametrize("ending", ["png", "tif", "jxl"])
@pytest.mark.parametrize("channels", [1, 3])
def test_16_bits_are_kept(
    tmp_path: Path, rng: np.random.Generator, ending: str, channels: int
) -> None:
    values = rng.integers(0, 2**16, (5, 6, channels), dtype=np.uint16)
    OpenImageIO.ImageBuf(values).write(str(tmp_path / f"a.{ending}"))
    picture = read_picture(tmp_path / f"a.{ending}")
    expected = np.repeat(srgb_to_linear(values / 65535), 3 // channels, axis=2)
    np.testing.assert_allclose(picture.image, expected, rtol=1e-5)
    assert picture.bit_depth == 16
    assert picture.white == pytest.approx(float(srgb_to_linear(np.float64(65534 / 65535))))
    assert picture.black == pytest.approx(1 / 65535 / 12.92)


@pytest.mark.parametrize("kind", ["half", "float"])
@pytest.mark.parametrize("ending", ["tif", "jxl"])
def test_floats_are_linear_and_never_clipped(
    tmp_path: Path, rng: np.random.Generator, ending: str, kind: str
) -> None:
    values = rng.uniform(0, 100, (5, 6, 3)).astype(np.float16).astype(np.float32)
    buffer = OpenImageIO.ImageBuf(values)
    buffer.set_write_format(kind)
    assert buffer.write(str(tmp_path / f"a.{ending}")), buffer.geterror()
    picture = read_picture(tmp_path / f"a.{ending}")
    np.testing.assert_allclose(picture.image, values, rtol=1e-5)
    assert (picture.white, picture.bit_depth) == (None, None)


def test_levels_follow_gamma(tmp_path: Path) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.png")
    white, black = clipping_levels(tmp_path / "a.png", gamma=2.0)
    assert white == pytest.approx((254 / 255) ** 2)
    assert black == pytest.approx((1 / 255) ** 2)


@pytest.mark.parametrize("quality", [30, 50, 75, 90, 95])
def test_jpeg_quality_is_that_of_its_tables(tmp_path: Path, quality: int) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.jpg", quality=quality)
    found = read_picture(tmp_path / "a.jpg").jpeg_quality
    assert found == pytest.approx(quality, abs=1)


@pytest.mark.parametrize("subsampling", ["4:4:4", "4:2:2", "4:2:0"])
def test_jpeg_subsampling_is_known(tmp_path: Path, subsampling: str) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.jpg", subsampling=subsampling)
    assert read_picture(tmp_path / "a.jpg").subsampling == subsampling


def test_other_formats_have_no_jpeg_quality(tmp_path: Path) -> None:
    Image.fromarray(stripes()).save(tmp_path / "a.png")
    picture = read_picture(tmp_path / "a.png")
    assert (picture.jpeg_quality, picture.subsampling, picture.bit_depth) == (None, None, 8)


# Alpha and grey


@pytest.mark.parametrize("ending", ["png", "webp", "tif", "avif", "jxl"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_alpha_is_straight_and_kept(tmp_path: Path, ending: str, dtype: type) -> None:
    if dtype is np.uint16 and ending in {"webp", "avif"}:
        pytest.skip("has 8 bits")
    top = np.iinfo(dtype).max
    values = np.full((8, 8, 4), 0.6 * top, dtype)
    values[0, :, 0] += np.arange(8, dtype=dtype)  # OpenImageIO reads no JPEG XL of few bytes
    values[:4, :, 3], values[4:, :, 3] = top, 0
    if ending in {"png", "tif", "jxl"}:
        spec = OpenImageIO.ImageSpec(8, 8, 4, np.dtype(dtype).name)
        spec.attribute("oiio:UnassociatedAlpha", 1)
        file = OpenImageIO.ImageOutput.create(str(tmp_path / f"a.{ending}"))
        file.open(str(tmp_path / f"a.{ending}"), spec)
        file.write_image(values)
        file.close()
    else:
        Image.fromarray(values).save(tmp_path / f"a.{ending}", quality=100)
    picture = read_picture(tmp_path / f"a.{ending}")
    expected = srgb_to_linear(np.float64(0.6))
    np.testing.assert_allclose(picture.image[2:4], expected, rtol=0.05)
    assert picture.mask is not None
    np.testing.assert_array_equal(picture.mask, [[1] * 8] * 4 + [[0] * 8] * 4)


@pytest.mark.parametrize("ending", ["png", "tif", "webp"])
def test_an_opaque_picture_has_no_mask(tmp_path: Path, ending: str) -> None:
    Image.new("RGBA", (4, 4), (9, 9, 9, 255)).save(tmp_path / f"a.{ending}")
    assert read_picture(tmp_path / f"a.{ending}").mask is None


def test_a_transparent_colour_of_a_palette_is_masked(tmp_path: Path) -> None:
    picture = Image.new("P", (2, 1))
    picture.putpalette([10, 20, 30, 200, 100, 50])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "a.png", transparency=0)
    found = read_picture(tmp_path / "a.png")
    assert found.mask is not None
    np.testing.assert_array_equal(found.mask, [[0, 1]])
    expected = srgb_to_linear(np.array([200, 100, 50]) / 255)
    np.testing.assert_allclose(found.image[0, 1], expected, rtol=1e-5)


# HEIC and raw files


def test_heic_is_read_like_the_picture_it_was_made_of(tmp_path: Path) -> None:
    pillow_heif.register_heif_opener()
    flat = Image.new("RGB", (64, 48), (200, 100, 50))
    flat.save(tmp_path / "a.heic", quality=100, exif=exif_of(ISOSpeedRatings=64))
    picture = read_picture(tmp_path / "a.heic")
    assert picture.size == (64, 48)
    expected = srgb_to_linear(np.array([200, 100, 50]) / 255)
    np.testing.assert_allclose(picture.image[24, 32], expected, atol=0.03)
    assert (picture.bit_depth, picture.camera.iso) == (8, 64)


@pytest.mark.parametrize(
    ("module", "name", "extra"), [("pi_heif", "a.heic", "heic"), ("rawpy", "a.dng", "raw")]
)
def test_a_missing_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: str, name: str, extra: str
) -> None:
    (tmp_path / name).write_bytes(b"x")
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(InputError, match=rf"{name}: .*pip install 'envmap-inverse\[{extra}\]'"):
        read_image(tmp_path / name)


def write_dng(path: Path, mosaic: NDArray[np.uint16], orientation: int = 1) -> None:
    """A DNG of raw values in red, green, green, blue from 0 to 1000, in sRGB primaries."""
    height, width = mosaic.shape
    to_camera = np.linalg.inv(
        [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    )
    rationals = b"".join(struct.pack("<ii", round(x * 10_000), 10_000) for x in to_camera.ravel())
    neutral = struct.pack("<6I", *([1, 1] * 3))
    text, pixels = b"Test\0\0\0\0", mosaic.astype("<u2").tobytes()
    entries: list[tuple[int, int, int, bytes | int]] = [
        *((254, 4, 1, 0), (256, 4, 1, width), (257, 4, 1, height), (258, 3, 1, 16)),
        *((259, 3, 1, 1), (262, 3, 1, 32803), (271, 2, 5, text), (272, 2, 5, text)),
        *((273, 4, 1, pixels), (274, 3, 1, orientation), (277, 3, 1, 1), (278, 4, 1, height)),
        *((279, 4, 1, len(pixels)), (284, 3, 1, 1), (33421, 3, 2, 0x00020002)),
        *((33422, 1, 4, 0x02010100), (50706, 1, 4, 0x00000401), (50708, 2, 5, text)),
        *((50714, 3, 1, 0), (50717, 3, 1, 1000), (50721, 10, 9, rationals)),
        *((50728, 5, 3, neutral), (50778, 3, 1, 21)),
    ]
    place = 8 + 2 + 12 * len(entries) + 4
    table, body = struct.pack("<H", len(entries)), b""
    for tag, kind, count, value in entries:
        if isinstance(value, bytes):
            table += struct.pack("<HHII", tag, kind, count, place + len(body))
            body += value
        else:
            table += struct.pack("<HHII", tag, kind, count, value)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8) + table + bytes(4) + body)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_raw_values_are_linear_and_as_stored(tmp_path: Path, orientation: int) -> None:
    mosaic = np.full((64, 96), 250, np.uint16)
    mosaic[:, 48:] = 125
    mosaic[:16] = 1000
    write_dng(tmp_path / "a.dng", mosaic, orientation)
    picture = read_picture(tmp_path / "a.dng")
    assert picture.size == (96, 64)
    assert picture.orientation == orientation
    np.testing.assert_allclose(picture.image[40, 24], 0.25, rtol=0.01)
    np.testing.assert_allclose(picture.image[40, 72], 0.125, rtol=0.01)
    assert picture.white is not None
    assert (picture.image[4, 4] >= picture.white).all()


# The table of endings


@pytest.mark.parametrize("ending", endings())
def test_every_format_refuses_what_it_is_not(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a{ending}"
    path.write_bytes(b"once upon a time" * 40)
    with pytest.raises(InputError, match=rf"^{path}: "):
        read_picture(path)


def test_endings_are_listed_once() -> None:
    assert len(endings()) == len(set(endings()))
    assert set(endings(written=True)) == {".exr", ".hdr", ".png", ".npy", ".jpg", ".jpeg"}


def test_what_libraw_says_of_a_damaged_raw_file_is_text(tmp_path: Path) -> None:
    pytest.importorskip("rawpy")
    (tmp_path / "a.nef").write_bytes(b"no raw file" * 100)
    with pytest.raises(InputError, match=r"not an image: [A-Z][a-z]"):
        read_picture(tmp_path / "a.nef")
