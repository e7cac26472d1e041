"""Refuse numbers in a scene that Mitsuba answers by a crash, or by a picture that never ends."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError

__all__ = ["LIMITS", "Limit", "check_numbers", "tame_integrators", "values_of"]


class Limit(NamedTuple):
    """The range of a parameter, ends included.

    Attributes:
        plugin: name of a plugin, or of a kind of plugins as `mi.ObjectType` names them.
        parameter: name of its parameter.
        least: smallest value.
        most: largest value.
    """

    plugin: str
    parameter: str
    least: float
    most: float


MAX_SIDE, MAX_SAMPLES = 2**16, 2**14

LIMITS = (
    # A sample is added to each pixel within the filter's radius, 0.5 to 8 pixels here.
    Limit("gaussian", "stddev", 0.125, 2),
    Limit("tent", "radius", 0.5, 8),
    Limit("lanczos", "lobes", 1, 8),
    Limit("Film", "width", 1, MAX_SIDE),
    Limit("Film", "height", 1, MAX_SIDE),
    Limit("Film", "crop_width", 1, MAX_SIDE),
    Limit("Film", "crop_height", 1, MAX_SIDE),
    Limit("Film", "crop_offset_x", 0, MAX_SIDE),
    Limit("Film", "crop_offset_y", 0, MAX_SIDE),
    Limit("Sampler", "sample_count", 1, MAX_SAMPLES),
    Limit("orthogonal", "strength", 2, 4),
    # Mitsuba compiles a copy of the tracing for each.
    Limit("direct", "shading_samples", 0, 16),
    Limit("direct", "emitter_samples", 0, 64),
    Limit("direct", "bsdf_samples", 0, 16),
)

MAX_DEPTH = 1000
"""Segments of the longest path where Russian roulette ends none earlier."""


def check_numbers(state: Any) -> None:
    """Check the numbers of a parsed scene, before its plugins are made of them.

    Args:
        state: a `mi.parser.ParserState`.

    Raises:
        InputError: if one is NaN, infinite or out of its limits, or a sensor or an emitter has a
            `to_world` without an inverse; it names the place.
    """
    for node in state.nodes:
        try:
            _check(str(node.props.plugin_name()), node.type.name, numbers_of(node.props))
        except InputError as error:
            raise InputError(f"{mi.parser.file_location(state, node)}: {error}") from None


def tame_integrators(state: Any) -> None:
    """Take out of a parsed scene's integrators what makes Mitsuba fail or trace without end.

    `samples_per_pass` goes: it would have to be a divisor of the number of samples, which this
    package chooses. Where Russian roulette ends no path, a longest length does.
    """
    for node in state.nodes:
        if node.type != mi.ObjectType.Integrator:
            continue
        name, numbers = node.props.plugin_name(), numbers_of(node.props)
        if "samples_per_pass" in numbers:
            del node.props["samples_per_pass"]
            warnings.warn(f"{name}: its samples_per_pass is left out", stacklevel=2)
        depth, roulette = (numbers.get(key, -1) for key in ("max_depth", "rr_depth"))
        if roulette > MAX_DEPTH and not 0 <= depth <= MAX_DEPTH:
            node.props["max_depth"] = MAX_DEPTH
            warnings.warn(
                f"{name}: its rr_depth lets no path end by chance; paths end after {MAX_DEPTH} "
                "segments",
                stacklevel=2,
            )


def values_of(props: Any) -> Iterator[tuple[str, Any]]:
    """Names and values of `mi.Properties`.

    Mitsuba refuses parameters that no plugin asks for; reading them here does not count as that.
    """
    for key in props.keys():
        was_queried = props.was_queried(key)
        value = props[key]
        props.mark_queried(key, was_queried)
        yield key, value


def numbers_of(props: Any) -> dict[str, NDArray[np.float64]]:
    """The parameters that are numbers, vectors or matrices, by name."""
    values = ((key, getattr(value, "matrix", value)) for key, value in values_of(props))
    return {
        key: np.array(value, np.float64)
        for key, value in values
        if isinstance(value, int | float) or dr.is_array_v(value)
    }


def _check(name: str, kind: str, numbers: dict[str, NDArray[np.float64]]) -> None:
    for key, number in numbers.items():
        if not np.isfinite(number).all():
            raise InputError(f"{name}: its {key} is NaN or infinite")
        if key == "to_world" and kind in {"Sensor", "Emitter"} and not np.linalg.det(number):
            raise InputError(f"{name}: its to_world has no inverse; no scale may be 0")
    for plugin, key, least, most in LIMITS:
        if plugin in {name, kind} and not least <= numbers.get(key, least) <= most:
            raise InputError(
                f"{name}: its {key} must lie from {least:g} to {most:g}; found {numbers[key]:.10g}"
            )
