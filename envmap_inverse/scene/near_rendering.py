"""Render scenes whose light is near, which Mitsuba's maps are not: by BSDF sampling alone."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.scene.integrators import path_settings
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.tracing import PathTracer

__all__ = ["near_light"]

MAX_PATHS = 2**21


def near_light(
    scene: Scene, texels: NDArray[np.float32], spp: int, seed: int, sensor: int
) -> NDArray[np.float32]:
    """What the map adds to an image, shape (h, w, 3).

    Args:
        scene: has surroundings.
        texels: of the map, shape (H, W, 3).
        spp: paths per pixel.
        seed: of the paths.
        sensor: index of the sensor.

    Raises:
        InputError: if the scene's integrator is no path tracer.
    """
    tracer = PathTracer(scene, path_settings(scene), sensor, spp, seed)
    pixels = np.arange(tracer.width * tracer.height, dtype=np.uint32)
    light, width = texels.reshape(-1, 3), texels.shape[1]
    count = -(-len(pixels) * spp // MAX_PATHS)
    rows = []
    for part in np.array_split(pixels, count):
        paths = tracer.trace(part)
        places, weights = paths.footprint(width)
        seen = np.einsum("nkc,nk->nc", light[places], weights) * paths.throughput.T
        rows.append(seen.reshape(len(part), spp, 3).sum(axis=1))
    image = np.concatenate(rows).reshape(tracer.height, tracer.width, 3)
    return np.asarray(image, np.float32)
