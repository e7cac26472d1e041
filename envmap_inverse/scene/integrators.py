"""The integrator of a scene, the paths that it traces, and the one to differentiate with."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.parameters import objects_of
from envmap_inverse.scene.scene import Scene

__all__ = [
    "PathSettings",
    "gradient_integrator",
    "has_flags",
    "path_settings",
    "scene_integrator",
]

_NO_LIMIT = 2**31


def scene_integrator(scene: Scene) -> Any:
    """The scene's integrator.

    Raises:
        InputError: if it has none, or its integrator makes no picture of light.
    """
    integrator = scene.mi_scene.integrator()
    if integrator is None:
        raise InputError('the scene has no integrator; add <integrator type="path"/>')
    name = _name(integrator)
    if name == "DepthIntegrator":
        raise InputError('the integrator depth measures distance, not light; use type="path"')
    is_around = name in {"AOVIntegrator", "MomentIntegrator"}
    if is_around and "Integrator[" not in str(integrator).partition("[")[2]:
        plugin = "aov" if name == "AOVIntegrator" else "moment"
        raise InputError(
            f"the integrator {plugin} has no integrator for light inside it; nest "
            '<integrator type="path"/>'
        )
    return integrator


@dataclass(frozen=True, kw_only=True)
class PathSettings:
    """The paths that an integrator traces, apart from how they are sampled.

    A null event passes through a surface as if it were not there: `null`, `thindielectric`, the
    clear part of a `mask`.

    Attributes:
        max_depth: longest path in segments; -1 for no limit.
        rr_depth: depth from which Russian roulette may end a path.
        hide_emitters: whether emitters are invisible to the sensor.
        hides_beyond_nulls: whether `hide_emitters` also hides them behind null events.
        counts_nulls: whether a null event ends a segment.
    """

    max_depth: int
    rr_depth: int
    hide_emitters: bool
    hides_beyond_nulls: bool = False
    counts_nulls: bool = True


def path_settings(scene: Scene) -> PathSettings:
    """Describe the paths of the scene's integrator.

    Raises:
        InputError: if it is not a path tracer of surfaces, or if its picture is not linear in the
            map; the message names the reason.
    """
    integrator = _innermost(scene_integrator(scene))
    name = _name(integrator)
    if name not in _PATHS:
        plugin, reason = _OTHERS.get(name, (name, "it is not known how it traces paths"))
        raise InputError(f"the integrator {plugin} cannot be recorded: {reason}")
    settings = _PATHS[name](integrator)
    if settings.hide_emitters and name == "PathIntegrator" and has_flags(scene, "Null", "Smooth"):
        raise InputError(
            "path with hide_emitters drops some of the light that a mask reflects, by an amount "
            "that depends on the map, and cannot be recorded; use the integrator prb or volpath"
        )
    return settings


def gradient_integrator(scene: Scene) -> Any:
    """The integrator to differentiate a scene with.

    For `path` it is Mitsuba's `prb` of the same depth: the same estimator, three times faster to
    differentiate (Vicini et al. 2021, Path Replay Backpropagation). Where the two differ, and for
    any other integrator, it is the scene's own.
    """
    integrator = _innermost(scene_integrator(scene))
    if _name(integrator) != "PathIntegrator" or _differs_from_prb(scene, integrator):
        return integrator
    settings = _path(integrator)
    return mi.load_dict(
        {
            "type": "prb",
            "max_depth": settings.max_depth,
            "rr_depth": settings.rr_depth,
            "hide_emitters": settings.hide_emitters,
        }
    )


def _innermost(integrator: Any) -> Any:
    """The integrator whose picture `aov` and `moment` show first; of others, themselves."""
    while _name(integrator) in {"AOVIntegrator", "MomentIntegrator"}:
        parts = mi.traverse(integrator).hierarchy
        integrator = [part for part in parts if isinstance(part, mi.Integrator)][1]
    return integrator


def _differs_from_prb(scene: Scene, integrator: Any) -> bool:
    """Whether `prb` renders the scene differently from `path`, or cannot differentiate it."""
    settings = _path(integrator)
    hides_nulls = settings.hide_emitters and has_flags(scene, "Null")
    emitters = {emitter.class_name() for emitter in scene.mi_scene.emitters()}
    return settings.max_depth == 0 or hides_nulls or "DirectionalArea" in emitters


def has_flags(scene: Scene, *names: str) -> bool:
    """Whether a material of the scene has all of these `mi.BSDFFlags`."""
    flags = [getattr(mi.BSDFFlags, name) for name in names]
    bsdfs = [part for part in objects_of(scene.mi_scene) if isinstance(part, mi.BSDF)]
    return any(all(mi.has_flag(bsdf.flags(), flag) for flag in flags) for bsdf in bsdfs)


def _name(integrator: Any) -> str:
    """Name of an integrator's class, even if Python defines it."""
    found = str(integrator.class_name())
    return type(integrator).__name__ if found == "SamplingIntegrator" else found


def _path(integrator: Any) -> PathSettings:
    """`path`: `hide_emitters` also hides emitters seen through null events alone."""
    return _numbers(integrator, hides_beyond_nulls=True)


def _prb(integrator: Any) -> PathSettings:
    """`prb`: always shows what its first segment meets."""
    settings = _numbers(integrator)
    return replace(settings, max_depth=settings.max_depth or 1)


def _volpath(integrator: Any) -> PathSettings:
    """`volpath` without a medium: null events do not end segments."""
    return _numbers(integrator, hides_beyond_nulls=True, counts_nulls=False)


def _prbvolpath(integrator: Any) -> PathSettings:
    """`prbvolpath` without a medium: as `volpath`."""
    return PathSettings(
        max_depth=_limited(integrator.max_depth),
        rr_depth=int(integrator.rr_depth),
        hide_emitters=bool(integrator.hide_emitters),
        hides_beyond_nulls=True,
        counts_nulls=False,
    )


def _projective(integrator: Any) -> PathSettings:
    """`prb_projective` and `direct_projective`: as `prb`."""
    if integrator.hide_emitters:
        raise InputError(
            "projective integrators with hide_emitters hide the map, not the lamps, and cannot be "
            "recorded; use the integrator prb"
        )
    return _prb(integrator)


def _direct(integrator: Any) -> PathSettings:
    """`direct`: paths of two segments, if it samples the BSDF at all."""
    if re.search(r"bsdf_samples = 0\b", str(integrator)):
        raise InputError(
            "direct with bsdf_samples=0 leaves out what mirrors show, and cannot be recorded; use "
            "bsdf_samples=1"
        )
    return PathSettings(max_depth=2, rr_depth=5, hide_emitters=bool(integrator.hide_emitters))


def _numbers(integrator: Any, **kinds: bool) -> PathSettings:
    numbers = {key: int(n) for key, n in re.findall(r"(\w+_depth) = (-?\d+)", str(integrator))}
    return PathSettings(
        max_depth=_limited(numbers["max_depth"]),
        rr_depth=numbers["rr_depth"],
        hide_emitters=bool(integrator.hide_emitters),
        **kinds,
    )


def _limited(max_depth: int) -> int:
    """A `max_depth` of Mitsuba's as that of `PathSettings`."""
    return -1 if max_depth >= _NO_LIMIT else int(max_depth)


_PATHS: dict[str, Callable[[Any], PathSettings]] = {
    "PathIntegrator": _path,
    "PRBIntegrator": _prb,
    "BasicPRBIntegrator": _prb,
    "DirectIntegrator": _direct,
    "VolumetricPathIntegrator": _volpath,
    "VolpathMisIntegratorImpl": _volpath,
    "PRBVolpathIntegrator": _prbvolpath,
    "PathProjectiveIntegrator": _projective,
    "DirectProjectiveIntegrator": _projective,
}

_OTHERS = {
    "ParticleTracerIntegrator": (
        "ptracer",
        "it traces from the lights, and misses what mirrors show",
    ),
    "BasicVolumetricPrimitiveRadianceFieldIntegrator": (
        "volprim_rf_basic",
        "it shows radiance that is stored in the shapes, not light of the map",
    ),
}
"""Plugins by class, and why they cannot be recorded."""
