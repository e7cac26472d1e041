"""A glTF file of an image-based light (EXT_lights_image_based) and lamps (KHR_lights_punctual)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.export.lit_scene import LitScene, level_and_colour
from envmap_inverse.images.png import encode_png
from envmap_inverse.lights.harmonics import spherical_harmonics
from envmap_inverse.lights.lamps import Lamp
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.latlong import resample, texel_directions, texel_solid_angles
from envmap_inverse.sphere.projections import Latlong
from envmap_inverse.system.strict_json import to_json

__all__ = ["gltf_files"]

Array = NDArray[np.float64]

SIZES = 128, 64, 32, 16
"""Pixels of a face, by level; the roughness grows from 0 to 1."""

GRID = 64, 128
"""Rows and columns of the map that rough levels are means of."""

RANGE = 255.0
"""Largest value of RGBD."""

GAMMA = 2.2
CHUNK = 1024

FACES = ("px", "nx", "py", "ny", "pz", "nz")


def gltf_files(light: Light, path: Path) -> dict[Path, bytes]:
    """The file, with all images in it.

    glTF's axes are those of the map. Lamps shine along the -Z of their nodes; their intensity, in
    glTF lux, is the irradiance of a surface that faces them.

    The extension's text leaves open which way faces and harmonics are turned. They are as
    Babylon.js, by its authors, reads them in its default axes, (-x, y, z): faces are those of a
    cube map in these axes with the lowest row first, harmonics have y negated.
    """
    scene = LitScene(light=light)
    images = [
        {"name": f"{face}_{level}", "mimeType": "image/png", "uri": _uri(_rgbd(picture))}
        for level, size in enumerate(SIZES)
        for face, picture in zip(FACES, _faces(scene.texels, level, size), strict=True)
    ]
    places = [[6 * level + face for face in range(6)] for level in range(len(SIZES))]
    harmonics = spherical_harmonics(scene.texels, 2).turned(np.diag([1.0, -1, 1]))
    image_light = {
        "name": "light",
        "intensity": 1.0,
        "irradianceCoefficients": harmonics.irradiance_coefficients.tolist(),
        "specularImageSize": SIZES[0],
        "specularImages": places,
    }
    lamps = [_lamp(number, lamp) for number, lamp in enumerate(scene.lamps)]
    extensions: dict[str, Any] = {"EXT_lights_image_based": {"lights": [image_light]}}
    if lamps:
        extensions["KHR_lights_punctual"] = {"lights": lamps}
    content: dict[str, Any] = {
        "asset": {"version": "2.0", "generator": "envmap-inverse"},
        "extensionsUsed": list(extensions),
        "extensions": extensions,
        "images": images,
        "scene": 0,
        "scenes": [{"extensions": {"EXT_lights_image_based": {"light": 0}}}],
    }
    if lamps:
        content["nodes"] = [_node(number, lamp) for number, lamp in enumerate(scene.lamps)]
        content["scenes"][0]["nodes"] = list(range(len(lamps)))
    return {path: f"{to_json(content)}\n".encode()}


def _lamp(number: int, lamp: Lamp) -> dict[str, Any]:
    level, colour = level_and_colour(lamp.irradiance)
    return {"name": f"lamp {number}", "type": "directional", "color": colour, "intensity": level}


def _node(number: int, lamp: Lamp) -> dict[str, Any]:
    """A node whose +z points to the lamp: the quaternion halfway between both."""
    x, y, z = (float(part) for part in lamp.direction)
    half = np.array([-y, x, 0.0, 1 + z]) if z > -1 + 1e-9 else np.array([1.0, 0, 0, 0])
    return {
        "name": f"lamp {number}",
        "rotation": (half / np.linalg.norm(half)).tolist(),
        "extensions": {"KHR_lights_punctual": {"light": number}},
    }


def _faces(texels: NDArray[np.float32], level: int, size: int) -> Iterator[Array]:
    """The six faces of a level, each (size, size, 3), as seen from inside."""
    roughness = level / (len(SIZES) - 1)
    for directions in _directions(size):
        yield _filtered(texels, directions.reshape(-1, 3), roughness).reshape(size, size, 3)


def _directions(size: int) -> list[Array]:
    """Directions of the pixels of each face, in the order of `FACES`."""
    place = (np.arange(size) + 0.5) / size * 2 - 1
    s, t = np.meshgrid(place, place)
    one = np.ones_like(s)
    faces = [
        *((-one, t, -s), (one, t, s)),
        *((-s, one, -t), (-s, -one, t)),
        *((-s, t, one), (s, t, -one)),
    ]
    vectors = [np.stack(face, axis=-1) for face in faces]
    return [each / np.linalg.norm(each, axis=-1, keepdims=True) for each in vectors]


def _filtered(texels: NDArray[np.float32], directions: Array, roughness: float) -> Array:
    """Means of the light around directions, by the lobe of a rough mirror seen from there.

    A roughness of 0 gives the map itself.

    The GGX distribution of half vectors with alpha = roughness^2, times the cosine (Karis 2013,
    "Real Shading in Unreal Engine 4", whose `PrefilterEnvMap` draws samples of it).
    """
    if roughness == 0:
        height, width, _ = texels.shape
        whole = Latlong(height, width, rows="corner", offset=0.0)
        return np.asarray(whole.look_up(texels)(directions))
    coarse = resample(texels, *GRID).reshape(-1, 3)
    sources = texel_directions(*GRID).reshape(-1, 3).astype(np.float32)
    areas = texel_solid_angles(*GRID).reshape(-1).astype(np.float32)
    alpha = roughness**2
    found = np.empty((len(directions), 3))
    for start in range(0, len(directions), CHUNK):
        cosines = directions[start : start + CHUNK].astype(np.float32) @ sources.T
        half = (1 + cosines) / 2  # the squared cosine of the half vector
        lobes = np.maximum(cosines, 0) / (half * np.float32(alpha**2 - 1) + 1) ** 2 * areas
        found[start : start + CHUNK] = lobes @ coarse / lobes.sum(axis=1, keepdims=True)
    return found


def _rgbd(picture: Array) -> NDArray[np.uint8]:
    """Colours whose alpha divides them, gamma-encoded, shape (h, w, 4)."""
    largest = np.maximum(picture.max(axis=2, keepdims=True), 1e-6)
    divisor = np.clip(np.floor(RANGE / np.maximum(largest, 1)), 1, 255) / 255
    colours = np.clip(picture * divisor, 0, 1) ** (1 / GAMMA)
    encoded = np.concatenate([colours, divisor], axis=2)
    return np.asarray(np.rint(255 * encoded), np.uint8)


def _uri(image: NDArray[np.uint8]) -> str:
    return f"data:image/png;base64,{base64.b64encode(encode_png(image)).decode()}"
