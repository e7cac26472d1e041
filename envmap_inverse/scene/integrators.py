"""The integrator of a scene: what it is, and with which one to differentiate."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import Any

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.scene import Scene

__all__ = ["PathSettings", "gradient_integrator", "path_settings", "scene_integrator"]


def scene_integrator(scene: Scene) -> Any:
    """The scene's integrator.

    Raises:
        InputError: if it has none.
    """
    integrator = scene.mi_scene.integrator()
    if integrator is None:
        raise InputError('the scene has no integrator; add <integrator type="path"/>')
    return integrator


@dataclass(frozen=True, kw_only=True)
class PathSettings:
    """What `path` and `prb` have in common.

    Attributes:
        max_depth: longest path in segments; -1 for no limit.
        rr_depth: depth from which Russian roulette may end a path.
        hide_emitters: whether emitters are invisible to the sensor.
    """

    max_depth: int
    rr_depth: int
    hide_emitters: bool


def path_settings(scene: Scene) -> PathSettings | None:
    """Settings of the scene's `path`, `prb` or `direct` integrator; None if it is another one."""
    integrator = scene_integrator(scene)
    name = str(integrator).partition("[")[0]
    if name not in {"PathIntegrator", "PRBIntegrator", "BasicPRBIntegrator", "DirectIntegrator"}:
        return None
    numbers = {key: int(n) for key, n in re.findall(r"(\w+_depth) = (-?\d+)", str(integrator))}
    max_depth = numbers.get("max_depth", 2)
    return PathSettings(
        max_depth=-1 if max_depth >= 2**31 else max_depth,
        rr_depth=numbers.get("rr_depth", 5),
        hide_emitters=bool(integrator.hide_emitters),
    )


def gradient_integrator(scene: Scene) -> Any:
    """The integrator with which to differentiate a scene.

    Mitsuba's `prb` of the same depth where the scene says `path`: the same estimator, three times
    faster to differentiate (Vicini et al. 2021, Path Replay Backpropagation). Any other integrator
    is used as it is.
    """
    integrator = scene_integrator(scene)
    settings = path_settings(scene)
    if settings is None or not str(integrator).startswith("PathIntegrator"):
        return integrator
    return mi.load_dict({"type": "prb", **asdict(settings)})
