"""Render what the environment map, or the other emitters, add to the pictures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.rows import in_blocks, means_of_blocks
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import Scene

__all__ = ["light_alone", "other_light"]

OFFSET_SPP = 256


def other_light(
    scene: Scene, sensors: Sequence[int], seed: int, block: int = 1
) -> NDArray[np.float32]:
    """Images lit by everything but the environment map, means of blocks, shape (blocks, 3)."""
    width, height = scene.envmap.resolution
    sizes = [in_blocks(scene.film_size(sensor), block) for sensor in sensors]
    if len(scene.mi_scene.emitters()) == 1:
        return np.broadcast_to(np.float32(0), (sum(w * h for w, h in sizes), 3))
    dark = np.zeros((height, width, 3), np.float32)
    images = {}
    for number, sensor in enumerate(dict.fromkeys(sensors)):
        image = render(scene, dark, spp=OFFSET_SPP, seed=seed + number, sensor=sensor)
        images[sensor] = means_of_blocks(image, block).reshape(-1, 3)
    return np.concatenate([images[sensor] for sensor in sensors])


def light_alone(
    scene: Scene, texels: NDArray[np.float32], sensors: Sequence[int], spp: int, seed: int = 0
) -> NDArray[np.float32]:
    """Images lit by a map alone, shape (pixels, 3).

    Args:
        scene: whose own map is not looked at.
        texels: shape (H, W, 3); may be negative.
        sensors: of the images, which are below each other.
        spp: samples per pixel.
        seed: the same one gives the same random numbers.
    """
    has_others = len(scene.mi_scene.emitters()) > 1
    black, images = np.zeros_like(texels), {}
    for sensor in dict.fromkeys(sensors):
        image = render(scene, texels, spp=spp, seed=seed, sensor=sensor)
        dark = render(scene, black, spp=spp, seed=seed, sensor=sensor) if has_others else 0
        images[sensor] = (image - dark).reshape(-1, 3)
    return np.concatenate([images[sensor] for sensor in sensors])
