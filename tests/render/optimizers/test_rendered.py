"""Comparing samples without films is comparing what `mi.render` makes of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.optimizers.adam import rendered as comparers
from envmap_inverse.optimizers.adam.sources import RenderedGradients
from envmap_inverse.problem.problem import Problem

MakeScene = Callable[..., ei.Scene]


def compared(problem: Problem, spp: int) -> tuple[float, NDArray[Any], NDArray[Any]]:
    """Loss, image and gradient of a map of ones."""
    source = RenderedGradients(problem, spp=spp, seed=3, frozen=False)
    white = mi.Float(np.ones_like(problem.scene.envmap.rgba))
    loss, image, gradient = source.differentiate(5, white, source.load(problem.views))
    return float(loss[0]), image(), np.array(gradient)


def both(problem: Problem, spp: int, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Comparisons without films, and with them."""
    without = compared(problem, spp)
    monkeypatch.setattr(comparers, "_is_boxed", lambda *_: False)
    return zip(without, compared(problem, spp), strict=True)


def test_films_change_no_number(
    make_scene: MakeScene, material: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(material)
    reference = ei.render(scene, spp=4, seed=1)
    problem = Problem.create(scene, reference, loss=ei.RelativeMSE())
    for found, expected in both(problem, 3, monkeypatch):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(
    "film",
    [
        {"crop_offset_x": 2, "crop_offset_y": 1, "crop_width": 5, "crop_height": 4},
        {"pixel_format": "rgba"},
        {"rfilter": {"type": "gaussian"}},
        {"rfilter": {"type": "gaussian"}, "sample_border": True},
    ],
)
def test_no_kind_of_film_changes_a_number(
    make_scene: MakeScene, film: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(film=film)
    problem = Problem.create(scene, ei.render(scene, spp=4, seed=1), loss=ei.MSE())
    for found, expected in both(problem, 2, monkeypatch):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("integrator", ["prb", "prb_basic", "volpath"])
def test_no_integrator_changes_a_number(
    make_scene: MakeScene, integrator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene("rough", integrator={"type": integrator, "max_depth": 3})
    problem = Problem.create(scene, ei.render(scene, spp=4, seed=1), loss=ei.MSE())
    for found, expected in both(problem, 4, monkeypatch):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


def test_views_masks_exposures_and_clipped_values_count_alike(
    make_scene: MakeScene, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene("rough", cameras=((0, 0, 4), (3, 1, -3)))
    views = [
        ei.View(
            np.minimum(ei.render(scene, spp=4, seed=1, sensor=k) * (k + 1), 1),
            sensor=k,
            mask=rng.random((8, 8)),
            exposure=(k + 1, k + 1.5, k + 2),
            white=1.0,
        )
        for k in range(2)
    ]
    problem = Problem.create(scene, views, loss=ei.MSE())
    for found, expected in both(problem, 2, monkeypatch):
        np.testing.assert_allclose(found, expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize(("kind", "is_boxed"), [("box", True), ("gaussian", False)])
def test_only_a_box_filter_needs_no_film(
    make_scene: MakeScene, kind: str, is_boxed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene(film={"rfilter": {"type": kind}})
    problem = Problem.create(scene, np.ones((8, 8, 3), np.float32), loss=ei.MSE())
    films = []
    monkeypatch.setattr(comparers, "_with_films", lambda *_: films.append(kind))
    comparers.comparer(problem)
    assert films == ([] if is_boxed else [kind])


@pytest.mark.parametrize("kind", ["thinlens", "orthographic"])
def test_what_cannot_be_replayed_is_rendered_anew_with_a_word(
    make_scene: MakeScene, kind: str
) -> None:
    to_world = mi.ScalarTransform4f().look_at([0, 0, 4], [0, 0, 0], [0, 1, 0])
    film = {"type": "hdrfilm", "width": 4, "height": 4, "rfilter": {"type": "box"}}
    lens = {"aperture_radius": 0.1, "focus_distance": 4.0, "fov": 40} if kind == "thinlens" else {}
    scene = make_scene(sensor0={"type": kind, "to_world": to_world, "film": film, **lens})
    reference = ei.render(scene, spp=4)
    with pytest.warns(UserWarning, match=r"Dr\.Jit cannot replay the steps of this scene"):
        found = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=3))
    plain = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=3, frozen=False))
    np.testing.assert_allclose(found.texels, plain.texels, rtol=1e-5)
    assert found.history[-1].loss < found.history[0].loss


def test_a_scene_that_prb_cannot_differentiate_is_rendered_with_its_own_integrator(
    make_scene: MakeScene,
) -> None:
    """As long as a directional area light is alive, in another scene, `prb` fails."""
    lamp = {"type": "directionalarea", "radiance": 1.0}
    other = make_scene(lamp={"type": "rectangle", "emitter": lamp})
    scene = make_scene("diffuse")
    reference = ei.render(scene, spp=4)
    with pytest.warns(UserWarning, match="Mitsuba's prb cannot differentiate this scene"):
        found = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=3, frozen=False))
    assert other.envmap.resolution == scene.envmap.resolution
    assert found.history[-1].loss < found.history[0].loss
    assert found.coverage.max() > 0


def test_a_radiancemeter_is_left_to_transport(make_scene: MakeScene) -> None:
    film = {"type": "hdrfilm", "width": 1, "height": 1, "rfilter": {"type": "box"}}
    look = mi.ScalarTransform4f().look_at([0, 0, 4], [0, 0, 0], [0, 1, 0])
    scene = make_scene(sensor0={"type": "radiancemeter", "film": film, "to_world": look})
    reference = np.ones((1, 1, 3))
    with pytest.raises(ei.InputError, match="a radiancemeter cannot be differentiated"):
        ei.estimate(scene, reference, optimizer=ei.Adam(iterations=1))
    ei.LightTransport.record(scene, spp=4)


def test_a_meter_on_a_surface_is_recorded(make_scene: MakeScene) -> None:
    film = {"type": "hdrfilm", "width": 2, "height": 2, "rfilter": {"type": "box"}}
    floor = {"type": "rectangle", "sensor": {"type": "irradiancemeter", "film": film}}
    scene = make_scene(sensor0=floor)
    assert ei.LightTransport.record(scene, spp=4).coverage.max() > 0
