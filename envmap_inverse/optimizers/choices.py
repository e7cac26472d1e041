"""The optimizers to choose from, and the default."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.recording.recordable import why_not_recordable
from envmap_inverse.scene.scene import Scene

__all__ = ["DEFAULT", "OPTIMIZERS", "ROBUST", "default_optimizer"]

DEFAULT, ROBUST = Transport, Adam.robust

OPTIMIZERS: tuple[Callable[..., Optimizer], ...] = (Transport, Adam, Adam.robust)
"""Classes, and presets of classes: functions that take a class's fields and make one. The command
line and the tests read them, and go by their `__name__`; a new one needs a line here."""


def default_optimizer(scene: Scene) -> Callable[..., Optimizer]:
    """Return the default class, or preset, for a scene.

    `Transport`; or `Adam.robust`, with a warning that gives the reason, for scenes whose light
    transport cannot be recorded.
    """
    reason = why_not_recordable(scene)
    if reason is None:
        return DEFAULT
    warnings.warn(f"{reason}; Adam.robust() is taken, which renders instead", stacklevel=3)
    return ROBUST
