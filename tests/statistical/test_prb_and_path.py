"""Differences between Mitsuba's `prb` and `path`, which it replaces in Adam.

`tests/conformance` finds no other place: there each plugin's picture by Adam is that of `path`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.scene.integrators import gradient_integrator

pytestmark = pytest.mark.slow

Differ = Callable[[NDArray[np.floating], NDArray[np.floating]], bool]
MakeScene = Callable[..., ei.Scene]

DIFFUSE = {"type": "diffuse"}
MATERIALS: dict[str, dict[str, Any]] = {
    "thindielectric": {"type": "thindielectric"},
    "mask": {"type": "mask", "opacity": 0.4, "nested": DIFFUSE},
    "blend": {"type": "blendbsdf", "weight": 0.5, "a": DIFFUSE, "b": {"type": "null"}},
}
HIDING = {"type": "path", "max_depth": 4, "hide_emitters": True}


def stacks(scene: ei.Scene, integrator: dict[str, Any]) -> list[NDArray[np.float32]]:
    """Pictures by the scene's own integrator, and by another one."""
    return [
        np.stack([ei.render(scene, spp=128, seed=seed, integrator=chosen) for seed in seeds])
        for chosen, seeds in ((None, range(8)), (integrator, range(8, 16)))
    ]


@pytest.mark.parametrize("name", MATERIALS)
def test_only_path_hides_the_map_behind_null_events_and_adam_keeps_it(
    make_scene: MakeScene, differ: Differ, name: str
) -> None:
    pane = {"type": "rectangle", "bsdf": MATERIALS[name]}
    scene = make_scene("diffuse", pane=pane, integrator=HIDING)
    assert differ(*stacks(scene, {**HIDING, "type": "prb"}))
    assert gradient_integrator(scene) is scene.mi_scene.integrator()


@pytest.mark.parametrize("name", MATERIALS)
def test_with_the_map_in_sight_they_are_the_same(
    make_scene: MakeScene, differ: Differ, name: str
) -> None:
    showing = {**HIDING, "hide_emitters": False}
    pane = {"type": "rectangle", "bsdf": MATERIALS[name]}
    scene = make_scene("diffuse", pane=pane, integrator=showing)
    assert not differ(*stacks(scene, {**showing, "type": "prb"}))
    assert gradient_integrator(scene) is not scene.mi_scene.integrator()


@pytest.mark.parametrize(
    "numbers",
    [{"max_depth": 1}, {"max_depth": -1, "rr_depth": 1}],
    ids=str,
)
def test_their_paths_end_alike(
    make_scene: MakeScene, differ: Differ, numbers: dict[str, int]
) -> None:
    scene = make_scene("diffuse", integrator={"type": "path", **numbers})
    assert not differ(*stacks(scene, {"type": "prb", **numbers}))


def test_only_path_of_no_segments_is_black_and_adam_keeps_it(make_scene: MakeScene) -> None:
    scene = make_scene("diffuse", integrator={"type": "path", "max_depth": 0})
    assert ei.render(scene).max() == 0
    assert ei.render(scene, integrator={"type": "prb", "max_depth": 0}).max() > 0
    assert gradient_integrator(scene) is scene.mi_scene.integrator()


def test_adam_keeps_path_where_prb_cannot_differentiate_an_emitter(make_scene: MakeScene) -> None:
    light = {"type": "directionalarea", "radiance": 1.0}
    scene = make_scene("diffuse", lamp={"type": "rectangle", "emitter": light})
    assert gradient_integrator(scene) is scene.mi_scene.integrator()
