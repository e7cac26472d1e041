"""The recorded transport renders, in expectation, what the scene's integrator renders."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from z_test import look_up_rounding

import envmap_inverse as ei
from envmap_inverse.backend import mi

pytestmark = pytest.mark.slow

Images = NDArray[np.floating]
Differ = Callable[..., bool]
MakeMap = Callable[..., NDArray[np.float32]]
MakeScene = Callable[..., ei.Scene]

NUM_RUNS = 16
SPP = 128

DIFFUSE = {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.8, 0.5, 0.3]}}
WHITE = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.95}}
BSDFS: dict[str, dict[str, Any]] = {
    "diffuse": DIFFUSE,
    "red": {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.9, 0, 0]}},
    "conductor": {"type": "conductor", "material": "Cu"},
    "roughconductor": {"type": "roughconductor", "material": "Cu", "alpha": 0.3},
    "dielectric": {"type": "dielectric"},
    "roughdielectric": {"type": "roughdielectric", "alpha": 0.2},
    "plastic": {"type": "plastic"},
    "roughplastic": {"type": "roughplastic"},
    "principled": {"type": "principled", "metallic": 0.3, "roughness": 0.4, "specular": 0.6},
    "mask": {"type": "mask", "opacity": 0.4, "nested": DIFFUSE},
    "textured": {"type": "diffuse", "reflectance": {"type": "checkerboard"}},
}


@pytest.fixture(scope="session")
def build(
    scene_dict: Callable[..., dict[str, Any]], random_map: MakeMap
) -> Callable[..., ei.Scene]:
    """Makes scenes of two spheres and an uneven map, on a film of 10 x 8 pixels."""
    texels = np.exp(2 * random_map(9, 16) - 2)

    def make(
        *,
        bsdf: dict[str, Any] = DIFFUSE,
        sensor: dict[str, Any] | None = None,
        envmap: dict[str, Any] | None = None,
        integrator: dict[str, Any] | None = None,
        **more: Any,
    ) -> ei.Scene:
        made = scene_dict(
            size=(10, 8),
            texels=texels,
            integrator={"type": "path", "max_depth": 6, **(integrator or {})},
            **more,
        )
        made["my_envmap"].update(envmap or {})
        made["sensor0"].update(sensor or {})
        for name in ("large", "small"):
            if name not in more:
                made[name]["bsdf"] = bsdf
        return ei.load_scene(made)

    return make


def with_means(images: list[Images]) -> Images:
    """A row per picture: its values and the means of its channels, which are less noisy."""
    stack = np.stack(images).reshape(len(images), -1, 3)
    means = stack.mean(axis=1, keepdims=True)
    return np.concatenate([stack, means], axis=1).reshape(len(images), -1)


def predictions(scene: ei.Scene, texels: NDArray[np.float32] | None = None) -> Images:
    used = scene.envmap.texels if texels is None else texels
    images = []
    for seed in range(NUM_RUNS):
        transport = ei.LightTransport.record(scene, spp=SPP, seed=seed)
        images.append(transport.matvec(used.reshape(-1, 3)) + transport.offset)
    return with_means(images)


def renderings(scene: ei.Scene) -> Images:
    return with_means([ei.render(scene, spp=SPP, seed=1000 + k) for k in range(NUM_RUNS)])


@pytest.mark.parametrize("name", list(BSDFS))
def test_a_material_is_lit_as_it_is_rendered(
    build: Callable[..., ei.Scene], differ: Differ, name: str
) -> None:
    scene = build(bsdf=BSDFS[name])
    assert not differ(predictions(scene), renderings(scene))


def test_both_sides_of_a_two_sided_material_are_lit_as_they_are_rendered(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    quads = {
        name: {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f()
            .translate([x, 0, 0])
            .rotate([0, 1, 0], degrees)
            .scale(0.7),
            "bsdf": {"type": "twosided", "nested": DIFFUSE},
        }
        for name, x, degrees in (("large", -0.7, 40), ("small", 0.7, 140))
    }
    scene = build(**quads)
    assert not differ(predictions(scene), renderings(scene))


@pytest.mark.parametrize(
    "film",
    [
        {"rfilter": {"type": "tent"}},
        {"rfilter": {"type": "gaussian"}},
        {"rfilter": {"type": "mitchell"}},
        {"rfilter": {"type": "gaussian"}, "sample_border": True},
    ],
    ids=["tent", "gaussian", "mitchell", "gaussian with a border"],
)
def test_pixels_are_reconstructed_as_by_the_film(
    build: Callable[..., ei.Scene], differ: Differ, film: dict[str, Any]
) -> None:
    scene = build(film=film)
    assert not differ(predictions(scene), renderings(scene))


def test_a_crop_window_sees_its_part_of_the_film(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    crop = {"crop_offset_x": 5, "crop_offset_y": 7, "crop_width": 10, "crop_height": 8}
    scene = build(film={"width": 22, "height": 20, "rfilter": {"type": "gaussian"}, **crop})
    assert not differ(predictions(scene), renderings(scene))


@pytest.mark.parametrize(
    "integrator",
    [
        {"max_depth": 0},
        {"max_depth": 1},
        {"max_depth": 2},
        {"type": "prb", "max_depth": 3},
        {"type": "prb", "max_depth": 0},
        {"type": "prb_basic", "max_depth": 3},
        {"max_depth": -1},
        {"max_depth": -1, "rr_depth": 1},
        {"hide_emitters": True},
    ],
    ids=str,
)
def test_paths_end_as_in_the_integrator(
    build: Callable[..., ei.Scene], differ: Differ, integrator: dict[str, Any]
) -> None:
    scene = build(integrator=integrator)
    assert not differ(predictions(scene), renderings(scene))


def test_russian_roulette_spares_paths_of_negative_weight(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    """The Mitchell filter has them; a floor makes that many paths are long."""
    floor = {
        "type": "rectangle",
        "to_world": mi.ScalarTransform4f().translate([0, -1, 0]).rotate([1, 0, 0], -90).scale(4),
        "bsdf": WHITE,
    }
    integrator, film = {"max_depth": -1, "rr_depth": 1}, {"rfilter": {"type": "mitchell"}}
    scene = build(bsdf=WHITE, floor=floor, integrator=integrator, film=film)
    assert not differ(predictions(scene), renderings(scene))


@pytest.mark.parametrize(
    "samples", [{}, {"emitter_samples": 0, "bsdf_samples": 1}, {"shading_samples": 3}], ids=str
)
def test_the_direct_integrator_is_a_path_of_two_segments(
    scene_dict: Callable[..., dict[str, Any]], differ: Differ, samples: dict[str, int]
) -> None:
    integrator = {"type": "direct", **samples}
    scene = ei.load_scene(scene_dict("diffuse", size=(10, 8), integrator=integrator))
    assert not differ(predictions(scene), renderings(scene))


NULLS = {
    "null": {"type": "null"},
    "thindielectric": {"type": "thindielectric"},
    "leaf": {"type": "mask", "opacity": 0.4, "nested": {"type": "conductor"}},
}


@pytest.mark.parametrize(
    ("kind", "hide_emitters"),
    [("path", True), ("prb", True), ("direct", True), ("volpath", True), ("volpath", False)],
)
def test_what_is_seen_through_null_events_is_shown_as_the_integrator_shows_it(
    build: Callable[..., ei.Scene], differ: Differ, kind: str, hide_emitters: bool
) -> None:
    """A window, a leaf and nothing in front of a diffuse sphere and of the map."""
    panes = {
        name: {
            "type": "rectangle",
            "to_world": mi.ScalarTransform4f().translate([x, 0, 1.6]).scale([0.3, 0.9, 1]),
            "bsdf": bsdf,
        }
        for x, (name, bsdf) in zip((-0.8, 0, 0.8), NULLS.items(), strict=True)
    }
    depth = {} if kind == "direct" else {"max_depth": 4}
    made = build(**panes)
    integrator = mi.load_dict({"type": kind, "hide_emitters": hide_emitters, **depth})
    scene = ei.Scene(with_integrator(made.mi_scene, integrator))
    assert not differ(predictions(scene), renderings(scene))


def with_integrator(mi_scene: Any, integrator: Any) -> Any:
    """A Mitsuba scene of the same parts."""
    parts = [*mi_scene.shapes(), *mi_scene.sensors(), mi_scene.environment(), integrator]
    return mi.load_dict({"type": "scene", **{f"part{k}": part for k, part in enumerate(parts)}})


LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


@pytest.mark.parametrize("hide_emitters", [False, True])
def test_the_light_of_a_lamp_is_in_the_offset(
    build: Callable[..., ei.Scene], differ: Differ, hide_emitters: bool
) -> None:
    scene = build(lamp=LAMP, integrator={"hide_emitters": hide_emitters})
    assert not differ(predictions(scene), renderings(scene))


def test_the_map_has_the_scale_and_the_turn_of_the_scene(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    to_world = mi.ScalarTransform4f().rotate([0.6, 0.8, 0], 70)
    scene = build(envmap={"scale": 2.5, "to_world": to_world})
    assert not differ(predictions(scene), renderings(scene))


def test_a_mirrored_map_lights_as_it_is_rendered(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    scene = build(envmap={"to_world": mi.ScalarTransform4f().scale([-1, 1, 1])})
    assert not differ(predictions(scene), renderings(scene))


@pytest.mark.parametrize("matrix", ["scale", "long axis"])
def test_mirrors_show_a_map_that_is_not_merely_turned_as_they_are_rendered(
    build: Callable[..., ei.Scene], differ: Differ, matrix: str
) -> None:
    transform = mi.ScalarTransform4f()
    turn = transform.scale([1, 2, 1]) if matrix == "scale" else transform.rotate([1, 1, 0], 40)
    scene = build(bsdf=BSDFS["conductor"], envmap={"to_world": turn})
    assert not differ(predictions(scene), renderings(scene))


def test_an_orthographic_sensor_sees_what_it_renders(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    film = {"type": "hdrfilm", "width": 10, "height": 8, "rfilter": {"type": "box"}}
    look_at = mi.ScalarTransform4f().look_at([0.5, 0.4, 4], [0, 0, 0], [0, 1, 0])
    sensor = {"type": "orthographic", "to_world": look_at.scale(1.5), "film": film}
    scene = build(sensor0=sensor)
    # Pixels beside the spheres see the map in one direction, without noise: on a GPU they have the
    # error of one look-up, which elsewhere averages out.
    on_gpu = str(mi.variant()).startswith("cuda")
    rounding = look_up_rounding(scene.envmap.texels) if on_gpu else 0
    assert not differ(predictions(scene), renderings(scene), rounding=rounding)


def test_a_thin_lens_sees_what_it_renders(build: Callable[..., ei.Scene], differ: Differ) -> None:
    lens = {"type": "thinlens", "aperture_radius": 0.3, "focus_distance": 4.0}
    scene = build(sensor=lens)
    assert not differ(predictions(scene), renderings(scene))


def test_a_map_brighter_by_two_percent_differs(
    build: Callable[..., ei.Scene], differ: Differ
) -> None:
    scene = build()
    brighter = np.float32(1.02) * scene.envmap.texels
    assert differ(predictions(scene, brighter), renderings(scene))


def test_a_map_turned_by_one_column_differs(build: Callable[..., ei.Scene], differ: Differ) -> None:
    scene = build()
    turned = np.roll(scene.envmap.texels, 1, axis=1)
    assert differ(predictions(scene, turned), renderings(scene))
