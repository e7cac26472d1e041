"""Radiance files of every coding, order and header."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.images import read_image, read_picture, write_image
from envmap_inverse.images.colour import to_rec_709

HEIGHT, WIDTH = 3, 12


@pytest.fixture
def rgbe(rng: np.random.Generator) -> NDArray[np.uint8]:
    """Pixels with runs, one of them of more than 255 and no one (1, 1, 1, e)."""
    pixels = rng.integers(2, 256, (HEIGHT, WIDTH, 4), dtype=np.uint8)
    pixels[..., 3] = rng.integers(120, 136, (HEIGHT, WIDTH))
    pixels[1, 3:9] = pixels[1, 2]
    pixels[2, 0] = 0
    return pixels


def values_of(rgbe: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Decode the shared exponent: mantissa / 256 times 2^(e - 128)."""
    scale = np.where(rgbe[..., 3] > 0, 2.0 ** (rgbe[..., 3].astype(float) - 136), 0)
    return np.asarray(rgbe[..., :3] * scale[..., None])


def write(path: Path, data: bytes, resolution: str, *lines: str) -> Path:
    header = "\n".join(("#?RADIANCE", *lines, "", resolution, ""))
    path.write_bytes(header.encode() + data)
    return path


def old_runs(pixels: NDArray[np.uint8]) -> bytes:
    """The old run-length coding of a line of pixels (Ward, Graphics Gems II)."""
    data, place = b"", 0
    while place < len(pixels):
        count = 1
        while place + count < len(pixels) and (pixels[place + count] == pixels[place]).all():
            count += 1
        data += pixels[place].tobytes()
        repeats = count - 1
        while repeats:
            data += bytes([1, 1, 1, repeats % 256])
            repeats //= 256
        place += count
    return data


RESOLUTION = f"-Y {HEIGHT} +X {WIDTH}"


@pytest.mark.parametrize("lines", [(), ("FORMAT=32-bit_rle_rgbe",), ("# made by hand", "GAMMA=1")])
def test_flat_pixels(tmp_path: Path, rgbe: NDArray[np.uint8], lines: tuple[str, ...]) -> None:
    path = write(tmp_path / "a.hdr", rgbe.tobytes(), RESOLUTION, *lines)
    np.testing.assert_array_equal(read_image(path), values_of(rgbe).astype(np.float32))


def test_old_run_length_coding(tmp_path: Path, rgbe: NDArray[np.uint8]) -> None:
    data = b"".join(old_runs(row) for row in rgbe)
    assert len(data) < rgbe.size
    path = write(tmp_path / "a.hdr", data, RESOLUTION)
    np.testing.assert_array_equal(read_image(path), values_of(rgbe).astype(np.float32))


def test_old_runs_of_more_than_a_byte_counts(tmp_path: Path) -> None:
    row = np.repeat(np.uint8([[9, 8, 7, 130], [6, 5, 4, 131]]), (700, 3), axis=0)
    path = write(tmp_path / "a.hdr", old_runs(row), "-Y 1 +X 703")
    np.testing.assert_array_equal(read_image(path)[0], values_of(row).astype(np.float32))


def test_runs_that_lead_nowhere_are_refused(tmp_path: Path) -> None:
    for data in (bytes([1, 1, 1, 9] * 4), bytes([9, 8, 7, 130] + [1, 1, 1, 255] * 9)):
        path = write(tmp_path / "a.hdr", data, "-Y 3 +X 12")
        with pytest.raises(InputError, match=r"a\.hdr: "):
            read_image(path)


@pytest.mark.parametrize(
    ("resolution", "turned"),
    [
        ("-Y {h} +X {w}", lambda a: a),
        ("+Y {h} +X {w}", lambda a: a[::-1]),
        ("-Y {h} -X {w}", lambda a: a[:, ::-1]),
        ("+Y {h} -X {w}", lambda a: a[::-1, ::-1]),
        ("+X {h} -Y {w}", lambda a: a.swapaxes(0, 1)),
        ("+X {h} +Y {w}", lambda a: a.swapaxes(0, 1)[::-1]),
        ("-X {h} -Y {w}", lambda a: a.swapaxes(0, 1)[:, ::-1]),
        ("-X {h} +Y {w}", lambda a: a.swapaxes(0, 1)[::-1, ::-1]),
    ],
)
@pytest.mark.parametrize("coding", ["flat", "old", "new"])
def test_every_order_of_pixels(
    tmp_path: Path, rgbe: NDArray[np.uint8], resolution: str, turned: object, coding: str
) -> None:
    """The first axis is that of the scanlines; X grows to the right, Y upwards."""
    assert callable(turned)
    if coding == "new":
        write_image(tmp_path / "b.hdr", values_of(rgbe))
        whole = (tmp_path / "b.hdr").read_bytes()
        line = f"-Y {HEIGHT} +X {WIDTH}\n".encode()
        data = whole[whole.index(line) + len(line) :]
        assert data[:4] == bytes([2, 2, 0, WIDTH])
        expected = read_image(tmp_path / "b.hdr")
    else:
        data = rgbe.tobytes() if coding == "flat" else b"".join(map(old_runs, rgbe))
        expected = values_of(rgbe).astype(np.float32)
    path = write(tmp_path / "a.hdr", data, resolution.format(h=HEIGHT, w=WIDTH))
    np.testing.assert_array_equal(read_image(path), turned(expected))


def test_exposure_and_colour_correction_are_taken_out(
    tmp_path: Path, rgbe: NDArray[np.uint8]
) -> None:
    lines = ("EXPOSURE=4", "EXPOSURE= 0.5", "COLORCORR=1 2 4", "\tEXPOSURE=100")
    path = write(tmp_path / "a.hdr", rgbe.tobytes(), RESOLUTION, *lines)
    picture = read_picture(path)
    np.testing.assert_allclose(picture.image, values_of(rgbe) / (2, 4, 8), rtol=1e-6)
    assert picture.notes == ("divided by its EXPOSURE and COLORCORR, [2.0, 4.0, 8.0]",)


def test_xyz_becomes_rgb(tmp_path: Path, rgbe: NDArray[np.uint8]) -> None:
    path = write(tmp_path / "a.hdr", rgbe.tobytes(), RESOLUTION, "FORMAT=32-bit_rle_xyze")
    expected = values_of(rgbe) @ to_rec_709(None).T
    np.testing.assert_allclose(read_image(path), expected, rtol=1e-5, atol=1e-4)


def test_primaries_are_honoured_and_white_stays_white(tmp_path: Path) -> None:
    radiance = ".640 .330 .290 .600 .150 .060 .333 .333"
    pixels = np.uint8([[[128, 128, 128, 129], [128, 0, 0, 129], [0, 128, 0, 129]]])
    path = write(tmp_path / "a.hdr", pixels.tobytes(), "-Y 1 +X 3", f"PRIMARIES={radiance}")
    ((white, red, green),) = read_image(path)
    np.testing.assert_allclose(white, 1, atol=1e-6)
    expected = to_rec_709([float(x) for x in radiance.split()], keeps_white=True)
    np.testing.assert_allclose((red, green), expected.T[:2], atol=1e-6)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("EXPOSURE=bright", "its EXPOSURE must be 1 numbers; found 'bright'"),
        ("EXPOSURE=0", "EXPOSURE and COLORCORR give the factor"),
        ("EXPOSURE=-1", "EXPOSURE and COLORCORR give the factor"),
        ("COLORCORR=1 2", "its COLORCORR must be 3 numbers"),
        ("PRIMARIES=.3 .3 .3 .3 .3 .3 .3 .3", "its PRIMARIES .* span no colours"),
        ("PRIMARIES=1 2 3", "its PRIMARIES must be 8 numbers"),
        ("FORMAT=16-bit", "its FORMAT is '16-bit'"),
    ],
)
def test_a_header_that_means_nothing_is_refused(
    tmp_path: Path, rgbe: NDArray[np.uint8], line: str, message: str
) -> None:
    path = write(tmp_path / "a.hdr", rgbe.tobytes(), RESOLUTION, line)
    with pytest.raises(InputError, match=rf"a\.hdr: .*{message}"):
        read_image(path)


@pytest.mark.parametrize("resolution", ["-Y 3", "-Y 3 +Y 12", "Y 3 X 12"])
def test_a_file_without_a_resolution_is_refused(tmp_path: Path, resolution: str) -> None:
    path = write(tmp_path / "a.hdr", bytes(144), resolution)
    with pytest.raises(InputError, match="it has no resolution line"):
        read_image(path)
