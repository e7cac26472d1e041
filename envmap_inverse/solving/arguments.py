"""Refuse arguments of another kind: a name or a class where an object is due."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.losses import LOSSES
from envmap_inverse.priors import PRIORS

__all__ = ["check_kinds"]

_OPTIMIZERS = ("Transport", "Adam")


def check_kinds(scene: Any, optimizer: Any, loss: Any, chosen: Any, refine: Any = None) -> None:
    """Check what `estimate` is given; None is for the defaults.

    Args:
        scene: has to be a `Scene`, not its file.
        optimizer: has to have what `Optimizer` has.
        loss: has to be a loss, not its name or class.
        chosen: has to be a list or tuple of priors.
        refine: has to be a `Refine`.

    Raises:
        InputError: if any is something else; the message says what to write instead.
    """
    faults = Faults()
    if not hasattr(scene, "envmap"):
        found = f"found {type(scene).__name__}; load it with load_scene"
        faults.keep(InputError(f"scene: {found}, which reads files, dictionaries and mi.Scene"))
    faults.attempt(_check, "optimizer", optimizer, "default_loss", _OPTIMIZERS)
    faults.attempt(_check, "loss", loss, "__call__", _names(LOSSES))
    faults.attempt(_check, "refine", refine, "within", ("Refine",))
    if hasattr(chosen, "quadratic") and not isinstance(chosen, type):
        name = type(chosen).__name__
        faults.keep(InputError(f"priors: is one prior; give a list or tuple: priors=({name}(),)"))
    elif isinstance(chosen, str | type) or not isinstance(chosen, Iterable | None):
        faults.attempt(_check, "priors", chosen, "quadratic", _names(PRIORS))
    else:
        for prior in chosen or ():
            faults.attempt(_check, "priors", prior, "quadratic", _names(PRIORS))
    faults.report()


def _names(kinds: tuple[type[Any], ...]) -> tuple[str, ...]:
    return tuple(kind.__name__ for kind in kinds)


def _check(argument: str, value: Any, attribute: str, names: tuple[str, ...]) -> None:
    """Refuse a class, a name, or whatever else lacks an attribute that all of the kind have."""
    if value is None:
        return
    if isinstance(value, type):
        raise InputError(
            f"{argument}: is the class {value.__name__}; call it: {argument}={value.__name__}()"
        )
    if isinstance(value, str):
        near = did_you_mean(value, [f"{name}()" for name in names])
        allowed = ", ".join(f"{name}()" for name in names)
        raise InputError(
            f"{argument}: is the string {value!r}; give an object, one of {allowed}{near}"
        )
    if not hasattr(value, attribute):
        allowed = ", ".join(f"{name}()" for name in names)
        raise InputError(f"{argument}: found {type(value).__name__}; give one of {allowed}")
