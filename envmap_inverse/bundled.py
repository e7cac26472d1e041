"""The bundled data set: three objects, four materials, four environment maps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, MissingFileError
from envmap_inverse.scene.scene import Scene, load_scene

__all__ = [
    "MAPS",
    "MATERIALS",
    "OBJECTS",
    "bundled_scene",
    "bunny",
    "map_file",
    "samples",
    "scene_file",
]

OBJECTS = ("bunny", "ball", "knot")
MAPS = ("museum", "windows", "lamps", "sun")
SAMPLES = ("ball", "knot")
MATERIALS: dict[str, dict[str, Any]] = {
    "mirror": {"type": "conductor", "material": "Cu"},
    "rough": {"type": "roughconductor", "material": "Cu", "alpha": 0.2},
    "plastic": {
        "type": "plastic",
        "diffuse_reflectance": {"type": "rgb", "value": [0.2, 0.3, 0.6]},
    },
    "diffuse": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.7, 0.6, 0.5]}},
}
"""Mitsuba's descriptions: smooth copper, rough copper, blue plastic, plaster."""


def bunny() -> Path:
    """The bundled bunny's XML file."""
    return scene_file("bunny")


def scene_file(name: str) -> Path:
    """The XML file of one of the `OBJECTS`, with its own map.

    Raises:
        InputError: if nothing has that name.
        FileNotFoundError: if the bundled scenes are missing.
    """
    _check_name("object", name, OBJECTS)
    return _scenes() / name / f"{name}.xml"


def map_file(name: str) -> Path:
    """The EXR file of one of the `MAPS`, each of 250 x 125 texels.

    Raises:
        InputError: if nothing has that name.
        FileNotFoundError: if the bundled scenes are missing.
    """
    _check_name("map", name, MAPS)
    return _scenes() / ("bunny" if name == "museum" else "maps") / f"{name}.exr"


def samples(name: str) -> Path:
    """A folder of sample pictures, by a simulated camera.

    "ball" is a bracket of a chrome ball, `shot_0.jpg` and so on; "knot" has raw-like brackets of
    the knot from two sides, `front_0.png` and so on, masks, `transforms.json`, and `truth.exr`.

    Raises:
        InputError: if there is no such folder.
        FileNotFoundError: if the bundled scenes are missing.
    """
    _check_name("sample", name, SAMPLES)
    return _scenes() / "samples" / name


def bundled_scene(name: str = "bunny", material: str = "mirror") -> Scene:
    """Load the scene of one of the `OBJECTS`, made of one of the `MATERIALS`.

    Raises:
        InputError: if there is no such object or material.
        FileNotFoundError: if the bundled scenes are missing.
    """
    _check_name("material", material, MATERIALS)
    scene = load_scene(scene_file(name)).mi_scene
    for shape in scene.shapes():
        shape.set_bsdf(mi.load_dict(MATERIALS[material]))
    # Rebuild the scene: `dr.freeze` would not find a new BSDF where several are alive.
    parts = [scene.integrator(), *scene.sensors(), *scene.shapes(), scene.environment()]
    return load_scene({"type": "scene", **{part.id(): part for part in parts}})


def _scenes() -> Path:
    """The folder of the bundled scenes, installed or in a source tree."""
    package = Path(__file__).parent
    for folder in (package / "scenes", package.parent / "scenes"):
        if (folder / "bunny" / "bunny.xml").exists():
            return folder
    raise MissingFileError(f"{package / 'scenes'}: the bundled scenes are missing; reinstall")


def _check_name(kind: str, name: str, known: tuple[str, ...] | dict[str, Any]) -> None:
    if name not in known:
        raise InputError(f"no bundled {kind} {name!r}; there are: {', '.join(known)}")
