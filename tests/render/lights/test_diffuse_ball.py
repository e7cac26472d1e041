"""Irradiance from harmonics, against renderings of a diffuse ball."""

from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.bundled import map_file

SIZE = 16
SIDES = [(0, 1, 3), (3, -1, 0), (0, 1, -3), (-3, -1, 0)]
POINT = 0.144
"""Root mean square error of order 2 under a point light, over the mean: 1 / sqrt(48)."""


@pytest.fixture(scope="module")
def balls() -> ei.Scene:
    """A diffuse ball of reflectance 1, seen from four sides, without perspective."""
    backend.select_variant()
    from envmap_inverse.backend import mi

    described: dict[str, object] = {
        "type": "scene",
        "integrator": {"type": "direct"},
        "ball": {"type": "sphere", "bsdf": {"type": "diffuse", "reflectance": 1.0}},
        "light": {"type": "envmap", "bitmap": mi.Bitmap(np.ones((125, 250, 3), np.float32))},
    }
    for number, origin in enumerate(SIDES):
        described[f"camera{number}"] = {
            "type": "perspective",
            "fov": 30,
            "to_world": mi.ScalarTransform4f().look_at(origin, [0, 0, 0], [0, 1, 0]),
            "film": {"type": "hdrfilm", "width": SIZE, "height": SIZE, "rfilter": {"type": "box"}},
        }
    return ei.load_scene(described)


def normals_and_light(scene: ei.Scene, sensor: int, spp: int) -> tuple[np.ndarray, ...]:
    """Normals of the pixels that the ball fills, and their radiance from two seeds."""
    from envmap_inverse.backend import mi

    look = mi.load_dict({"type": "aov", "aovs": "normal:sh_normal"})
    seen = mi.render(scene.mi_scene, integrator=look, sensor=sensor, spp=256)
    normals = np.array(seen)[:, :, -3:]
    lengths = np.linalg.norm(normals, axis=2)
    fills = lengths > 0.98
    first, second = (ei.render(scene, spp=spp, seed=seed, sensor=sensor)[fills] for seed in (1, 2))
    return normals[fills] / lengths[fills][:, None], first, second


def relative_error(scene: ei.Scene, texels: np.ndarray, order: int, spp: int = 512) -> float:
    """Root mean square error over the mean, all normals alike.

    The noise of the two renderings is independent. A pixel that sees the ball at an angle stands
    for more normals.
    """
    scene.set_envmap(texels)
    harmonics = ei.spherical_harmonics(texels, order)
    products, means, weights = [], [], []
    for sensor, side in enumerate(SIDES):
        normals, first, second = normals_and_light(scene, sensor, spp)
        predicted = harmonics.irradiance(normals) / np.pi
        products.append((predicted - first) * (predicted - second))
        means.append((first + second) / 2)
        cosines = normals @ np.array(side) / np.linalg.norm(side)
        weights.append(np.repeat(1 / np.maximum(cosines[:, None], 0.15), 3, axis=1))
    square, mean = (
        np.average(np.concatenate(values), weights=np.concatenate(weights))
        for values in (products, means)
    )
    return float(np.sqrt(square) / mean)


@pytest.mark.parametrize("name", ["museum", "windows", "lamps"])
def test_order_2_lights_a_diffuse_ball_within_3_percent(balls: ei.Scene, name: str) -> None:
    assert relative_error(balls, ei.read_image(map_file(name)), 2) < 0.03


def test_a_sun_needs_more_than_order_2(balls: ei.Scene) -> None:
    """It has half of the light, and half of a point light's error is what order 2 leaves."""
    sun = ei.read_image(map_file("sun"))
    share = ei.find_lamps(sun).lamps[0].share
    assert relative_error(balls, sun, 2) == pytest.approx(POINT * share, rel=0.1)
    assert relative_error(balls, sun, 8) < 0.03
