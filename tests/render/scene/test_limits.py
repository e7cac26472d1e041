"""Numbers in a scene that Mitsuba answers by a crash, or by a picture that never ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import mi
from envmap_inverse.scene.limits import LIMITS, MAX_DEPTH, Limit

Make = Callable[..., dict[str, Any]]

KINDS = {"Film": "hdrfilm", "Sampler": "independent"}


def _with(scene_dict: Make, plugin: str, **numbers: Any) -> dict[str, Any]:
    """A scene with a plugin that has these numbers, wherever a plugin of its kind belongs."""
    described = scene_dict(integrator={"type": "path"})
    part = {"type": KINDS.get(plugin, plugin), **numbers}
    sensor = described["sensor0"]
    match plugin:
        case "direct" | "path" | "prb":
            described["integrator"] = part
        case "perspective":
            sensor |= numbers
        case "Film":
            sensor["film"] |= numbers
        case "Sampler":
            sensor["sampler"] = part
        case _:
            sensor["film"]["rfilter"] = part
    return described


def _just_outside(limit: Limit) -> list[float]:
    """The numbers next to a range; Mitsuba itself refuses negative counts."""
    step = 0.01 if limit.plugin in {"gaussian", "tent"} else 1
    return [number for number in (limit.least - step, limit.most + step) if number >= 0]


@pytest.mark.parametrize(
    ("limit", "number"), [(limit, number) for limit in LIMITS for number in _just_outside(limit)]
)
def test_a_number_out_of_its_limits_is_refused(
    scene_dict: Make, limit: Limit, number: float
) -> None:
    described = _with(scene_dict, limit.plugin, **{limit.parameter: number})
    with pytest.raises(ei.InputError, match=rf"its {limit.parameter} must lie from"):
        ei.load_scene(described)


def test_the_place_of_a_refused_number_is_named(scene_file: Path) -> None:
    text = scene_file.read_text().replace(
        '<rfilter type="box"/>', '<rfilter type="tent"><float name="radius" value="-1"/></rfilter>'
    )
    scene_file.write_text(text)
    with pytest.raises(ei.InputError, match=r"scene\.xml \(line 13, col 14\): tent: its radius"):
        ei.load_scene(scene_file)


@pytest.mark.parametrize("number", [np.nan, np.inf])
def test_a_number_that_is_not_finite_is_refused(scene_dict: Make, number: float) -> None:
    with pytest.raises(ei.InputError, match="perspective: its fov is NaN or infinite"):
        ei.load_scene(_with(scene_dict, "perspective", fov=number))


def test_a_camera_whose_matrix_has_no_inverse_is_refused(scene_dict: Make) -> None:
    flat = mi.ScalarTransform4f(np.diag([0.0, 0, 1, 1]))
    with pytest.raises(ei.InputError, match="perspective: its to_world has no inverse"):
        ei.load_scene(_with(scene_dict, "perspective", to_world=flat))


@pytest.mark.parametrize("number", [0, 3])
def test_samples_per_pass_is_left_out_with_a_warning(scene_dict: Make, number: int) -> None:
    described = _with(scene_dict, "path", samples_per_pass=number)
    with pytest.warns(UserWarning, match="path: its samples_per_pass is left out"):
        scene = ei.load_scene(described)
    assert np.isfinite(ei.render(scene, spp=4)).all()


def test_paths_that_chance_does_not_end_get_a_longest_length(scene_dict: Make) -> None:
    described = _with(scene_dict, "path", max_depth=-1, rr_depth=2**31 - 1)
    with pytest.warns(UserWarning, match=f"paths end after {MAX_DEPTH} segments"):
        scene = ei.load_scene(described)
    assert f"max_depth = {MAX_DEPTH}" in str(scene.mi_scene.integrator())


def test_paths_that_chance_ends_keep_their_length(scene_dict: Make) -> None:
    scene = ei.load_scene(_with(scene_dict, "path", max_depth=-1))
    assert f"max_depth = {2**32 - 1}" in str(scene.mi_scene.integrator())


def test_a_misspelt_parameter_is_refused(scene_dict: Make) -> None:
    with pytest.raises(ei.InputError, match=r'unreferenced property.* "path".*"bogus"'):
        ei.load_scene(_with(scene_dict, "path", bogus=1))


@pytest.mark.parametrize(
    "described",
    [
        {"type": "bumpmap", "t": {"type": "checkerboard"}, "inside": {"type": "diffuse"}},
        {"type": "normalmap", "normalmap": {"type": "checkerboard"}, "b": {"type": "diffuse"}},
    ],
    ids=["bumpmap", "normalmap"],
)
def test_a_material_that_mitsuba_cannot_render_is_refused_with_its_reason(
    scene_dict: Make, described: dict[str, Any]
) -> None:
    scene = ei.load_scene(scene_dict(odd={"type": "sphere", "bsdf": described}))
    with pytest.raises(ei.InputError, match=r"cannot render the scene \(.*not implemented"):
        ei.render(scene, spp=1)


def test_a_scene_with_a_parameter_that_has_no_value_has_a_fingerprint(scene_dict: Make) -> None:
    scene = ei.load_scene(scene_dict(head={"type": "sphere", "bsdf": {"type": "hair"}}))
    assert len(scene.fingerprint) == 64


@pytest.mark.parametrize(
    ("integrator", "words"),
    [
        ({"type": "direct", "emitter_samples": 10**6}, "its emitter_samples must lie from 0 to 64"),
        ({"type": "nope"}, 'integrator: .*Plugin "nope" not found'),
        ({"type": "sphere"}, "give a mi.Integrator or its dictionary"),
        ({}, "integrator: "),
        ("path", "integrator: found 'path'; give a mi.Integrator or its dictionary"),
    ],
    ids=str,
)
def test_an_integrator_that_cannot_render_is_refused(
    scene: ei.Scene, integrator: Any, words: str
) -> None:
    with pytest.raises(ei.InputError, match=words):
        ei.render(scene, spp=1, integrator=integrator)
