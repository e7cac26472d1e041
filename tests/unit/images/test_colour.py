"""Colour profiles, gamma and code points, in files that the tests write."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image, ImageCms

from envmap_inverse import InputError
from envmap_inverse.images import read_image, read_picture, srgb_to_linear
from envmap_inverse.images.cicp import encoding_of_codes
from envmap_inverse.images.colour import ADOBE_RGB, REC_709, rgb_to_xyz, to_rec_709
from envmap_inverse.images.icc import read_profile

P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
ADOBE = (0.64, 0.33, 0.21, 0.71, 0.15, 0.06, 0.3127, 0.3290)
D50 = (0.9642, 1.0, 0.8249)
SRGB_CURVE = (2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045)
COLOURS = np.uint8([[[200, 100, 50], [40, 180, 90]], [[128, 128, 128], [60, 70, 220]]])


def bradford(primaries: tuple[float, ...]) -> NDArray[np.float64]:
    """Colorants of a profile: XYZ under D50 (Lindbloom's published cone matrix)."""
    to_cones = np.array(
        [[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]]
    )
    xyz = rgb_to_xyz(primaries)
    scale = to_cones @ D50 / (to_cones @ xyz.sum(axis=1))
    return np.asarray(np.linalg.inv(to_cones) @ np.diag(scale) @ to_cones @ xyz)


def fixed(*values: float) -> bytes:
    return struct.pack(f">{len(values)}i", *(round(value * 65536) for value in values))


def para(kind: int, *values: float) -> bytes:
    return b"para" + bytes(4) + struct.pack(">HH", kind, 0) + fixed(*values)


def curv(*samples: int) -> bytes:
    data = b"curv" + bytes(4) + struct.pack(f">I{len(samples)}H", len(samples), *samples)
    return data + bytes(-len(data) % 4)


def text(words: str) -> bytes:
    coded = words.encode("utf-16-be")
    data = b"mluc" + bytes(4) + struct.pack(">IIHHII", 1, 12, 0x656E, 0x5553, len(coded), 28)
    return data + coded + bytes(-len(coded) % 4)


def profile(
    curve: bytes, primaries: tuple[float, ...] | None = P3, *, name: str = "A display"
) -> bytes:
    """An ICC profile of version 4; grey without primaries."""
    tags = {b"desc": text(name), b"cprt": text("none"), b"wtpt": b"XYZ " + bytes(4) + fixed(*D50)}
    if primaries is None:
        tags[b"kTRC"] = curve
    else:
        columns = bradford(primaries).T
        for letter, column in zip(b"rgb", columns, strict=True):
            tags[bytes([letter]) + b"XYZ"] = b"XYZ " + bytes(4) + fixed(*column)
            tags[bytes([letter]) + b"TRC"] = curve
    offset = 132 + 12 * len(tags)
    table, body = struct.pack(">I", len(tags)), b""
    for tag, data in tags.items():
        table += struct.pack(">4sII", tag, offset + len(body), len(data))
        body += data
    space = b"GRAY" if primaries is None else b"RGB "
    header = struct.pack(
        ">I4sI4s4s4s", offset + len(body), b"none", 0x04400000, b"mntr", space, b"XYZ "
    )
    header += bytes(12) + b"acsp" + bytes(28) + fixed(*D50) + bytes(48)
    assert len(header) == 128
    return header + table + body


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def write_png(path: Path, values: NDArray[Any], *chunks: tuple[bytes, bytes]) -> None:
    """A PNG of 8 or 16 bits with chunks of its own."""
    height, width, count = values.shape
    kind = {1: 0, 3: 2, 4: 6}[count]
    header = struct.pack(">IIBBBBB", width, height, 8 * values.itemsize, kind, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(values.dtype.newbyteorder(">")).tobytes() for row in values)
    named = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(png_chunk(*chunk) for chunk in named))


def linear(values: NDArray[Any], curve: Callable[..., Any], primaries: tuple[float, ...]) -> Any:
    return curve(values / 255) @ to_rec_709(primaries, keeps_white=True).T


@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "avif"])
def test_a_display_p3_profile_is_honoured(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    flat = np.full((8, 8, 3), (200, 100, 50), np.uint8)
    data = profile(para(3, *SRGB_CURVE), P3, name="Display P3")
    options: Any = {"webp": {"lossless": True}, "jpg": {"subsampling": 0}}.get(ending, {})
    Image.fromarray(flat).save(path, icc_profile=data, quality=100, **options)
    expected = linear(flat, srgb_to_linear, P3)[0, 0]
    steps = 3 if ending == "avif" else 1  # its conversion to YCbCr rounds more
    slack = steps * 2.4 / 255 * 1.3
    np.testing.assert_allclose(read_image(path)[4, 4], expected, atol=slack * 0.6)
    assert read_picture(path).notes == ("colours converted from 'Display P3'",)


def test_a_profile_keeps_the_depth_and_the_gamut(tmp_path: Path) -> None:
    values = np.uint16([[[65535, 0, 0], [0, 40001, 12345]]])
    data = profile(para(0, 563 / 256), ADOBE)
    write_png(tmp_path / "a.png", values, (b"iCCP", b"x\0\0" + zlib.compress(data)))
    expected = (values / 65535) ** (563 / 256) @ to_rec_709(ADOBE, keeps_white=True).T
    found = read_image(tmp_path / "a.png")
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert found[0, 0, 0] > 1.3
    assert found[0, 1, 0] < -0.03


@pytest.mark.parametrize(
    "curve",
    [
        curv(),
        curv(563),
        curv(*(round(65535 * (k / 99) ** 1.8) for k in range(100))),
        para(0, 1.8),
        para(1, 2.0, 1.1, -0.1),
        para(2, 2.0, 0.95, -0.05, 0.05),
        para(3, *SRGB_CURVE),
        para(4, 2.2, 0.9, 0.05, 0.08, 0.1, 0.02, 0.006),
    ],
    ids=["linear", "gamma", "table", "power", "from a zero", "with an offset", "sRGB", "full"],
)
@pytest.mark.parametrize("primaries", [P3, REC_709])
def test_profiles_give_what_a_colour_management_module_gives(
    curve: bytes, primaries: tuple[float, ...]
) -> None:
    """To the 8 bits of its answer, where those hold the colour (LittleCMS)."""
    data = profile(curve, primaries)
    pixels = Image.fromarray(COLOURS)
    source = ImageCms.ImageCmsProfile(io.BytesIO(data))
    shown = ImageCms.profileToProfile(
        pixels,
        source,
        ImageCms.createProfile("sRGB"),
        renderingIntent=ImageCms.Intent.RELATIVE_COLORIMETRIC,
    )
    assert shown is not None
    reference = np.asarray(shown)
    found = read_profile(data).decode(COLOURS)
    low, high = (srgb_to_linear(np.clip(reference + d, 0, 255) / 255) for d in (-1.5, 1.5))
    inside = (reference > 0) & (reference < 255)
    assert inside.mean() > 0.7
    assert ((low <= found) & (found <= high))[inside].all()


def test_an_srgb_profile_changes_nothing(tmp_path: Path) -> None:
    own = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(COLOURS).save(tmp_path / "plain.png")
    for number, data in enumerate((own, profile(para(3, *SRGB_CURVE), REC_709))):
        Image.fromarray(COLOURS).save(tmp_path / f"{number}.png", icc_profile=data)
        picture = read_picture(tmp_path / f"{number}.png")
        np.testing.assert_array_equal(picture.image, read_image(tmp_path / "plain.png"))
        assert picture.notes == ()


def test_a_grey_profile_is_honoured(tmp_path: Path) -> None:
    grey = Image.new("L", (2, 2), 128)
    grey.save(tmp_path / "a.png", icc_profile=profile(para(0, 1.8), None))
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), (128 / 255) ** 1.8, rtol=1e-4)


@pytest.mark.parametrize("length", [0, 20, 127, 140, 300, 480])
def test_a_damaged_profile_is_told_and_taken_for_srgb(tmp_path: Path, length: int) -> None:
    data = profile(para(3, *SRGB_CURVE), P3)[:length] or b"?"
    with pytest.raises(InputError, match="its colour profile"):
        read_profile(data)
    Image.fromarray(COLOURS).save(tmp_path / "a.webp", lossless=True, icc_profile=data)
    picture = read_picture(tmp_path / "a.webp")
    np.testing.assert_allclose(picture.image, srgb_to_linear(COLOURS / 255), rtol=1e-5)
    assert any("taken for sRGB" in note for note in picture.notes)


@given(st.binary(min_size=140, max_size=400), st.integers(0, 399))
def test_profiles_of_random_bytes_are_refused(noise: bytes, place: int) -> None:
    data = bytearray(profile(para(3, *SRGB_CURVE), P3))
    data[place : place + len(noise)] = noise
    try:
        found = read_profile(bytes(data)).decode(COLOURS)
    except InputError:
        return
    assert found.shape == COLOURS.shape


def test_a_camera_that_says_adobe_rgb_without_a_profile_is_believed(tmp_path: Path) -> None:
    tables = ((0x8769, 4, 1, 26), (0xA005, 4, 1, 44), (0x0001, 2, 4, 0x52303300))
    exif = b"Exif\0\0MM\0*\0\0\0\x08"
    for entry in tables:  # the third, of interoperability, says "R03"
        exif += struct.pack(">HHHIII", 1, *entry, 0)
    Image.fromarray(COLOURS).save(tmp_path / "a.webp", lossless=True, exif=exif)
    expected = ADOBE_RGB.decode(COLOURS)
    np.testing.assert_array_equal(read_image(tmp_path / "a.webp"), expected)
    assert abs(expected - srgb_to_linear(COLOURS / 255)).max() > 0.05


# PNG


@pytest.mark.parametrize(("gamma", "exponent"), [(100_000, 1.0), (50_000, 2.0), (55_556, 1.8)])
def test_png_gamma_is_honoured(tmp_path: Path, gamma: int, exponent: float) -> None:
    write_png(tmp_path / "a.png", COLOURS, (b"gAMA", struct.pack(">I", gamma)))
    expected = (COLOURS / 255) ** exponent
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), expected, rtol=1e-4)


@pytest.mark.parametrize(
    "chunks",
    [
        [(b"gAMA", struct.pack(">I", 45455))],
        [(b"sRGB", b"\0"), (b"gAMA", struct.pack(">I", 100_000))],
        [(b"cICP", bytes([1, 13, 0, 1])), (b"gAMA", struct.pack(">I", 100_000))],
    ],
    ids=["gamma of sRGB", "sRGB", "cICP"],
)
def test_png_is_srgb_where_it_says_so(tmp_path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    write_png(tmp_path / "a.png", COLOURS, *chunks)
    expected = srgb_to_linear(COLOURS / 255)
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), expected, rtol=1e-6)


@pytest.mark.parametrize(
    "chunks",
    [
        [
            (b"gAMA", struct.pack(">I", 45455)),
            (b"cHRM", struct.pack(">8I", *(round(1e5 * x) for x in (*P3[6:], *P3[:6])))),
        ],
        [(b"cICP", bytes([12, 13, 0, 1]))],
    ],
    ids=["cHRM", "cICP"],
)
def test_png_primaries_are_honoured(tmp_path: Path, chunks: list[tuple[bytes, bytes]]) -> None:
    write_png(tmp_path / "a.png", COLOURS, *chunks)
    expected = linear(COLOURS, srgb_to_linear, P3)
    np.testing.assert_allclose(read_image(tmp_path / "a.png"), expected, atol=1e-5)


def test_an_own_gamma_replaces_the_files_curve(tmp_path: Path) -> None:
    write_png(tmp_path / "a.png", COLOURS, (b"gAMA", struct.pack(">I", 100_000)))
    found = read_image(tmp_path / "a.png", gamma=2.2)
    np.testing.assert_allclose(found, (COLOURS / 255) ** 2.2, rtol=1e-5)


@pytest.mark.parametrize(("codes", "words"), [((9, 16), "PQ"), ((9, 18), "HLG"), ((3, 13), "13")])
def test_codes_that_are_not_read_are_refused_by_name(
    tmp_path: Path, codes: tuple[int, int], words: str
) -> None:
    write_png(tmp_path / "a.png", COLOURS, (b"cICP", bytes([*codes, 0, 1])))
    with pytest.raises(InputError, match=rf"a\.png: its colours are coded as .*{words}"):
        read_image(tmp_path / "a.png")


def test_the_curve_of_rec_709_is_inverted() -> None:
    values = np.array([[[0.0, 0.081, 1.0]]], np.float32)
    found = encoding_of_codes(1, 1).decode(values)
    np.testing.assert_allclose(found, [[[0, 0.018, 1]]], atol=2e-4)


def test_avif_code_points_are_honoured(tmp_path: Path) -> None:
    path = tmp_path / "a.avif"
    Image.fromarray(np.full((8, 8, 3), (200, 100, 50), np.uint8)).save(path, quality=100)
    srgb, data = read_image(path), path.read_bytes()
    coded = b"colrnclx" + struct.pack(">HH", 1, 13)
    assert coded in data
    path.write_bytes(data.replace(coded, b"colrnclx" + struct.pack(">HH", 12, 13)))
    expected = srgb @ to_rec_709(P3, keeps_white=True).T
    np.testing.assert_allclose(read_image(path), expected, atol=1e-6)


# Matrices


def test_the_matrix_of_srgb_is_the_published_one() -> None:
    published = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    np.testing.assert_allclose(rgb_to_xyz(REC_709), published, atol=1e-4)


def test_white_stays_white_only_if_asked() -> None:
    aces = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
    np.testing.assert_allclose(to_rec_709(aces, keeps_white=True).sum(axis=1), 1, atol=1e-12)
    assert abs(to_rec_709(aces).sum(axis=1) - 1).max() > 0.04


def test_float_tiff_is_linear(tmp_path: Path, rng: np.random.Generator) -> None:
    image = rng.uniform(-1, 1e4, (5, 6, 3)).astype(np.float32)
    OpenImageIO.ImageBuf(image).write(str(tmp_path / "a.tif"))
    picture = read_picture(tmp_path / "a.tif")
    np.testing.assert_array_equal(picture.image, image)
    assert (picture.white, picture.black, picture.bit_depth) == (None, None, None)
