"""A USD stage of a dome light and distant lights, as text."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np

from envmap_inverse.errors import InputError
from envmap_inverse.export.lit_scene import LitScene, beside, exr_bytes, level_and_colour
from envmap_inverse.lights.lamps import Lamp
from envmap_inverse.lights.light import Light

__all__ = ["usd_files"]

STAGE = """#usda 1.0
(
    defaultPrim = "Light"
    doc = "Light by envmap-inverse"
    upAxis = "Y"
)

def Xform "Light"
{{
    def DomeLight "Map"
    {{
        float inputs:intensity = 1
        asset inputs:texture:file = @./{name}@
        token inputs:texture:format = "latlong"
    }}
{lamps}}}
"""

LAMP = """
    def DistantLight "Lamp_{number}"
    {{
        float inputs:angle = {angle:.7g}
        color3f inputs:color = ({colour})
        float inputs:intensity = {level:.7g}
        bool inputs:normalize = 1
        matrix4d xformOp:transform = ( {rows} )
        uniform token[] xformOpOrder = ["xformOp:transform"]
    }}
"""


def usd_files(light: Light, path: Path) -> dict[Path, bytes]:
    """The stage, and the map in a file beside it.

    A dome light's axes are those of the map on a stage with +Y up. A distant light shines along its
    -Z; normalized, its intensity is the irradiance of a surface that faces it.

    Raises:
        InputError: if the file's name cannot stand in a stage.
    """
    scene, image = LitScene(light=light), beside(path, "usd")
    if "@" in image.name:
        raise InputError(f"{path}: a USD stage cannot name a file with @; choose another name")
    lamps = "".join(_lamp(number, lamp) for number, lamp in enumerate(scene.lamps))
    text = STAGE.format(name=image.name, lamps=lamps)
    return {path: text.encode(), image: exr_bytes(scene.reprojected(0.0))}


def _lamp(number: int, lamp: Lamp) -> str:
    level, colour = level_and_colour(lamp.irradiance)
    # Rows are the images of the axes: z points to the lamp.
    across, upwards = np.linalg.svd(lamp.direction[None])[2][1:]
    if np.dot(np.cross(across, upwards), lamp.direction) < 0:
        across = -across
    rows = [[*row, 0.0] for row in (across, upwards, lamp.direction)] + [[0.0, 0, 0, 1]]
    return LAMP.format(
        number=number,
        angle=math.degrees(lamp.angular_diameter),
        colour=", ".join(f"{part:.7g}" for part in colour),
        level=level,
        rows=", ".join(f"({', '.join(f'{part:.9g}' for part in row)})" for row in rows),
    )
