"""Refuse arguments with unknown names, and those of another kind than is due."""

from __future__ import annotations

import functools
import inspect
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, get_type_hints

from envmap_inverse.errors import Faults, InputError, UnknownArgumentError, did_you_mean, in_short
from envmap_inverse.losses import LOSSES
from envmap_inverse.priors import PRIORS

__all__ = ["check_kinds", "check_scene_stays", "explain_arguments"]

_OPTIMIZERS = ("Transport", "Adam")


def explain_arguments(public: dict[str, Any], names: Iterable[str]) -> None:
    """Have functions and dataclasses raise an `InputError` for arguments that they do not take.

    Those are unknown ones, missing ones, and words or lists where a number is due.

    Args:
        public: a module's names and objects; functions are replaced here and in their own modules.
        names: the names to go through.
    """
    for name in names:
        thing: Any = public[name]
        if hasattr(thing, "__dataclass_fields__"):
            thing.__init__ = _explained(thing.__init__, name, _numbers(thing))
        elif inspect.isfunction(thing):
            public[name] = _explained(thing, name, _numbers(thing))
            setattr(sys.modules[thing.__module__], name, public[name])


def _numbers(thing: Any) -> set[str]:
    """Names of the arguments that are numbers, or None."""
    hints = get_type_hints(thing).items()
    return {key for key, hint in hints if hint in (int, float, int | None, float | None)}


def _explained(
    function: Callable[..., Any], name: str, numeric: Collection[str]
) -> Callable[..., Any]:
    signature = inspect.signature(function)
    known = [parameter for parameter in signature.parameters if parameter != "self"]

    @functools.wraps(function)
    def checked(*args: Any, **kwargs: Any) -> Any:
        try:
            given = signature.bind(*args, **kwargs).arguments
        except TypeError as error:
            unknown = next((key for key in kwargs if key not in known), None)
            fault = str(error) if unknown is None else f"no argument {unknown!r}"
            near = "" if unknown is None else did_you_mean(unknown, known)
            allowed = ", ".join(known) or "none"
            raise UnknownArgumentError(
                f"{name}: {fault}; its arguments are: {allowed}{near}"
            ) from None
        for key in given.keys() & numeric:
            if isinstance(given[key], str | list | tuple | dict):
                raise InputError(f"{name}: {key} must be a number; found {in_short(given[key])}")
        return function(*args, **kwargs)

    return checked


def check_kinds(
    scene: Any,
    optimizer: Any,
    loss: Any,
    chosen: Any,
    refine: Any = None,
    on_iteration: Any = None,
) -> None:
    """Check what `estimate` is given; None is for the defaults.

    Args:
        scene: has to be a `Scene`, not its file.
        optimizer: has to have what `Optimizer` has.
        loss: has to be a loss, not its name or class.
        chosen: has to be a list or tuple of priors.
        refine: has to be a `Refine`.
        on_iteration: has to be a function.

    Raises:
        InputError: if any is something else; the message says what to write instead.
    """
    faults = Faults()
    if not hasattr(scene, "envmap"):
        found = f"found {type(scene).__name__}; load it with load_scene"
        faults.keep(InputError(f"scene: {found}, which reads files, dictionaries and mi.Scene"))
    faults.attempt(_check, "optimizer", optimizer, "default_loss", _OPTIMIZERS)
    faults.attempt(_check, "loss", loss, "__call__", _names(LOSSES))
    if on_iteration is not None and not callable(on_iteration):
        faults.keep(InputError(f"on_iteration must be a function; found {in_short(on_iteration)}"))
    faults.attempt(_check, "refine", refine, "within", ("Refine",))
    if hasattr(chosen, "quadratic") and not isinstance(chosen, type):
        name = type(chosen).__name__
        faults.keep(InputError(f"priors: is one prior; give a list or tuple: priors=({name}(),)"))
    elif isinstance(chosen, str | type) or not isinstance(chosen, Sequence | None):
        faults.attempt(_check, "priors", chosen, "quadratic", _names(PRIORS))
    else:
        for prior in chosen or ():
            faults.attempt(_check, "priors", prior, "quadratic", _names(PRIORS))
    faults.report()


def check_scene_stays(optimizer: Any, refine: Any) -> None:
    """Refuse to refine a scene whose recording is given.

    Raises:
        InputError: if both are given.
    """
    if refine is not None and getattr(optimizer, "recording", None) is not None:
        raise InputError(
            "refine: changes the scene, but the recording is of the scene as it was; leave one of "
            "them out"
        )


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
