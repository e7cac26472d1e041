"""Irradiance from harmonics, against renderings of a diffuse ball."""

from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.bundled import map_file

SIZE = 16


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
    for number, origin in enumerate([(0, 1, 3), (3, -1, 0), (0, 1, -3), (-3, -1, 0)]):
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
    """Root mean square error over the mean. The noise of the two renderings is independent."""
    scene.set_envmap(texels)
    harmonics = ei.spherical_harmonics(texels, order)
    products, means = [], []
    for sensor in range(4):
        normals, first, second = normals_and_light(scene, sensor, spp)
        predicted = harmonics.irradiance(normals) / np.pi
        products.append((predicted - first) * (predicted - second))
        means.append((first + second) / 2)
    return float(np.sqrt(np.concatenate(products).mean()) / np.concatenate(means).mean())


@pytest.mark.parametrize(("name", "bound"), [("museum", 0.03), ("windows", 0.03), ("lamps", 0.04)])
def test_order_2_lights_a_diffuse_ball(balls: ei.Scene, name: str, bound: float) -> None:
    assert relative_error(balls, ei.read_image(map_file(name)), 2) < bound


def test_a_sun_needs_more_than_order_2(balls: ei.Scene) -> None:
    sun = ei.read_image(map_file("sun"))
    assert 0.03 < relative_error(balls, sun, 2) < 0.08
    assert relative_error(balls, sun, 8) < 0.03
