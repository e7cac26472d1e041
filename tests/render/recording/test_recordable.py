from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.metrics import sum_of_squared_errors

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]


@pytest.mark.parametrize("spp", [0, -1])
def test_no_paths_are_refused(rough_scene: ei.Scene, spp: int) -> None:
    with pytest.raises(ei.InputError, match=f"spp must be at least 1; found {spp}"):
        ei.LightTransport.record(rough_scene, spp=spp)


def test_no_sensor_is_refused(rough_scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="no sensor to record"):
        ei.LightTransport.record(rough_scene, (), spp=1)


def test_an_unknown_sensor_is_refused(rough_scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="sensor 3"):
        ei.LightTransport.record(rough_scene, (3,), spp=1)


def test_an_integrator_that_cannot_be_recorded_is_left_to_adam(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "ptracer"})
    message = "the integrator ptracer cannot be recorded: it traces from .*; use the Adam optimizer"
    with pytest.raises(ei.InputError, match=message):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize("kind", ["prb_projective", "direct_projective"])
def test_projective_integrators_that_hide_emitters_are_left_to_adam(
    make_scene: MakeScene, kind: str
) -> None:
    scene = make_scene(integrator={"type": kind, "hide_emitters": True})
    with pytest.raises(ei.InputError, match=r"hide the map, not the lamps.*; use the Adam"):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize(
    ("integrator", "message"),
    [
        ({"type": "depth"}, "the integrator depth measures distance, not light"),
        ({"type": "moment"}, "the integrator moment has no integrator for light"),
        ({"type": "aov", "aovs": "depth:depth"}, "the integrator aov has no integrator for light"),
    ],
)
def test_an_integrator_without_a_picture_is_refused_by_all(
    make_scene: MakeScene, integrator: dict[str, Any], message: str
) -> None:
    scene = make_scene(integrator=integrator)
    grey = np.ones((8, 8, 3))
    for act in (
        lambda: ei.render(scene),
        lambda: ei.LightTransport.record(scene),
        lambda: ei.estimate(scene, grey, optimizer=ei.Adam(iterations=1)),
    ):
        with pytest.raises(ei.InputError, match=message) as caught:
            act()
        assert "Adam" not in str(caught.value)


def test_direct_light_without_bsdf_samples_is_left_to_adam(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "direct", "bsdf_samples": 0, "emitter_samples": 1})
    with pytest.raises(ei.InputError, match=r"bsdf_samples=0 .* use bsdf_samples=1; use the Adam"):
        ei.LightTransport.record(scene, spp=1)


MASK = {"type": "mask", "opacity": 0.4, "nested": {"type": "diffuse"}}


def test_a_mask_is_left_to_adam_where_path_hides_emitters(make_scene: MakeScene) -> None:
    leaf = {"type": "rectangle", "bsdf": MASK}
    hidden = make_scene(leaf=leaf, integrator={"type": "path", "hide_emitters": True})
    with pytest.raises(ei.InputError, match=r"path with hide_emitters drops .* prb or volpath"):
        ei.LightTransport.record(hidden, spp=1)
    for integrator in ({"type": "path"}, {"type": "prb", "hide_emitters": True}):
        ei.LightTransport.record(make_scene(leaf=leaf, integrator=integrator), spp=1)


@pytest.mark.parametrize("matrix", ["scale", "long axis"])
def test_a_map_that_is_not_merely_turned_is_left_to_adam_on_rough_materials(
    make_scene: MakeScene, random_map: MakeMap, matrix: str
) -> None:
    transform = mi.ScalarTransform4f()
    turn = transform.scale([1, 2, 1]) if matrix == "scale" else transform.rotate([1, 1, 0], 40)
    emitter = {"type": "envmap", "bitmap": mi.Bitmap(random_map()), "to_world": turn}
    with pytest.raises(ei.InputError, match="to_world of 'my_envmap' is no rotation"):
        ei.LightTransport.record(make_scene("diffuse", my_envmap=emitter), spp=1)
    ei.LightTransport.record(make_scene("mirror", my_envmap=emitter), spp=1)


@pytest.mark.parametrize("side", ["interior", "exterior"])
def test_participating_media_are_left_to_adam(make_scene: MakeScene, side: str) -> None:
    fog = {"type": "homogeneous", "albedo": 0.5}
    cloud = {"type": "sphere", "bsdf": {"type": "null"}, side: fog}
    with pytest.raises(ei.InputError, match=r"participating media .* use the Adam optimizer"):
        ei.LightTransport.record(make_scene(large=cloud), spp=1)


NESTED = {"inner": {"type": "path", "max_depth": 3}}


@pytest.mark.parametrize(
    "integrator",
    [
        *({"type": kind} for kind in ("path", "prb", "direct", "volpath", "volpathmis")),
        *({"type": kind} for kind in ("prbvolpath", "prb_projective", "direct_projective")),
        {"type": "aov", "aovs": "depth:depth", **NESTED},
        {"type": "moment", **NESTED},
        {"type": "moment", "outer": {"type": "aov", "aovs": "depth:depth", **NESTED}},
    ],
    ids=lambda integrator: integrator["type"],
)
def test_integrators_of_paths_are_recorded(
    make_scene: MakeScene, integrator: dict[str, Any]
) -> None:
    scene = make_scene(integrator=integrator)
    transport = ei.LightTransport.record(scene, spp=256)
    found = transport.matvec(scene.envmap.texels.reshape(-1, 3)).reshape(8, 8, 3)
    expected = ei.render(scene, spp=1024)
    assert sum_of_squared_errors(found, expected) < 1e-3 * np.sum(expected**2)


def test_a_path_of_no_segments_sees_nothing(make_scene: MakeScene) -> None:
    scene = make_scene(integrator={"type": "path", "max_depth": 0})
    transport = ei.LightTransport.record(scene, spp=4)
    assert ei.render(scene).max() == 0
    assert transport.coverage.max() == 0


def test_a_film_of_another_colour_space_is_refused(make_scene: MakeScene) -> None:
    """The transport is one of RGB; a film of XYZ would be compared channel by channel."""
    scene = make_scene(film={"pixel_format": "xyz"})
    with pytest.raises(ei.InputError, match="pixel_format"):
        ei.LightTransport.record(scene, spp=1)


@pytest.mark.parametrize("pixel_format", ["rgb", "rgba"])
def test_a_film_of_rgb_is_recorded_with_or_without_alpha(
    make_scene: MakeScene, pixel_format: str
) -> None:
    scene = make_scene(film={"pixel_format": pixel_format})
    assert ei.LightTransport.record(scene, spp=1).shape == (64, 8 * 16)
