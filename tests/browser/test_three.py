"""The page with three.js, in a browser.

three.js is not installed with the tests. `THREE_JS` names the folder `build` of its npm package.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from playwright.sync_api import Browser, Page, Route

from envmap_inverse.export.three import three_files
from envmap_inverse.images import srgb_to_linear
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import texel_directions

LOOK = """(direction) => {
  const { scene, camera, renderer } = lit;
  for (const part of scene.children) part.visible = !part.isMesh;
  camera.position.set(0, 0, 0);
  camera.lookAt(...direction);
  renderer.render(scene, camera);
}"""


@pytest.fixture(scope="module")
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    """The page of a map whose colour is the direction, and of a lamp at +y."""
    build = Path(os.environ.get("THREE_JS", "/nonexistent"))
    if not (build / "three.module.js").is_file():
        pytest.skip("no three.js: THREE_JS names no folder with three.module.js")
    directions = texel_directions(64, 128)
    texels = (0.5 + 0.4 * directions).astype(np.float32)
    texels[directions[:, :, 1] > 0.999] = 300
    path = tmp_path_factory.mktemp("three") / "light.html"
    path.write_bytes(three_files(Light(texels=texels), path)[path])

    def answer(route: Route) -> None:
        name = route.request.url.rpartition("/")[2]
        route.fulfill(path=build / name, content_type="text/javascript")

    opened = browser.new_page(viewport={"width": 64, "height": 64})
    opened.route("https://cdn.jsdelivr.net/**", answer)
    opened.goto(f"file://{path}")
    opened.wait_for_function("window.lit")
    return opened


def middle(page: Page, tmp_path: Path) -> np.ndarray:
    page.screenshot(path=tmp_path / "shot.png")
    pixels = np.asarray(Image.open(tmp_path / "shot.png").convert("RGB"))[28:36, 28:36]
    return np.asarray(srgb_to_linear(pixels / 255).mean(axis=(0, 1)))


@pytest.mark.parametrize("direction", [(1, 0, 0), (-1, 0, 0), (0, -1, 0.01), (0, 0, 1), (0, 0, -1)])
def test_the_background_is_where_it_belongs(
    page: Page, tmp_path: Path, direction: tuple[float, float, float]
) -> None:
    page.evaluate(LOOK, list(direction))
    exposure = page.evaluate("lit.renderer.toneMappingExposure")
    expected = exposure * (0.5 + 0.4 * np.array(direction))
    assert middle(page, tmp_path) == pytest.approx(np.minimum(expected, 1), abs=0.03)


def test_the_lamp_shines_from_above(page: Page) -> None:
    place = page.evaluate("lit.scene.children.find((part) => part.isLight).position.toArray()")
    assert place == pytest.approx([0, 1, 0], abs=0.02)
