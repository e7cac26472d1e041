"""A file of a map is one map, whether a scene names it, a command reads it or Mitsuba does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR
import OpenImageIO
import pytest
from numpy.typing import NDArray
from PIL import Image

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.images import read_image, tonemap

HEIGHT, WIDTH = 6, 10
P3 = (0.680, 0.320, 0.265, 0.690, 0.150, 0.060, 0.3127, 0.3290)
ACES = (0.7347, 0.2653, 0.0, 1.0, 0.0001, -0.077, 0.32168, 0.33767)

Write = Callable[[Path, NDArray[np.float32]], Path]


def exr(**header: Any) -> Write:
    def write(folder: Path, image: NDArray[np.float32]) -> Path:
        made = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage, **header}
        OpenEXR.File(made, {"RGB": image}).write(str(folder / "map.exr"))
        return folder / "map.exr"

    return write


def layered(folder: Path, image: NDArray[np.float32]) -> Path:
    channels = {f"ViewLayer.Combined.{c}": image[..., k].copy() for k, c in enumerate("RGB")}
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, channels).write(str(folder / "map.exr"))
    return folder / "map.exr"


def grey(folder: Path, image: NDArray[np.float32]) -> Path:
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {"Y": image[..., 0].copy()}).write(str(folder / "map.exr"))
    return folder / "map.exr"


def hdr(*lines: str, resolution: str = "-Y {h} +X {w}") -> Write:
    def write(folder: Path, image: NDArray[np.float32]) -> Path:
        pixels = np.dstack([255 * image, np.full(image.shape[:2], 128)]).astype(np.uint8)
        header = "\n".join(("#?RADIANCE", *lines, "", resolution.format(h=HEIGHT, w=WIDTH), ""))
        (folder / "map.hdr").write_bytes(header.encode() + pixels.tobytes())
        return folder / "map.hdr"

    return write


def picture(name: str) -> Write:
    def write(folder: Path, image: NDArray[np.float32]) -> Path:
        Image.fromarray(tonemap(image)).save(folder / name)
        return folder / name

    return write


def tiff(folder: Path, image: NDArray[np.float32]) -> Path:
    OpenImageIO.ImageBuf(image).write(str(folder / "map.tif"))
    return folder / "map.tif"


def window(left: int, top: int, right: int, bottom: int) -> tuple[NDArray[np.int32], ...]:
    return np.array([left, top], np.int32), np.array([right, bottom], np.int32)


INSIDE = {"dataWindow": window(2, 1, 11, 6), "displayWindow": window(0, 0, 13, 7)}
OVERSCAN = {"dataWindow": window(-1, -1, 8, 4), "displayWindow": window(0, 0, 7, 3)}
AS_MITSUBA: dict[str, Write] = {
    "exr": exr(),
    "P3": exr(chromaticities=P3),
    "ACES": exr(chromaticities=ACES),
    "grey": grey,
    "hdr": hdr("FORMAT=32-bit_rle_rgbe"),
    "xyze": hdr("FORMAT=32-bit_rle_xyze"),
    "png": picture("map.png"),
    "jpg": picture("map.jpg"),
}
"""Files that Mitsuba reads right."""

OTHERS: dict[str, Write] = {
    "data window inside": exr(**INSIDE),
    "overscan": exr(**OVERSCAN),
    "layer": layered,
    "exposure": hdr("FORMAT=32-bit_rle_rgbe", "EXPOSURE=4"),
    "upside down": hdr("FORMAT=32-bit_rle_rgbe", resolution="+Y {h} +X {w}"),
    "tiff": tiff,
}


@pytest.fixture
def image(rng: np.random.Generator) -> NDArray[np.float32]:
    return rng.uniform(0.1, 0.9, (HEIGHT, WIDTH, 3)).astype(np.float32)


@pytest.mark.parametrize("kind", AS_MITSUBA)
def test_we_read_what_mitsuba_reads(tmp_path: Path, image: NDArray[np.float32], kind: str) -> None:
    path = AS_MITSUBA[kind](tmp_path, image)
    backend.select_variant()
    bitmap = mi.Bitmap(str(path)).convert(mi.Bitmap.PixelFormat.RGB, mi.Struct.Type.Float32, False)
    # The matrices are of published constants with four digits.
    np.testing.assert_allclose(read_image(path), np.array(bitmap), rtol=2e-3, atol=1e-3)


def load(path: Path) -> ei.Scene:
    """Load a scene whose map is a file."""
    scene = path.with_name("scene.xml")
    scene.write_text(
        '<scene version="3.0.0"><integrator type="path"/><sensor type="perspective"/>'
        f'<emitter type="envmap"><string name="filename" value="{path.name}"/></emitter>'
        '<shape type="sphere"/></scene>'
    )
    return ei.load_scene(scene)


@pytest.mark.filterwarnings("ignore:.*map.")
@pytest.mark.parametrize("kind", [*AS_MITSUBA, *OTHERS])
def test_a_scenes_map_is_what_its_file_is_elsewhere(
    tmp_path: Path, image: NDArray[np.float32], kind: str
) -> None:
    path = {**AS_MITSUBA, **OTHERS}[kind](tmp_path, image)
    np.testing.assert_array_equal(load(path).envmap.texels, read_image(path))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("exposure", r"map\.hdr: divided by its EXPOSURE and COLORCORR, \[4.0, 4.0, 4.0\]"),
        ("overscan", r"map\.exr: data window 10 x 6 at"),
    ],
)
def test_what_is_done_to_a_scenes_map_is_warned_of(
    tmp_path: Path, image: NDArray[np.float32], kind: str, words: str
) -> None:
    path = OTHERS[kind](tmp_path, image)
    with pytest.warns(UserWarning, match=words):
        load(path)


def test_a_light_probe_or_cube_map_is_warned_of(tmp_path: Path) -> None:
    path = exr()(tmp_path, np.ones((8, 8, 3), np.float32))
    with pytest.warns(UserWarning, match=r"map\.exr: is 8 x 8, but a map is twice as wide as high"):
        load(path)


def test_a_map_of_negative_light_is_warned_of(tmp_path: Path, image: NDArray[np.float32]) -> None:
    image[1, 2, 0] = -1
    with pytest.warns(UserWarning, match=r"map\.exr: 1 texel values are negative"):
        load(exr()(tmp_path, image))
    image[1, 2, 0] = -1e-3  # as lossy compression leaves beside lamps
    load(exr()(tmp_path, image))


def test_a_map_inside_a_shape_is_refused(tmp_path: Path, image: NDArray[np.float32]) -> None:
    path = exr()(tmp_path, image)
    (tmp_path / "scene.xml").write_text(
        '<scene version="3.0.0"><integrator type="path"/><sensor type="perspective"/>'
        '<shape type="sphere"><emitter type="envmap" id="sky">'
        f'<string name="filename" value="{path.name}"/></emitter></shape></scene>'
    )
    with pytest.raises(ei.InputError, match="the environment map 'sky' is inside another element"):
        ei.load_scene(tmp_path / "scene.xml")
