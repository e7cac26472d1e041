"""The glTF file with Babylon.js, in a browser.

Babylon.js is not installed with the tests. `BABYLON_JS` names a folder with `babylon.js` of its npm
package `babylonjs` and `babylonjs.loaders.min.js` of `babylonjs-loaders`.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from envmap_inverse.export.gltf import gltf_files
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import texel_directions

SCRIPTS = ("babylon.js", "babylonjs.loaders.min.js")
ADDRESS = "https://babylon.test"
PAGE = '<body style="margin:0"><canvas id="view" width="64" height="64"></canvas>' + "".join(
    f'<script src="{ADDRESS}/{name}"></script>' for name in SCRIPTS
)
# Babylon.js is left-handed: it negates the x of files.
LOAD = """async (gltf) => {
  const engine = new BABYLON.Engine(document.getElementById("view"), true,
    { preserveDrawingBuffer: true });
  const scene = new BABYLON.Scene(engine);
  await BABYLON.SceneLoader.AppendAsync("", "data:" + gltf, scene, undefined, ".gltf");
  const ball = BABYLON.MeshBuilder.CreateSphere("ball", { diameter: 2, segments: 48 }, scene);
  ball.material = new BABYLON.PBRMaterial("mirror", scene);
  ball.material.metallic = 1;
  ball.material.roughness = 0;
  // Its loader decodes the images, but leaves the mark that they are still gamma-encoded.
  scene.environmentTexture.gammaSpace = false;
  scene.imageProcessingConfiguration.toneMappingEnabled = false;
  window.lit = { scene, camera: new BABYLON.FreeCamera("camera", BABYLON.Vector3.Zero(), scene) };
  lit.camera.fov = 0.3;
  return scene.lights.map((light) => {
    light.computeTransformedInformation();
    return { direction: light.transformedDirection.asArray(), intensity: light.intensity };
  });
}"""
LOOK = """async ([x, y, z]) => {
  lit.camera.position = new BABYLON.Vector3(-4 * x, 4 * y, 4 * z);
  lit.camera.setTarget(BABYLON.Vector3.Zero());
  await lit.scene.whenReadyAsync();
  while (!lit.scene.environmentTexture?.isReady()) await new Promise((r) => setTimeout(r, 20));
  for (let frame = 0; frame < 20; frame++) {
    lit.scene.render();
    await new Promise((r) => setTimeout(r, 20));
  }
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """A mirror ball under a map whose colour is the direction, and under a lamp at +y."""
    folder = Path(os.environ.get("BABYLON_JS", "/nonexistent"))
    if not all((folder / name).is_file() for name in SCRIPTS):
        pytest.skip(f"no Babylon.js: BABYLON_JS names no folder with {' and '.join(SCRIPTS)}")
    directions = texel_directions(64, 128)
    texels = (0.5 + 0.4 * directions).astype(np.float32)
    texels[directions[:, :, 1] > 0.999] = 300
    path = tmp_path_factory.mktemp("gltf") / "light.gltf"
    gltf = gltf_files(Light(texels=texels), path)[path]

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        if name in SCRIPTS:
            route.fulfill(path=folder / name, content_type="text/javascript")
        else:
            route.fulfill(body=PAGE, content_type="text/html")

    opened = browser.new_page(viewport={"width": 64, "height": 64})
    opened.route(f"{ADDRESS}/**", answer)
    opened.goto(f"{ADDRESS}/")
    opened.lamps = opened.evaluate(LOAD, gltf.decode())  # type: ignore[attr-defined]
    opened.evaluate(LOOK, (0, 0, 1))  # Babylon.js loads its tables
    return opened


@pytest.mark.parametrize("direction", [(0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0, -1, 0.01)])
def test_the_middle_of_a_mirror_ball_shows_what_is_behind_the_camera(
    page: Page, tmp_path: Path, direction: tuple[float, float, float]
) -> None:
    page.evaluate(LOOK, direction)
    page.screenshot(path=tmp_path / "shot.png")
    pixels = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB"))[30:34, 30:34]
    shown = (pixels.mean(axis=(0, 1)) / 255) ** 2.2  # a screen's light
    assert shown == pytest.approx(0.5 + 0.4 * np.array(direction), abs=0.02)


def test_its_lamp_shines_down(page: Page) -> None:
    (lamp,) = page.lamps  # type: ignore[attr-defined]
    assert lamp["direction"] == pytest.approx([0, -1, 0], abs=0.03)
    assert lamp["intensity"] > 0
