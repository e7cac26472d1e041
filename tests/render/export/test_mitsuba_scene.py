"""The exported scene, rendered as it stands, against a rendering under the whole map."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.bundled import map_file
from envmap_inverse.export.lit_scene import LitScene
from envmap_inverse.export.mitsuba import mitsuba_files
from envmap_inverse.lights.light import Light


def rendered(scene: ei.Scene, seed: int) -> np.ndarray:
    scene.set_film_size(32, 0)
    return ei.render(scene, spp=512, seed=seed)[10:22, 10:22]


@pytest.mark.parametrize("name", ["sun", "museum"])
def test_lamps_and_map_light_a_ball_as_the_whole_map_does(name: str, tmp_path: Path) -> None:
    backend.select_variant()
    texels = ei.read_image(map_file(name))
    scene = LitScene(light=Light(texels=texels))
    assert scene.lamps
    assert scene.texels.max() < texels.max()
    for path, data in mitsuba_files(Light(texels=texels), tmp_path / "scene.xml").items():
        path.write_bytes(data)
    loaded = ei.load_scene(tmp_path / "scene.xml")
    lamps, more = rendered(loaded, 1), rendered(loaded, 4)
    from envmap_inverse.backend import mi

    described = {"type": "scene", "light": {"type": "envmap", "bitmap": mi.Bitmap(texels)}}
    mine = loaded.mi_scene
    parts = [mine.integrator(), *mine.shapes(), *mine.sensors()]
    whole = ei.load_scene(described | {f"part{number}": part for number, part in enumerate(parts)})
    first, second = rendered(whole, 2), rendered(whole, 3)
    # The noise of different seeds is independent
    error = np.mean((lamps - first) * (more - second))
    assert error < (0.02 * first.mean()) ** 2
    assert lamps.mean() == pytest.approx(first.mean(), rel=0.01)
