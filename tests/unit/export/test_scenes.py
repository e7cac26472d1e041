"""What the files of other programs say, read by those programs' libraries where there are any."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.export import gltf
from envmap_inverse.export.blender import blender_files
from envmap_inverse.export.gltf import _filtered, gltf_files
from envmap_inverse.export.lit_scene import LitScene
from envmap_inverse.export.three import three_files
from envmap_inverse.export.usd import usd_files
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import texel_directions

HEIGHT, WIDTH = 65, 128
SIZES = 16, 8, 4
LAMP = 20, 37


@pytest.fixture(autouse=True)
def small_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gltf, "SIZES", SIZES)


@pytest.fixture
def light() -> Light:
    """Dim light, a reddish patch around +x, and a lamp of one texel."""
    texels = np.full((HEIGHT, WIDTH, 3), 0.1, np.float32)
    texels[texel_directions(HEIGHT, WIDTH)[:, :, 0] > 0.9, 0] = 0.2
    texels[LAMP] = (800, 600, 400)
    return Light(texels=texels)


@pytest.fixture
def lamp(light: Light) -> ei.Lamp:
    (found,) = LitScene(light=light).lamps
    return found


def written(files: dict[Path, bytes]) -> Path:
    for path, data in files.items():
        path.write_bytes(data)
    return next(iter(files))


def reddest(image: NDArray[Any]) -> tuple[float, float]:
    """Column and row of the middle of the reddish patch, as shares of the width and height."""
    rows, columns = np.nonzero(image[:, :, 0] > 1.5 * image[:, :, 1])
    return (columns.mean() + 0.5) / image.shape[1], (rows.mean() + 0.5) / image.shape[0]


def test_a_stage_has_the_lamp_and_the_map(light: Light, lamp: ei.Lamp, tmp_path: Path) -> None:
    pytest.importorskip("pxr", reason="usd-core is not installed")
    from pxr import Gf, Usd, UsdGeom, UsdLux

    stage = Usd.Stage.Open(str(written(usd_files(light, tmp_path / "light.usda"))))
    assert UsdGeom.GetStageUpAxis(stage) == "Y"
    dome = UsdLux.DomeLight(stage.GetPrimAtPath("/Light/Map"))
    assert dome.GetTextureFormatAttr().Get() == "latlong"
    file = dome.GetTextureFileAttr().Get().resolvedPath
    assert reddest(ei.read_image(file)) == pytest.approx((0.25, 0.5), abs=0.01)  # longitude pi/2
    sun = UsdLux.DistantLight(stage.GetPrimAtPath("/Light/Lamp_0"))
    matrix = UsdGeom.Xformable(sun).ComputeLocalToWorldTransform(Usd.TimeCode.Default())
    shines = matrix.TransformDir(Gf.Vec3d(0, 0, -1))
    assert tuple(shines) == pytest.approx(-lamp.direction, abs=1e-6)
    assert matrix.GetDeterminant() == pytest.approx(1)
    colour = np.array(sun.GetColorAttr().Get()) * sun.GetIntensityAttr().Get()
    assert colour == pytest.approx(lamp.irradiance, rel=1e-5)
    assert sun.GetNormalizeAttr().Get()
    assert np.radians(sun.GetAngleAttr().Get()) == pytest.approx(lamp.angular_diameter, rel=1e-5)


def test_a_stage_cannot_name_some_files(light: Light, tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match="a USD stage cannot name a file with @"):
        usd_files(light, tmp_path / "a@b.usda")


def test_a_page_has_the_map_and_the_lamp(light: Light, lamp: ei.Lamp, tmp_path: Path) -> None:
    page = written(three_files(light, tmp_path / "light.html")).read_text()
    found = re.search(r'<script type="application/json" id="light">(.*?)</script>', page)
    assert found is not None
    content = json.loads(found[1])
    data = np.frombuffer(base64.b64decode(content["texels"]), np.float16)
    texels = data.reshape(content["height"], content["width"], 4)
    assert (texels[:, :, 3] == 1).all()
    assert reddest(texels) == pytest.approx((0.5, 0.5), abs=0.01)
    (sun,) = content["lamps"]
    assert sun["direction"] == pytest.approx(lamp.direction)
    assert np.array(sun["colour"]) * sun["irradiance"] == pytest.approx(lamp.irradiance)


def rgbd(uri: str) -> NDArray[np.float64]:
    """The radiance of an image of glTF."""
    data = base64.b64decode(uri.removeprefix("data:image/png;base64,"))
    values = np.asarray(Image.open(io.BytesIO(data)), np.float64) / 255
    return np.asarray(values[:, :, :3] ** 2.2 / values[:, :, 3:])


def test_gltf_has_the_lamp_and_the_map(light: Light, lamp: ei.Lamp, tmp_path: Path) -> None:
    content = json.loads(written(gltf_files(light, tmp_path / "light.gltf")).read_text())
    assert set(content["extensionsUsed"]) == {"EXT_lights_image_based", "KHR_lights_punctual"}
    x, y, z, w = content["nodes"][0]["rotation"]
    # The z axis, turned by the quaternion
    turned = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
    assert turned == pytest.approx(tuple(lamp.direction))
    (sun,) = content["extensions"]["KHR_lights_punctual"]["lights"]
    assert np.array(sun["color"]) * sun["intensity"] == pytest.approx(lamp.irradiance)
    (image_light,) = content["extensions"]["EXT_lights_image_based"]["lights"]
    assert np.shape(image_light["irradianceCoefficients"]) == (9, 3)
    assert image_light["specularImageSize"] == SIZES[0]
    levels = image_light["specularImages"]
    assert np.shape(levels) == (len(SIZES), 6)
    for size, faces in zip(SIZES, levels, strict=True):
        pictures = [rgbd(content["images"][face]["uri"]) for face in faces]
        assert {picture.shape for picture in pictures} == {(size, size, 3)}
        # Babylon.js has -x where we have +x
        middles = [picture[size // 2, size // 2, 0] for picture in pictures]
        assert np.argmax(middles) == 1
    assert content["scenes"][0]["extensions"]["EXT_lights_image_based"] == {"light": 0}


def test_bright_light_survives_in_an_image_of_gltf() -> None:
    texels = np.full((9, 16, 3), (40.0, 4.0, 0.4), np.float32)
    content = json.loads(gltf_files(Light(texels=texels), Path("a.gltf"))[Path("a.gltf")])
    assert "nodes" not in content
    found = rgbd(content["images"][0]["uri"])
    assert found[:, :, 0] == pytest.approx(40, rel=0.1)
    assert found[:, :, 1] == pytest.approx(4, rel=0.1)


def test_a_rough_level_is_a_mean(light: Light) -> None:
    directions = np.eye(3)
    assert _filtered(np.ones((9, 16, 3), np.float32), directions, 1.0) == pytest.approx(1)
    dim = np.minimum(light.texels, np.float32(0.2))
    sharp, rough = (_filtered(dim, directions, level)[0, 0] for level in (0.0, 1.0))
    assert sharp == pytest.approx(0.2)
    assert 0.1 < rough < sharp


def test_a_map_without_lamps_is_exported_whole(tmp_path: Path) -> None:
    light = Light(texels=np.ones((8, 16, 3), np.float32))
    for make, ending in ((usd_files, "usda"), (blender_files, "py"), (three_files, "html")):
        text = written(make(light, tmp_path / f"light.{ending}")).read_text()  # type: ignore[operator]
        assert "Lamp_" not in text
    assert compile((tmp_path / "light.py").read_text(), "light.py", "exec")
