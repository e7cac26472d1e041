"""The script for Blender: what it builds, and what Blender renders by it.

`bpy`, Blender as a module, has 370 MB and is not installed with the tests. `BPY` names a folder
with it (`pip install --target FOLDER bpy 'numpy<2'`, on the Python that it is built for).
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.export.blender import blender_files
from envmap_inverse.export.lit_scene import LitScene
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import texel_directions

HEIGHT, WIDTH = 64, 128
SIDES = [(0, 0, -1), (1, 0, 0), (-1, 0, 0), (0, 0, 1), (0.28, -0.96, 0), (0.6, 0.48, 0.64)]
TO_BLENDER = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
"""Axes (X, Y, Z) of Blender by those of the map: (x, -z, y)."""

LOOK = """
import json, runpy, sys
import bpy
import addon_utils  # comes with bpy
from mathutils import Vector

script, folder, sides, towards = json.loads(sys.argv[1])
addon_utils.enable("cycles")
for each in list(bpy.data.objects):
    bpy.data.objects.remove(each)
runpy.run_path(script)
scene = bpy.context.scene
scene.render.engine = "CYCLES"
scene.cycles.samples, scene.cycles.use_denoising = 64, False
scene.render.resolution_x = scene.render.resolution_y = 9
scene.render.image_settings.file_format = "OPEN_EXR"
scene.camera = bpy.data.objects.new("camera", bpy.data.cameras.new("camera"))
scene.camera.data.angle = 0.02
scene.camera.rotation_mode = "QUATERNION"

def shoot(name, look, place):
    scene.camera.rotation_quaternion = Vector(look).to_track_quat("-Z", "Y")
    scene.camera.location = place
    scene.render.filepath = f"{folder}/{name}.exr"
    bpy.ops.render.render(write_still=True)

for number, side in enumerate(sides):
    shoot(f"side_{number}", side, (0, 0, 0))
towards = Vector(towards)
bpy.ops.mesh.primitive_plane_add(size=2, rotation=towards.to_track_quat("Z", "Y").to_euler())
material = bpy.data.materials.new("white")
material.use_nodes = True
nodes = material.node_tree.nodes
nodes.clear()
white = nodes.new("ShaderNodeBsdfDiffuse")
white.inputs["Color"].default_value = (0.5, 0.5, 0.5, 1)
links = material.node_tree.links
links.new(white.outputs["BSDF"], nodes.new("ShaderNodeOutputMaterial").inputs["Surface"])
bpy.context.object.data.materials.append(material)
shoot("facing", -towards, 3 * towards)
"""


@pytest.fixture(scope="module")
def light() -> Light:
    """A map whose colour is the direction, and a lamp of one texel."""
    texels = (0.5 + 0.4 * texel_directions(HEIGHT, WIDTH)).astype(np.float32)
    texels[15, 40] = (800, 600, 400)
    return Light(texels=texels)


@pytest.fixture(scope="module")
def script(light: Light, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("blender") / 'my "light".py'
    for name, data in blender_files(light, path).items():
        name.write_bytes(data)
    return path


class Built(SimpleNamespace):
    """A node, lamp or object of Blender that remembers what is set."""

    def to_track_quat(self, axis: str, up: str) -> tuple[str, Any]:
        assert (axis, up) == ("Z", "Y")
        return "its Z points to", self.vector


class Nodes(list[Any]):
    def new(self, kind: str) -> Built:
        sockets = ("inputs", "outputs")
        made = {each: {name: (kind, name) for name in SOCKETS.get(kind, ())} for each in sockets}
        self.append(Built(kind=kind, **made))
        return self[-1]


SOCKETS = {
    "ShaderNodeOutputWorld": ("Surface",),
    "ShaderNodeBackground": ("Color", "Background"),
    "ShaderNodeTexEnvironment": ("Color",),
}


@pytest.fixture
def blender(script: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What the script builds, by a stand-in for `bpy` that knows only the names it uses."""
    links: list[tuple[Any, Any]] = []
    tree = Built(nodes=Nodes(), links=Built(new=lambda *ends: links.append(ends)))
    world, linked = Built(node_tree=tree), []
    scene = Built(collection=Built(objects=Built(link=linked.append)))
    image = Built(colorspace_settings=Built())
    paths: list[str] = []
    data = Built(
        worlds=Built(new=lambda _: world),
        images=Built(load=lambda path: paths.append(path) or image),
        lights=Built(new=lambda _, kind: Built(kind=kind)),
        objects=Built(new=lambda _, data: Built(data=data)),
    )
    bpy = Built(data=data, context=Built(scene=scene))
    monkeypatch.setitem(sys.modules, "bpy", bpy)
    mathutils = Built(Vector=lambda vector: Built(vector=vector))
    monkeypatch.setitem(sys.modules, "mathutils", mathutils)
    exec(compile(script.read_text(), script, "exec"), {"__file__": str(script)})
    return Built(scene=scene, world=world, links=links, image=image, paths=paths, lamps=linked)


def test_the_world_is_the_map(blender: Any) -> None:
    assert blender.scene.world is blender.world
    assert blender.world.use_nodes is True
    _, _, texture = blender.world.node_tree.nodes
    assert (texture.image, texture.projection) == (blender.image, "EQUIRECTANGULAR")
    assert blender.image.colorspace_settings.name == "Linear Rec.709"
    assert blender.links == [
        (("ShaderNodeTexEnvironment", "Color"), ("ShaderNodeBackground", "Color")),
        (("ShaderNodeBackground", "Background"), ("ShaderNodeOutputWorld", "Surface")),
    ]


@pytest.mark.parametrize("direction", SIDES)
def test_a_direction_lies_where_blender_looks_it_up(
    blender: Any, direction: tuple[float, float, float]
) -> None:
    """By `direction_to_equirectangular` in Blender, intern/cycles/kernel/camera/projection.h."""
    (path,) = blender.paths
    shown = ei.read_image(path)
    x, y, z = TO_BLENDER @ direction
    u, v = (
        0.5 - np.arctan2(y, x) / (2 * np.pi),
        1 - np.arccos(z / np.linalg.norm(direction)) / np.pi,
    )
    column, row = int(u * WIDTH) % WIDTH, min(int((1 - v) * HEIGHT), HEIGHT - 1)
    assert shown[row, column] == pytest.approx(0.5 + 0.4 * np.array(direction), abs=0.03)


def test_its_suns_are_the_lamps(blender: Any, light: Light) -> None:
    (lamp,) = LitScene(light=light).lamps
    (made,) = blender.lamps
    sun = made.data
    assert (sun.kind, made.rotation_mode) == ("SUN", "QUATERNION")
    assert made.rotation_quaternion == (
        "its Z points to",
        pytest.approx(TO_BLENDER @ lamp.direction),
    )
    assert np.array(sun.color) * sun.energy == pytest.approx(lamp.irradiance)
    assert max(sun.color) == 1
    assert sun.angle == pytest.approx(lamp.angular_diameter)


@pytest.fixture(scope="module")
def rendered(light: Light, script: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures by Blender itself."""
    if not os.environ.get("BPY"):
        pytest.skip("no Blender: BPY names no folder with its module")
    folder = tmp_path_factory.mktemp("rendered")
    (lamp,) = LitScene(light=light).lamps
    sides = [(TO_BLENDER @ each).tolist() for each in SIDES]
    given = json.dumps([str(script), str(folder), sides, (TO_BLENDER @ lamp.direction).tolist()])
    environment = {**os.environ, "PYTHONPATH": os.environ["BPY"]}
    command = [sys.executable, "-c", LOOK, given]
    ended = subprocess.run(command, env=environment, timeout=300, check=False)
    assert ended.returncode == 0
    return folder


@pytest.mark.parametrize("number", range(len(SIDES)))
def test_blender_shows_each_direction_where_it_is(rendered: Path, number: int) -> None:
    shown = ei.read_image(rendered / f"side_{number}.exr").mean(axis=(0, 1))
    assert shown == pytest.approx(0.5 + 0.4 * np.array(SIDES[number]), abs=0.02)


def test_blender_lights_a_surface_by_the_lamp_and_the_map(rendered: Path, light: Light) -> None:
    scene = LitScene(light=light)
    (lamp,) = scene.lamps
    map_alone = ei.spherical_harmonics(scene.texels, 2).irradiance(lamp.direction)
    expected = 0.5 / np.pi * (lamp.irradiance + map_alone)
    shown = ei.read_image(rendered / "facing.exr").mean(axis=(0, 1))
    assert shown == pytest.approx(expected, rel=0.02)
