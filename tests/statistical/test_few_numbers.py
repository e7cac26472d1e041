"""A diffuse object shows few numbers of the light: those are a better unknown than its texels."""

from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.sphere.lambert import fibonacci_directions

pytestmark = pytest.mark.slow


def covers(scene: ei.Scene) -> np.ndarray:
    """Pixels that the object fills."""
    look = mi.load_dict({"type": "aov", "aovs": "normal:sh_normal"})
    normals = np.array(mi.render(scene.mi_scene, integrator=look, spp=64))[:, :, -3:]
    return np.asarray(np.linalg.norm(normals, axis=2) > 0.9)


def test_harmonics_relight_another_object_better_than_adams_texels() -> None:
    truth = ei.read_image(map_file("windows"))
    bunny, knot = bundled_scene("bunny", "diffuse"), bundled_scene("knot", "diffuse")
    bunny.set_film_size(64, 0)
    knot.set_film_size(32, 0)
    bunny.set_envmap(truth)
    view = ei.View(ei.render(bunny, spp=64, seed=3), mask=covers(bunny).astype(np.float32))
    knot.set_envmap(truth)
    expected, shown = ei.render(knot, spp=512, seed=9), covers(knot)

    def error(parameterization: ei.Parameterization) -> float:
        adam = ei.Adam(iterations=200, parameterization=parameterization)
        knot.set_envmap(np.maximum(ei.estimate(bunny, view, optimizer=adam).texels, 0))
        difference = (ei.render(knot, spp=512, seed=10) - expected)[shown]
        return float(np.sqrt(np.mean(difference**2)) / expected[shown].mean())

    assert error(ei.SH(order=4)) < 0.8 * error(ei.Direct())


def test_harmonics_light_a_diffuse_ball_better_than_transports_texels() -> None:
    """A ball is convex: only low degrees light it. Root mean square over two maps."""
    bunny = bundled_scene("bunny", "diffuse")
    bunny.set_film_size(64, 0)
    normals = fibonacci_directions(200)
    recording, errors = None, {"SH": [], "Direct": []}
    for name in ("museum", "sun"):
        truth = ei.read_image(map_file(name))
        bunny.set_envmap(truth)
        view = ei.View(ei.render(bunny, spp=64, seed=3), mask=covers(bunny).astype(np.float32))
        expected = ei.spherical_harmonics(truth, 8).irradiance(normals)
        for chosen in (ei.SH(order=4), ei.Direct()):
            optimizer = ei.Transport(parameterization=chosen, recording=recording)
            found = ei.estimate(bunny, view, optimizer=optimizer, keep_transport=True)
            recording = found.transport
            light = ei.spherical_harmonics(found.texels, 8).irradiance(normals)
            error = np.sqrt(np.mean((light - expected) ** 2)) / expected.mean()
            errors[type(chosen).__name__].append(float(error))
    assert np.linalg.norm(errors["SH"]) < 0.5 * np.linalg.norm(errors["Direct"])
