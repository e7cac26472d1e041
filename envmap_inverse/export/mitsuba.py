"""A Mitsuba scene of a map and lamps."""

from __future__ import annotations

from pathlib import Path
from xml.sax.saxutils import quoteattr

from envmap_inverse.export.lit_scene import LitScene, beside, exr_bytes
from envmap_inverse.lights.light import Light

__all__ = ["mitsuba_files"]

SCENE = """<scene version="3.0.0">
    <!-- Light by envmap-inverse. Put your own shapes and sensor in place of these. -->
    <integrator type="path"/>
    <sensor type="perspective">
        <float name="fov" value="40"/>
        <transform name="to_world">
            <lookat origin="0, 0, 4" target="0, 0, 0" up="0, 1, 0"/>
        </transform>
        <film type="hdrfilm">
            <integer name="width" value="256"/>
            <integer name="height" value="256"/>
        </film>
    </sensor>
    <shape type="sphere" id="ball">
        <bsdf type="diffuse">
            <rgb name="reflectance" value="0.5"/>
        </bsdf>
    </shape>

    <emitter type="envmap" id="light">
        <string name="filename" value={name}/>
    </emitter>
{lamps}</scene>
"""

LAMP = """    <emitter type="directional" id="lamp_{number}">
        <vector name="direction" value="{direction}"/>
        <rgb name="irradiance" value="{irradiance}"/>
    </emitter>
"""


def mitsuba_files(light: Light, path: Path) -> dict[Path, bytes]:
    """The scene with a diffuse ball, and the map in a file beside it.

    Mitsuba's axes are those of the map. A `directional` emitter's direction is that in which its
    light travels.
    """
    scene, image = LitScene(light=light), beside(path, "mitsuba")
    lamps = "".join(
        LAMP.format(
            number=number,
            direction=", ".join(f"{-part:.7g}" for part in lamp.direction),
            irradiance=", ".join(f"{part:.7g}" for part in lamp.irradiance),
        )
        for number, lamp in enumerate(scene.lamps)
    )
    text = SCENE.format(name=quoteattr(image.name), lamps=lamps)
    return {path: text.encode(), image: exr_bytes(scene.texels)}
