"""Check whether the light transport of a scene can be recorded."""

from __future__ import annotations

from collections.abc import Sequence

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.integrators import (
    PathSettings,
    has_flags,
    path_settings,
    scene_integrator,
)
from envmap_inverse.scene.parameters import objects_of
from envmap_inverse.scene.rendering import check_film
from envmap_inverse.scene.scene import Scene

__all__ = ["recordable_paths", "why_not_recordable"]

_REMEDY = "; use the Adam optimizer, which renders with it"


def recordable_paths(scene: Scene, sensors: Sequence[int]) -> PathSettings:
    """Path settings of a scene whose paths, sampled by BSDF alone, render what Mitsuba renders.

    Raises:
        InputError: if they do not (the message names the integrator, material, map or medium at
            fault), if a film is not RGB, or if the scene has no integrator.
    """
    for sensor in sensors:
        check_film(scene, sensor)
    scene_integrator(scene)
    try:
        settings = path_settings(scene)
        _check_map(scene)
        _check_media(scene)
    except InputError as error:
        raise InputError(f"{error}{_REMEDY}") from None
    return settings


def why_not_recordable(scene: Scene) -> str | None:
    """The reason why the light transport of a scene cannot be recorded; None if it can.

    Raises:
        InputError: if the scene has no integrator.
    """
    scene_integrator(scene)
    try:
        recordable_paths(scene, ())
    except InputError as error:
        return str(error).removesuffix(_REMEDY)
    return None


def _check_map(scene: Scene) -> None:
    """Refuse a map whose `to_world` is not a rotation, if Mitsuba samples the map itself.

    Mitsuba then samples directions that do not match the map, so that its picture is not linear
    in the map. Mirrors, glass and the background only look the map up.
    """
    if not scene.envmap.is_rotated and has_flags(scene, "Smooth"):
        raise InputError(
            f"the to_world of {scene.envmap.name!r} is no rotation (it scales, shears, or turns "
            "about an axis that is not of length 1), and the light transport of rough materials "
            "cannot be recorded with it; give it axes of length 1 and no scale"
        )


def _check_media(scene: Scene) -> None:
    if any(isinstance(part, mi.Medium) for part in objects_of(scene.mi_scene)):
        raise InputError("participating media cannot be recorded")
