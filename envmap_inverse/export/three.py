"""A page on which three.js lights shapes with a map and lamps."""

from __future__ import annotations

import base64
from importlib import resources
from pathlib import Path

import numpy as np

from envmap_inverse.export.lit_scene import LitScene, level_and_colour
from envmap_inverse.images import display_exposure
from envmap_inverse.lights.light import Light
from envmap_inverse.system.strict_json import to_json

__all__ = ["three_files"]

MAX_HALF = 65504.0


def three_files(light: Light, path: Path) -> dict[Path, bytes]:
    """The page, with the map in it.

    The axes of three.js are those of the map, and +x is in the middle of its panoramas. A
    directional light shines from its position to the origin; its intensity is the irradiance of a
    surface that faces it.
    """
    scene = LitScene(light=light)
    texels = np.ones((*scene.texels.shape[:2], 4), np.float16)
    # Data textures begin with the lowest row.
    texels[::-1, :, :3] = np.clip(scene.reprojected(0.25), 0, MAX_HALF)
    lamps = []
    for lamp in scene.lamps:
        level, colour = level_and_colour(lamp.irradiance)
        lamps.append({"direction": lamp.direction.tolist(), "irradiance": level, "colour": colour})
    content = {
        "width": texels.shape[1],
        "height": texels.shape[0],
        "exposure": display_exposure(scene.texels),
        "lamps": lamps,
        "texels": base64.b64encode(texels.tobytes()).decode(),
    }
    page = resources.files(__package__).joinpath("three.html").read_text(encoding="utf-8")
    return {path: page.replace("LIGHT", to_json(content), 1).encode()}
