"""Which numbers of a scene to refine, and how well they are known."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from envmap_inverse.errors import InputError, check_positive, did_you_mean

__all__ = ["KINDS", "Refine", "Refined", "Within", "allowed_keys"]

MAX_FACTOR = 1e6


@dataclass(frozen=True, kw_only=True)
class Within:
    """How well numbers are known: standard deviations of what the scene gives.

    A kind of numbers takes some of these; `Refine` lists them.

    Attributes:
        pixels: of the picture.
        degrees: of an angle.
        percent: of a field of view, or of an object's size.
        factor: above 1, either way.
        of: the part of the scene, by the name that `envmap-inverse params` shows; "" for all.

    Example:
        >>> ei.Within(pixels=5).pixels
        5
    """

    pixels: float | None = None
    degrees: float | None = None
    percent: float | None = None
    factor: float | None = None
    of: str = ""

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("pixels", "degrees", "percent"):
            value = getattr(self, name)
            if value is not None:
                check_positive(**{f"refine: {name}": value})
        if self.factor is not None and not 1 < self.factor <= MAX_FACTOR:
            raise InputError(
                f"refine: factor must be greater than 1, and {MAX_FACTOR:g} at most; found "
                f"{self.factor:g}"
            )


_DEFAULTS = {
    "camera": Within(pixels=2, degrees=0.5),
    "fov": Within(percent=2),
    "gain": Within(factor=1.2),
    "albedo": Within(factor=1.2),
    "roughness": Within(factor=1.5),
    "pose": Within(percent=1),
}
KINDS = tuple(_DEFAULTS)
"""What can be refined."""

_OPTIONAL = {"camera": ("percent",), "pose": ("degrees",)}
_OF_PARTS = ("gain", "albedo", "roughness", "pose")


@dataclass(frozen=True, kw_only=True)
class Refine:
    """Numbers of a scene to refine before the map is recovered.

    Each is False, True for how well it is known by default, or a `Within` that says it.

    Attributes:
        camera: direction of each camera: by default within 2 `pixels` up and sideways and 0.5
            `degrees` about the line of sight. `percent` (of the size of the scene's objects) frees
            its place too, which is the same as to move all objects.
        fov: horizontal field of view of each camera, within 2 `percent`.
        pose: of each shape, or of the shape `of`: its place, within 1 `percent` of its size.
            `degrees` frees its rotation too; to turn it and the camera alike is to turn the
            light, which no picture shows.
        gain: of all reflectances of each material, or of the material `of`, per channel: within a
            `factor` of 1.2. A wrong metal is a gain.
        albedo: the same of diffuse reflectances alone.
        roughness: alpha of each material, or of the material `of`, within a `factor` of 1.5. The
            misfit cannot tell it, as light that is blurred already looks the same in a sharper
            material; so its deviation stays what it was, and what is found is rather too low.
        film: longest side in pixels to which pictures are averaged down for it.

    Example:
        >>> refine = ei.Refine(camera=True, fov=ei.Within(percent=1))
        >>> result = ei.estimate(ei.load_scene("scene.xml"), image, refine=refine)
        >>> list(result.refined)
        ['camera pitch', 'camera yaw', 'camera roll', 'camera fov']
    """

    camera: Within | bool = False
    fov: Within | bool = False
    pose: Within | bool = False
    gain: Within | bool = False
    albedo: Within | bool = False
    roughness: Within | bool = False
    film: int = 128

    def __post_init__(self) -> None:
        """Check that something is chosen, with keys that its kind takes."""
        if not any(getattr(self, kind) for kind in KINDS):
            raise InputError(f"refine: nothing is chosen; choose of {', '.join(KINDS)}")
        if self.film < 8:
            raise InputError(f"refine: film must be at least 8 pixels; found {self.film}")
        for kind in KINDS:
            chosen = getattr(self, kind)
            if not isinstance(chosen, Within | bool):
                raise InputError(f"refine: {kind} must be True or a Within; found {chosen!r}")
            for key in () if isinstance(chosen, bool) else _given(chosen):
                _check_key(kind, key)

    def within(self, kind: str) -> Within | None:
        """How well a kind of numbers is known, defaults included; None if it is not refined."""
        chosen = getattr(self, kind)
        if not chosen:
            return None
        given = {} if chosen is True else _given(chosen)
        return Within(**{**_given(_DEFAULTS[kind]), **given})


@dataclass(frozen=True, kw_only=True)
class Refined:
    """A number that was refined.

    Attributes:
        before: as the scene gave it; 0 for turns and moves, 1 for gains.
        after: as found.
        deviation: standard deviation of what was found; see `search` for what is in it.
        unit: "degrees", "units" of the scene, "factor", or "alpha".

    Example:
        >>> refine = ei.Refine(fov=True)
        >>> result = ei.estimate(ei.load_scene("scene.xml"), image, refine=refine)
        >>> found: ei.Refined = result.refined["camera fov"]
        >>> found.before, found.unit
        (40.0, 'degrees')
    """

    before: float
    after: float
    deviation: float
    unit: str

    def __str__(self) -> str:
        """The number, its deviation, and what it was."""
        digits = max(self.deviation, 1e-6)
        return f"{self.after:.5g} +- {digits:.2g} {self.unit} (given {self.before:.5g})"


def allowed_keys(kind: str) -> tuple[str, ...]:
    """The keys of `Within` that a kind takes."""
    own = (*_given(_DEFAULTS[kind]), *_OPTIONAL.get(kind, ()))
    return (*own, "of") if kind in _OF_PARTS else own


def _given(within: Within) -> dict[str, Any]:
    """The fields that are set."""
    values = {field.name: getattr(within, field.name) for field in fields(within)}
    return {key: value for key, value in values.items() if value not in {None, ""}}


def _check_key(kind: str, key: str) -> None:
    allowed = allowed_keys(kind)
    if key not in allowed:
        near = did_you_mean(key, list(allowed))
        raise InputError(f"refine {kind}: no key {key!r}; its keys are: {', '.join(allowed)}{near}")
