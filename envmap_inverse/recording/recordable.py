"""Which scenes have a light transport that can be recorded."""

from __future__ import annotations

from collections.abc import Sequence

from envmap_inverse.errors import InputError
from envmap_inverse.scene.rendering import PathSettings, check_film, path_settings
from envmap_inverse.scene.scene import Scene

__all__ = ["recordable", "why_not_recordable"]


def why_not_recordable(scene: Scene) -> str | None:
    """Why the light transport of a scene cannot be recorded; None if it can.

    Raises:
        InputError: if the scene has no integrator.
    """
    if path_settings(scene) is None:
        name = str(scene.mi_scene.integrator()).partition("[")[0]
        return f"the light transport of {name} cannot be recorded"
    for shape in scene.mi_scene.shapes():
        if shape.interior_medium() is not None or shape.exterior_medium() is not None:
            return "participating media cannot be recorded"
    return None


def recordable(scene: Scene, sensors: Sequence[int]) -> PathSettings:
    """The settings of a scene's integrator, checked to be one that can be recorded.

    Raises:
        InputError: if the scene's light transport cannot be recorded, or a film is not RGB.
    """
    for sensor in sensors:
        check_film(scene, sensor)
    reason, settings = why_not_recordable(scene), path_settings(scene)
    if reason is not None or settings is None:
        raise InputError(f"{reason}; use the Adam optimizer, which renders with it")
    return settings
