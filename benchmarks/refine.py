"""Scenes whose camera, shape or material is a little wrong, and what `Refine` finds of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import Case, bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.adjusting import (
    AdjustedCamera,
    AdjustedMaterial,
    AdjustedShape,
    materials_of,
)

SIZE = 128
PIXELS, ROLL, ZOOM = (2.5, 1.7), 0.5, 1.02
"""Pixels up and sideways (3 in all), degrees about the line of sight, factor on the view."""

MOVE = (0.01, -0.01, 0.007)
"""Of the shape, as shares of its size."""

GAINS = (0.95, 0.85, 0.8)

CASES = (
    ("camera and fov", "mirror", "museum"),
    ("camera and fov", "rough", "museum"),
    ("camera and fov", "plastic", "museum"),
    ("camera and fov", "mirror", "sun"),
    ("place of the shape", "mirror", "museum"),
    ("place of the shape", "rough", "museum"),
    ("gain", "mirror", "museum"),
    ("gain", "rough", "museum"),
    ("gain", "plastic", "museum"),
)
QUICK = (CASES[0], CASES[4])
CHOICES = {
    "camera and fov": ei.Refine(camera=True, fov=True),
    "place of the shape": ei.Refine(pose=True),
    "gain": ei.Refine(gain=True),
}


def refine(settings: Settings) -> Table:
    """How far what is found is from the truth, and the map with it."""
    return Table(
        name="refine",
        title="Scenes that are a little wrong",
        note="The bunny, 128 x 128, pictures of 256 samples per pixel. The camera is turned by 3 "
        "pixels and by 0.5 degrees about its line of sight, with 2 % more field of view; or the "
        "bunny is moved by 1 % of its size in each axis; or its reflectance is 0.95, 0.85 and 0.8 "
        "times the given one. Errors are the largest of the numbers' (pixels: of pitch and yaw, "
        "or of the place in the picture's plane), and `sd` says how many of their deviations the "
        "worst one is off.",
        columns={
            "off": "",
            "material": "",
            "map": "",
            "seconds": ".0f",
            "error: pixels": "",
            "degrees": "",
            "percent": "",
            "sd": ".1f",
            "log RMSE: given": ".3f",
            "refined": ".3f",
            "exact": ".3f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    for kind, material, light in settings.pick(QUICK, CASES):
        case = bundled_case(settings.film(SIZE), material=material, light=light)
        image, true = _off(case, kind)
        exact = _error(case, image, kind, true)
        given = _error(case, image, kind, None)
        begun = time.perf_counter()
        result = ei.estimate(case.scene, image, refine=CHOICES[kind])
        seconds = time.perf_counter() - begun
        errors = _errors(case, kind, result, true)
        worst = max(
            abs(number.after - value) / number.deviation
            for number, value in zip(result.refined.values(), true, strict=True)
        )
        refined = log_rmse(result.texels, case.truth)
        yield kind, material, light, seconds, *errors, worst, given, refined, exact


def _parts(case: Case) -> tuple[AdjustedCamera, AdjustedShape, AdjustedMaterial]:
    material = next(iter(materials_of(case.scene)))
    return (
        AdjustedCamera(case.scene, 0),
        AdjustedShape(case.scene, "bunny"),
        AdjustedMaterial(case.scene, material),
    )


def _off(case: Case, kind: str) -> tuple[NDArray[np.float32], list[float]]:
    """A picture of a scene that is not the given one, and the true values of the numbers."""
    camera, shape, _ = _parts(case)
    fov = camera.fov or 0.0
    true = {
        "camera and fov": [*np.multiply(PIXELS, _pixel(case, fov)).tolist(), ROLL, ZOOM * fov],
        "place of the shape": np.multiply(MOVE, shape.size).tolist(),
        "gain": list(GAINS),
    }[kind]
    with _being(case, kind, true):
        return ei.render(case.scene, spp=256, seed=54321), true


@contextmanager
def _being(case: Case, kind: str, true: list[float] | None) -> Iterator[None]:
    """Set the scene to its true numbers, and back at the end; None leaves it as it is given."""
    camera, shape, material = _parts(case)
    if true is not None:
        if kind == "camera and fov":
            camera.place(true[:3], np.zeros(3))
            camera.zoom(true[3])
        elif kind == "gain":
            material.colour(true)
        else:
            shape.place(np.zeros(3), true)
    yield
    camera.place(np.zeros(3), np.zeros(3))
    camera.zoom(camera.fov or 0.0)
    shape.place(np.zeros(3), np.zeros(3))
    material.colour(np.ones(material.num_channels))


def _error(case: Case, image: NDArray[np.float32], kind: str, true: list[float] | None) -> float:
    """Log RMSE of the map, with the scene as it is given, or as it truly is."""
    with _being(case, kind, true):
        return log_rmse(ei.estimate(case.scene, image).texels, case.truth)


def _errors(case: Case, kind: str, result: ei.Estimate, true: list[float]) -> tuple[str, str, str]:
    """Pixels, degrees and percent by which the numbers are off."""
    off = [
        abs(number.after - value)
        for number, value in zip(result.refined.values(), true, strict=True)
    ]
    if kind == "gain":
        shares = [error / value for error, value in zip(off, true, strict=True)]
        return "", "", f"{100 * max(shares):.2f}"
    camera, shape, _ = _parts(case)
    pixel = _pixel(case, true[3] / ZOOM if kind == "camera and fov" else camera.fov or 0.0)
    if kind == "camera and fov":
        return f"{max(off[:2]) / pixel:.3f}", f"{off[2]:.3f}", f"{100 * off[3] / true[3]:.3f}"
    distance = float(np.linalg.norm(camera.position - shape.centre))
    pixels = np.degrees(max(off[:2]) / distance) / pixel
    return f"{pixels:.3f}", "", f"{100 * max(off) / shape.size:.3f}"


def _pixel(case: Case, fov: float) -> float:
    """Degrees of a pixel in the middle of the picture."""
    return float(np.degrees(2 * np.tan(np.radians(fov) / 2)) / case.scene.film_size()[0])
