"""Render and record a scene of unusual plugins in the child process first, at a few pixels."""

from __future__ import annotations

import contextlib
from typing import Any

from envmap_inverse.backend import dr, mi
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.scene.films import cut_film, window_size
from envmap_inverse.scene.scene import Scene

__all__ = ["rehearse"]

SIDE = 4
"""Pixels of each side of the film, at most."""


def rehearse(mi_scene: Any) -> None:
    """Describe a scene; render, differentiate and record a corner of what its first sensor sees.

    Errors are left to the caller's own attempts: only a process that ends, takes all memory or
    never answers matters here.
    """
    if not mi_scene.sensors():
        return
    with contextlib.suppress(RuntimeError, TypeError, ValueError):
        sensor = mi_scene.sensors()[0]
        width, height = window_size(sensor)
        for part in mi.traverse(mi_scene).hierarchy:
            str(part)
        cut_film(sensor, 0, 0, (min(width, SIDE), min(height, SIDE)))
        params = mi.traverse(mi_scene)
        emitter = mi_scene.environment()
        params.keep(
            [key for key in params.keys() if params.properties[key][2] == emitter and "data" in key]
        )
        for key in params.keys():
            dr.enable_grad(params[key])
        params.update()
        image = mi.render(mi_scene, params, sensor, spp=1)
        dr.backward(dr.sum(image))
        dr.eval()
        dr.sync_thread()
    with contextlib.suppress(RuntimeError, TypeError, ValueError):
        LightTransport.record(Scene(mi_scene), [0], spp=1, seed=0)
