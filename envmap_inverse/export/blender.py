"""A Python script that sets up Blender's world and lamps."""

from __future__ import annotations

import json
from pathlib import Path

from envmap_inverse.export.lit_scene import LitScene, beside, exr_bytes, level_and_colour
from envmap_inverse.lights.light import Light

__all__ = ["blender_files"]

SCRIPT = '''"""Light by envmap-inverse for Blender: run it in the text editor, or

    blender scene.blend --python {script}
"""

import os

import bpy
from mathutils import Vector

MAP = {image}
LAMPS = {lamps}
"""Direction to each lamp in Blender's axes, irradiance in W/m^2, colour, diameter in radians."""

folder = os.path.dirname(os.path.abspath(__file__))
world = bpy.data.worlds.new("envmap-inverse")
bpy.context.scene.world = world
world.use_nodes = True
nodes, links = world.node_tree.nodes, world.node_tree.links
nodes.clear()
output = nodes.new("ShaderNodeOutputWorld")
background = nodes.new("ShaderNodeBackground")
texture = nodes.new("ShaderNodeTexEnvironment")
texture.image = bpy.data.images.load(os.path.join(folder, MAP))
texture.image.colorspace_settings.name = "Linear Rec.709"
texture.projection = "EQUIRECTANGULAR"
links.new(texture.outputs["Color"], background.inputs["Color"])
links.new(background.outputs["Background"], output.inputs["Surface"])

for number, (direction, irradiance, colour, diameter) in enumerate(LAMPS):
    sun = bpy.data.lights.new(f"lamp {{number}}", "SUN")
    sun.energy, sun.color, sun.angle = irradiance, colour, diameter
    lamp = bpy.data.objects.new(f"lamp {{number}}", sun)
    lamp.rotation_mode = "QUATERNION"
    lamp.rotation_quaternion = Vector(direction).to_track_quat("Z", "Y")
    bpy.context.scene.collection.objects.link(lamp)
'''


def blender_files(light: Light, path: Path) -> dict[Path, bytes]:
    """The script, and the map in a file beside it.

    Blender's axes (X, Y, Z) are the map's (x, -z, y), and +X is in the middle of its panoramas. A
    sun shines along its -Z; its strength is the irradiance of a surface that faces it.
    """
    scene, image = LitScene(light=light), beside(path, "blender")
    lamps = []
    for lamp in scene.lamps:
        x, y, z = (float(part) for part in lamp.direction)
        level, colour = level_and_colour(lamp.irradiance)
        lamps.append(((x, -z, y), level, tuple(colour), lamp.angular_diameter))
    text = SCRIPT.format(
        script=path.name.replace("\\", "\\\\").replace('"', '\\"'),
        image=json.dumps(image.name, ensure_ascii=False),
        lamps="[" + "".join(f"\n    {lamp!r}," for lamp in lamps) + ("\n]" if lamps else "]"),
    )
    return {path: text.encode(), image: exr_bytes(scene.reprojected(0.25))}
