"""The cases that are measured, and the methods that solve them, each a function of a case."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.peer import plain_loop
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.images import read_image

LOOP = "plain loop"


@dataclass(frozen=True, kw_only=True)
class Case:
    """Pictures of a scene.

    Attributes:
        scene: its sensor k took `references[k]`.
        truth: the map that lit it, texels (H, W, 3).
        references: images (h, w, 3).
    """

    scene: ei.Scene
    truth: NDArray[np.float32]
    references: list[NDArray[np.float32]]


Method = Callable[[Case], NDArray[Any]]
"""Recovers texels (H, W, 3)."""


def bundled_case(
    size: int,
    *,
    model: str = "bunny",
    material: str = "mirror",
    light: str = "museum",
) -> Case:
    """A bundled scene with a square film, seen once at 16 spp."""
    scene = bundled_scene(model, material)
    scene.set_film_size(size)
    return lit_case(scene, read_image(map_file(light)))


def lit_case(scene: ei.Scene, truth: NDArray[np.float32]) -> Case:
    """Render all sensors of a scene under a map of any resolution, at 16 spp."""
    scene.envmap.write(truth)
    references = [ei.render(scene, spp=16, seed=12345, sensor=k) for k in range(scene.num_sensors)]
    return Case(scene=scene, truth=truth, references=references)


def ours(optimizer: ei.Adam | ei.Transport) -> Method:
    """`estimate` with an optimizer."""
    return lambda case: estimate(case, optimizer).texels


def estimate(case: Case, optimizer: ei.Adam | ei.Transport) -> ei.Estimate:
    """Our solution of a case."""
    views = [ei.View(image, sensor=k) for k, image in enumerate(case.references)]
    return ei.estimate(case.scene, views, optimizer=optimizer)


def loop(iterations: int, spp: int = 1) -> Method:
    """The plain loop."""
    return lambda case: plain_loop(case.scene, case.references, iterations, spp)


def usual_methods(iterations: int = 100) -> dict[str, Method]:
    """The plain loop and ours, with so many iterations where there are any."""
    return {
        LOOP: loop(iterations),
        "Adam()": ours(ei.Adam(iterations=iterations)),
        "Adam(recorded_spp=16)": ours(ei.Adam(iterations=iterations, recorded_spp=16)),
        "Transport()": ours(ei.Transport()),
    }
