"""A small scene with each plugin: what must be said beside its name."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from measurements import write_measured, write_measured_polarized
from numpy.typing import NDArray

from envmap_inverse.backend import mi

Described = dict[str, Any]

DIFFUSE = {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.8, 0.5, 0.3]}}
CHECKERED = {"type": "checkerboard", "color0": 0.2, "color1": 0.7}
LAMP = {"type": "rgb", "value": [5, 4, 3]}

NOT_TRIED = {
    ("shape", "blender"): "reads the memory of Blender, which its add-on runs in",
}

MORE: dict[str, Described] = {
    "blendbsdf": {"weight": 0.4, "first": DIFFUSE, "second": {"type": "conductor"}},
    "bumpmap": {"scale": 0.1, "bsdf": DIFFUSE},
    "measured_polarized": {"wavelength": 550},
    "mask": {"opacity": 0.4, "nested": DIFFUSE},
    "normalmap": {"bsdf": DIFFUSE},
    "principled": {"metallic": 0.3, "roughness": 0.4, "specular": 0.6},
    "roughconductor": {"alpha": 0.3},
    "roughdielectric": {"alpha": 0.2},
    "twosided": {"nested": DIFFUSE},
    "constant": {"radiance": LAMP},
    "directional": {"direction": [0, -1, -1], "irradiance": LAMP},
    "point": {"position": [1, 2, 3], "intensity": LAMP},
    "spot": {"intensity": LAMP, "cutoff_angle": 30},
    "projector": {"irradiance": CHECKERED, "fov": 40},
    "thinlens": {"fov": 40, "aperture_radius": 0.3, "focus_distance": 4.0},
    "perspective": {"fov": 40},
    "specfilm": {"red": {"type": "spectrum", "value": [(400, 0.5), (700, 1.0)]}},
    "aov": {"aovs": "depth:depth", "nested": {"type": "path", "max_depth": 5}},
    "moment": {"nested": {"type": "path", "max_depth": 5}},
    "stokes": {"nested": {"type": "path"}},
}
"""What a plugin needs beside its name, or has so that more of it is seen."""


def describe(kind: str, name: str, folder: Path) -> Described:
    """The dictionary of a scene with a plugin in it.

    Args:
        kind: see `installed.KINDS`.
        name: of the plugin.
        folder: for the files that it needs.
    """
    scene = _scene()
    plugin = {"type": name, **MORE.get(name, {})}
    if name in _TEXTURES:
        bitmap = mi.Bitmap(_TEXTURES[name]())
        plugin[name] = {"type": "bitmap", "bitmap": bitmap, "raw": True}
    _PLACES[kind](scene, plugin, folder)
    return scene


def _scene() -> Described:
    """Two spheres under an uneven map, on a film of 8 x 8 pixels."""
    texels = np.random.default_rng(1).uniform(0.1, 2, (9, 16, 3))
    look = mi.ScalarTransform4f().look_at([0, 0, 4], [0, 0, 0], [0, 1, 0])
    return {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 5},
        "sensor": {"type": "perspective", "fov": 40, "to_world": look, "film": _film()},
        "large": {"type": "sphere", "bsdf": DIFFUSE},
        "small": {"type": "sphere", "center": [1.0, 0.4, 0.8], "radius": 0.3, "bsdf": DIFFUSE},
        "map": {"type": "envmap", "bitmap": mi.Bitmap(np.exp(2 * texels - 2).astype(np.float32))},
    }


def _film(width: int = 8, height: int = 8, **more: Any) -> Described:
    film = {"type": "hdrfilm", "width": width, "height": height, "rfilter": {"type": "box"}}
    return {**film, "pixel_format": "rgb", **more}


def _bsdf(scene: Described, plugin: Described, folder: Path) -> None:
    if plugin["type"] in _MEASUREMENTS:
        plugin["filename"] = str(folder / "material")
        _MEASUREMENTS[plugin["type"]](folder / "material")
    scene["large"]["bsdf"] = scene["small"]["bsdf"] = plugin


def _emitter(scene: Described, plugin: Described, _folder: Path) -> None:
    transform = mi.ScalarTransform4f()
    name = plugin["type"]
    if name in {"area", "directionalarea"}:
        turn = transform.translate([-1.2, 1.5, 1]).rotate([1, 0, 0], 90).scale(0.4)
        lamp = {"type": name, "radiance": LAMP}
        scene["lamp"] = {"type": "rectangle", "to_world": turn, "emitter": lamp}
    elif name == "envmap":
        turn = transform.rotate([0.6, 0.8, 0], 70)
        scene["map"] = {**scene["map"], "scale": 2.5, "to_world": turn}
    elif name in {"constant", "sunsky", "timed_sunsky"}:
        scene["map"] = plugin
    else:
        if name in {"spot", "projector"}:
            plugin["to_world"] = transform.look_at([2, 2, 3], [0, 0, 0], [0, 1, 0])
        scene["lamp"] = plugin


def _sensor(scene: Described, plugin: Described, _folder: Path) -> None:
    transform = mi.ScalarTransform4f()
    look = transform.look_at([0, 0, 4], [0, 0, 0], [0, 1, 0])
    name, sensor = plugin["type"], {"film": _film(), **plugin}
    if name == "batch":
        other = transform.look_at([4, 0, 0], [0, 0, 0], [0, 1, 0])
        views = {"a": (look, 0), "b": (other, 1)}
        sensor |= {
            key: {"type": "perspective", "fov": 40, "to_world": turn, "film": _film()}
            for key, (turn, _) in views.items()
        }
        sensor["film"] = _film(16, 8)
    elif name == "irradiancemeter":
        del scene["sensor"]
        turn = transform.translate([0, -1.5, 0]).rotate([1, 0, 0], -90)
        scene["floor"] = {"type": "rectangle", "to_world": turn, "sensor": sensor}
        return
    elif name in {"radiancemeter", "distant"}:
        sensor |= {"film": _film(1, 1), "to_world": look}
    elif name == "orthographic":
        sensor["to_world"] = look.scale(1.5)
    else:
        sensor["to_world"] = look
    scene["sensor"] = sensor


def _film_plugin(scene: Described, plugin: Described, _folder: Path) -> None:
    film = _film()
    if plugin["type"] != "hdrfilm":
        del film["pixel_format"]
    scene["sensor"]["film"] = {**film, **plugin}


def _filter(scene: Described, plugin: Described, _folder: Path) -> None:
    scene["sensor"]["film"] = _film(rfilter=plugin)


def _integrator(scene: Described, plugin: Described, _folder: Path) -> None:
    scene["integrator"] = plugin


def _shape(scene: Described, plugin: Described, folder: Path) -> None:
    name = plugin["type"]
    turn = mi.ScalarTransform4f().rotate([1, 1, 0], 40).scale(0.7)
    shape = {**plugin, "bsdf": {"type": "twosided", "nested": DIFFUSE}}
    if name in _SHAPES:
        shape |= _SHAPES[name](folder)
    elif name not in {"shapegroup", "instance", "merge"}:
        shape["to_world"] = turn
    if name in {"instance", "shapegroup"}:
        ball = {"type": "sphere", "radius": 0.8, "bsdf": DIFFUSE}
        scene["group"] = {"type": "shapegroup", "ball": ball}
        shape = {"type": "instance", "group": {"type": "ref", "id": "group"}}
    elif name == "merge":
        cube = {"type": "cube", "to_world": turn, "bsdf": DIFFUSE}
        shape = {"type": "merge", "first": cube, "second": {**cube, "to_world": turn.scale(1.2)}}
    scene["large"] = shape


_PLACES: dict[str, Callable[[Described, Described, Path], None]] = {
    "bsdf": _bsdf,
    "emitter": _emitter,
    "sensor": _sensor,
    "film": _film_plugin,
    "filter": _filter,
    "integrator": _integrator,
    "shape": _shape,
}


def _curve(folder: Path) -> Described:
    path = folder / "curve.txt"
    points = [(x, 0.4 * np.sin(3 * x), 0.0, 0.3) for x in np.linspace(-1, 1, 6)]
    path.write_text("".join(" ".join(f"{v:.6f}" for v in point) + "\n" for point in points))
    return {"filename": str(path)}


def _ellipsoids(_folder: Path) -> Described:
    centres = np.array([[-0.5, 0, 0], [0.5, 0.2, 0]], np.float32)
    scales = np.array([[0.2, 0.15, 0.1], [0.1, 0.2, 0.15]], np.float32)
    turns = np.array([[0, 0, 0, 1], [0, 0, 0, 1]], np.float32)
    return {
        "centers": mi.TensorXf(centres),
        "scales": mi.TensorXf(scales),
        "quaternions": mi.TensorXf(turns),
    }


def _mesh(name: str) -> Callable[[Path], Described]:
    def write(folder: Path) -> Described:
        path = folder / f"quad.{name}"
        corners = [(-1, -1, 0), (1, -1, 0), (1, 1, 0), (-1, 1, 0)]
        if name == "obj":
            lines = [f"v {x} {y} {z}" for x, y, z in corners] + ["f 1 2 3", "f 1 3 4"]
            path.write_text("\n".join(lines) + "\n")
        elif name == "ply":
            mi.load_dict({"type": "rectangle"}).write_ply(str(path))
        else:
            faces = np.array([(0, 1, 2), (0, 2, 3)], np.uint32)
            counts = struct.pack("<QQ", len(corners), len(faces))
            body = struct.pack("<I", 0x1000) + b"quad\0" + counts
            body += np.array(corners, np.float32).tobytes() + faces.tobytes()
            header, footer = struct.pack("<HH", 0x041C, 4), struct.pack("<QI", 0, 1)
            path.write_bytes(header + zlib.compress(body) + footer)
        return {"filename": str(path)}

    return write


def _grid(_folder: Path) -> Described:
    x = np.linspace(0, 1, 8) - 0.5
    distance = np.sqrt(x[:, None, None] ** 2 + x[None, :, None] ** 2 + x[None, None, :] ** 2) - 0.4
    centred = mi.ScalarTransform4f().scale(2).translate([-0.5, -0.5, -0.5])
    return {"grid": mi.TensorXf(distance[..., None].astype(np.float32)), "to_world": centred}


_SHAPES: dict[str, Callable[[Path], Described]] = {
    "bsplinecurve": _curve,
    "linearcurve": _curve,
    "ellipsoids": _ellipsoids,
    "ellipsoidsmesh": _ellipsoids,
    "obj": _mesh("obj"),
    "ply": _mesh("ply"),
    "serialized": _mesh("serialized"),
    "sdfgrid": _grid,
}


def _normals() -> NDArray[np.float32]:
    """A map of normals that lean by turns."""
    lean = np.where(np.indices((8, 8)).sum(axis=0) % 2, 0.6, 0.4)
    return np.stack([lean, np.full_like(lean, 0.5), np.full_like(lean, 0.95)], -1).astype("f4")


def _heights() -> NDArray[np.float32]:
    """A smooth map of heights."""
    x = np.linspace(0, 2 * np.pi, 32, endpoint=False, dtype=np.float32)
    return (0.5 + 0.5 * np.sin(2 * x[:, None]) * np.cos(3 * x))[..., None]


_MEASUREMENTS = {"measured": write_measured, "measured_polarized": write_measured_polarized}

_TEXTURES = {"bumpmap": _heights, "normalmap": _normals}
