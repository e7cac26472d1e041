"""Whether the light transport of a scene can be recorded, and the reason if not."""

from __future__ import annotations

from collections.abc import Sequence

from envmap_inverse.errors import InputError
from envmap_inverse.scene.rendering import PathSettings, check_film, path_settings, scene_integrator
from envmap_inverse.scene.scene import Scene

__all__ = ["recordable_paths", "why_not_recordable"]

_REMEDY = "; use the Adam optimizer, which renders with it"


def recordable_paths(scene: Scene, sensors: Sequence[int]) -> PathSettings:
    """The paths of a scene, if tracing them by their materials renders what Mitsuba renders.

    Raises:
        InputError: if not: the message names the integrator or medium at fault; or if a film is not
            RGB, or the scene has no integrator.
    """
    for sensor in sensors:
        check_film(scene, sensor)
    settings = path_settings(scene)
    if settings is None:
        name = str(scene.mi_scene.integrator()).partition("[")[0]
        raise InputError(f"the light transport of {name} cannot be recorded{_REMEDY}")
    for shape in scene.mi_scene.shapes():
        if shape.interior_medium() is not None or shape.exterior_medium() is not None:
            raise InputError(f"participating media cannot be recorded{_REMEDY}")
    return settings


def why_not_recordable(scene: Scene) -> str | None:
    """Why the light transport of a scene cannot be recorded; None if it can.

    Raises:
        InputError: if the scene has no integrator.
    """
    scene_integrator(scene)
    try:
        recordable_paths(scene, ())
    except InputError as error:
        return str(error).removesuffix(_REMEDY)
    return None
