"""The option --refine."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Annotated, Any

from envmap_inverse.console.options import panelled
from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.refining.choices import KINDS, Refine, Within, allowed_keys

__all__ = ["RefineSpecs", "make_refine"]

RefineSpecs = Annotated[
    list[str] | None,
    panelled(
        "Scene",
        "--refine",
        metavar="NAME[:key=value,...]",
        help=f"Numbers of the scene that are nearly known, to be found with the map: of "
        f"{', '.join(KINDS)}; several with commas between them. Keys say how well they are known: "
        "camera:pixels=2,degrees=0.5; fov:percent=2; pose:percent=1,of=SHAPE; gain, albedo and "
        "roughness:factor=1.2,of=MATERIAL.",
    ),
]


def make_refine(specs: Sequence[str] | None) -> Refine | None:
    """Parse the values of --refine; None without one.

    Raises:
        InputError: if a name, a key or a value is wrong.
    """
    if not specs:
        return None
    chosen: dict[str, dict[str, Any]] = {}
    faults = Faults()
    for spec in specs:
        faults.attempt(_add, spec, chosen)
    faults.report()
    try:
        known: dict[str, Any] = {
            kind: Within(**keys) if keys else True for kind, keys in chosen.items()
        }
        return Refine(**known)
    except InputError as error:
        raise InputError(f"--{error}") from None


def _add(spec: str, chosen: dict[str, dict[str, Any]]) -> None:
    """Add the choices of NAME[:key=value,...],NAME... to those that there are."""
    kind = ""
    for part in spec.split(","):
        name, colon, rest = part.partition(":")
        if colon or "=" not in part:
            kind, part = name.strip(), rest  # noqa: PLW2901 - the rest of it
            _check_kind(kind, spec)
            chosen.setdefault(kind, {})
        if not kind:
            raise InputError(f"--refine {spec!r}: begin with one of {', '.join(KINDS)}")
        if part:
            key, value = _pair(kind, part, spec)
            chosen[kind][key] = value


def _check_kind(kind: str, spec: str) -> None:
    if kind not in KINDS:
        near = did_you_mean(kind, list(KINDS))
        raise InputError(f"--refine {spec!r}: no {kind!r}; choose of {', '.join(KINDS)}{near}")


def _pair(kind: str, part: str, spec: str) -> tuple[str, str | float]:
    """A key of a kind, and its value."""
    key, equals, word = (piece.strip() for piece in part.partition("="))
    allowed = allowed_keys(kind)
    if not (equals and word) or key not in allowed:
        near = did_you_mean(key, list(allowed))
        raise InputError(
            f"--refine {spec!r}: {part!r} is not key=value; the keys of {kind} are: "
            f"{', '.join(allowed)}{near}"
        )
    if key == "of":
        return key, word
    try:
        value = float(word)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise InputError(f"--refine {spec!r}: {key} must be a number; found {word!r}")
    return key, value
