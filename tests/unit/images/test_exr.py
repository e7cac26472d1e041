"""EXR files of other programs, with more than R, G and B at (0, 0)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import pytest
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.images import read_image, read_picture
from envmap_inverse.images.colour import REC_709, to_rec_709

P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)
XYZ = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1 / 3, 1 / 3)


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(0.1, 1, (4, 6, 3)).astype(np.float32)


def part(channels: dict[str, Any], name: str = "", **header: Any) -> OpenEXR.Part:
    made = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
    return OpenEXR.Part(made, channels, name)


def write(path: Path, channels: dict[str, Any], **header: Any) -> Path:
    OpenEXR.File([part(channels, **header)]).write(str(path))
    return path


def layer(image: NDArray[np.float32], prefix: str = "", leaves: str = "RGB") -> dict[str, Any]:
    return {f"{prefix}{leaf}": image[..., k].copy() for k, leaf in enumerate(leaves)}


def window(left: int, top: int, right: int, bottom: int) -> tuple[NDArray[np.int32], ...]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


# Primaries


@pytest.mark.parametrize("primaries", [P3, ACES, XYZ], ids=["P3", "ACES", "XYZ"])
def test_chromaticities_are_honoured(
    tmp_path: Path, image: NDArray[np.float32], primaries: tuple[float, ...]
) -> None:
    path = write(tmp_path / "a.exr", {"RGB": image}, chromaticities=primaries)
    np.testing.assert_allclose(read_image(path), image @ to_rec_709(primaries).T, atol=1e-5)


def test_our_own_chromaticities_change_no_bit(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.exr", {"RGB": image}, chromaticities=REC_709)
    np.testing.assert_array_equal(read_image(path), image)


@pytest.mark.parametrize("primaries", [(0.3,) * 8, (0.0,) * 8, (np.nan,) * 8])
def test_chromaticities_that_span_no_colours_are_refused(
    tmp_path: Path, image: NDArray[np.float32], primaries: tuple[float, ...]
) -> None:
    path = write(tmp_path / "a.exr", {"RGB": image}, chromaticities=primaries)
    with pytest.raises(InputError, match=r"a\.exr: its chromaticities .* span no colours"):
        read_image(path)


# Windows


def test_a_data_window_inside_the_display_window_stands_where_it_should(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    windows = {"dataWindow": window(2, 1, 7, 4), "displayWindow": window(0, 0, 9, 7)}
    picture = read_picture(write(tmp_path / "a.exr", {"RGB": image}, **windows))
    assert picture.size == (10, 8)
    np.testing.assert_array_equal(picture.image[1:5, 2:8], image)
    assert picture.image.sum(dtype=np.float64) == pytest.approx(image.sum(dtype=np.float64))
    assert picture.mask is not None
    assert picture.mask[1:5, 2:8].all()
    assert picture.mask.sum() == 24
    assert "data window 6 x 4 at (2, 1) in a display window 10 x 8" in picture.notes[0]


def test_a_data_window_beyond_the_display_window_is_cropped(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    windows = {"dataWindow": window(-1, -1, 4, 2), "displayWindow": window(0, 0, 3, 1)}
    picture = read_picture(write(tmp_path / "a.exr", {"RGB": image}, **windows))
    np.testing.assert_array_equal(picture.image, image[1:3, 1:5])
    assert picture.mask is None


def test_windows_that_begin_elsewhere_are_compared_with_each_other(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    windows = {"dataWindow": window(9, -5, 14, -2), "displayWindow": window(10, -5, 15, -2)}
    picture = read_picture(write(tmp_path / "a.exr", {"RGB": image}, **windows))
    np.testing.assert_array_equal(picture.image[:, :-1], image[:, 1:])
    assert not picture.image[:, -1].any()


def test_a_data_window_outside_the_display_window_is_refused(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    windows = {"dataWindow": window(20, 0, 25, 3), "displayWindow": window(0, 0, 9, 7)}
    path = write(tmp_path / "a.exr", {"RGB": image}, **windows)
    with pytest.raises(InputError, match=r"a\.exr: its data window .* outside its display window"):
        read_picture(path)


# Layers and parts


@pytest.mark.parametrize("prefix", ["ViewLayer.Combined.", "beauty."])
def test_the_only_layer_is_read(tmp_path: Path, image: NDArray[np.float32], prefix: str) -> None:
    channels = {**layer(image, prefix), "ViewLayer.Depth.Z": image[..., 0].copy()}
    picture = read_picture(write(tmp_path / "a.exr", channels))
    np.testing.assert_array_equal(picture.image, image)
    assert picture.notes == (f"layer {prefix[:-1]!r}",)


def test_several_layers_are_listed_and_one_can_be_chosen(
    tmp_path: Path, image: NDArray[np.float32]
) -> None:
    channels = {**layer(image, "V.Combined."), **layer(2 * image, "V.DiffCol.")}
    path = write(tmp_path / "a.exr", channels)
    with pytest.raises(InputError, match=r"layers: 'V.Combined', 'V.DiffCol'; choose one"):
        read_picture(path)
    np.testing.assert_array_equal(read_image(path, layer="V.DiffCol"), 2 * image)
    with pytest.raises(InputError, match=r"no layer 'x' in colour; found 'V.Combined', 'V.DiffC"):
        read_image(path, layer="x")


def test_channels_without_a_layer_come_first(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.exr", {**layer(image), **layer(2 * image, "diffuse.")})
    picture = read_picture(path)
    np.testing.assert_array_equal(picture.image, image)
    assert picture.notes == ("the first of 2 layers",)


def test_the_only_part_with_colours_is_read(tmp_path: Path, image: NDArray[np.float32]) -> None:
    parts = [part({"Z": image[..., 0].copy()}, "depth"), part(layer(image), "rgba")]
    OpenEXR.File(parts).write(str(tmp_path / "a.exr"))
    picture = read_picture(tmp_path / "a.exr")
    np.testing.assert_array_equal(picture.image, image)
    assert picture.notes == ("layer 'rgba'",)


# Grey and alpha


@pytest.mark.parametrize("leaves", ["Y", "YA"])
def test_luminance_alone_is_grey_light(
    tmp_path: Path, image: NDArray[np.float32], leaves: str
) -> None:
    picture = read_picture(write(tmp_path / "a.exr", layer(image, leaves=leaves)))
    np.testing.assert_array_equal(picture.image, np.repeat(image[..., :1], 3, axis=2))
    assert (picture.alpha is None) == (leaves == "Y")


def test_positions_are_no_grey_light(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.exr", layer(image, leaves="XYZ"))
    with pytest.raises(InputError, match=r"nor Y alone; found X, Y, Z"):
        read_picture(path)
    both = write(tmp_path / "b.exr", layer(image, "Combined.") | layer(image, "Normal.", "XYZ"))
    np.testing.assert_array_equal(read_picture(both).image, image)


def test_oblong_pixels_are_warned_of(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = write(tmp_path / "a.exr", layer(image), pixelAspectRatio=2.0)
    with pytest.warns(UserWarning, match=r"a\.exr: its pixels are 2 times as wide as high"):
        read_picture(path)


def test_luminance_with_chroma_is_refused(tmp_path: Path, image: NDArray[np.float32]) -> None:
    channels = dict(zip(("Y", "RY", "BY"), np.moveaxis(image, 2, 0).copy(), strict=True))
    path = write(tmp_path / "a.exr", channels)
    with pytest.raises(InputError, match=r"has no R, G and B channels, nor Y alone; found .*RY"):
        read_image(path)


def test_alpha_masks_what_is_not_opaque(tmp_path: Path, image: NDArray[np.float32]) -> None:
    alpha = np.float32([[1, 1, 0.999, 0.5, 0, 1]] * 4)
    channels = {"RGBA": np.dstack([image * alpha[..., None], alpha])}
    picture = read_picture(write(tmp_path / "a.exr", channels))
    assert picture.mask is not None
    np.testing.assert_array_equal(picture.mask, [[1, 1, 1, 0, 0, 1]] * 4)
    np.testing.assert_array_equal(picture.alpha, alpha)
