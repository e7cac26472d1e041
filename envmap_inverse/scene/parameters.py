"""List a scene's parameters in a table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi

__all__ = ["Parameter", "Parameters", "describe", "objects_of", "stable_names", "value_of"]

_KINDS = ("Sensor", "Shape", "Emitter", "BSDF", "Medium", "Volume", "Texture", "Integrator")
_DECORATION = re.compile("^smooth|(mesh|light|emitter|bsdf|brdf|medium)$")
"""Endings that the names of Mitsuba's classes add to those of its plugins."""

_OTHER_PLUGIN_NAMES = {"environmentmap": "envmap", "constantbackground": "constant"}


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a scene.

    Attributes:
        name: Mitsuba's key; in a part without an id, e.g. "shape 3 (ply): bsdf.alpha.value".
        key: Mitsuba's key in `mi.traverse(scene.mi_scene)`. In a part without an id it begins with
            a memory address, which changes each time the scene is loaded.
        shape: shape of its value; () for a scalar.
        type: Mitsuba's type, e.g. "TensorXf".
        is_differentiable: whether gradients with respect to it exist.
        is_discontinuous: whether it moves discontinuities, so that those gradients need care.
    """

    name: str
    key: str
    shape: tuple[int, ...]
    type: str
    is_differentiable: bool
    is_discontinuous: bool


class Parameters(Mapping[str, Parameter]):
    """A scene's parameters by name; `str()` is an aligned table."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        """Args: parameters: the records by name."""
        self._parameters = dict(parameters)
        self._names = {parameter.key: name for name, parameter in self._parameters.items()}

    def __getitem__(self, name: str) -> Parameter:
        """Return the record of one parameter, by its name or by Mitsuba's key."""
        name = self._names.get(name, name)
        if name not in self._parameters:
            raise KeyError(f"no parameter {name!r}; there are: {', '.join(self)}")
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in Mitsuba's order."""
        return iter(self._parameters)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self._parameters)

    def keep(self, names: str | Sequence[str]) -> Parameters:
        """Only the named parameters.

        Args:
            names: one name or several, as the table shows them, or Mitsuba's keys.

        Raises:
            KeyError: if there is no such parameter.
        """
        chosen = [names] if isinstance(names, str) else names
        parameters = [self[name] for name in chosen]
        return Parameters({parameter.name: parameter for parameter in parameters})

    def differentiable(self) -> Parameters:
        """Only the differentiable parameters."""
        return self.keep([name for name in self if self[name].is_differentiable])

    def __repr__(self) -> str:
        """An aligned table: name, shape, type, differentiable, discontinuous."""
        rows = [("name", "shape", "type", "differentiable", "discontinuous")]
        rows += [
            (
                p.name,
                " x ".join(map(str, p.shape)) or "scalar",
                p.type,
                "yes" if p.is_differentiable else "",
                "yes" if p.is_discontinuous else "",
            )
            for p in self.values()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


def describe(params: Any) -> Parameters:
    """Make records of all parameters in a `mi.SceneParameters`."""
    return Parameters(
        {name: _describe(params, key, name) for key, name in stable_names(params).items()}
    )


def stable_names(params: Any) -> dict[str, str]:
    """Give all of a `mi.SceneParameters` names that stay the same when the scene is loaded again.

    Where a part of the scene has no id, Mitsuba's keys begin with its memory address. The names
    have its kind there, and its number among the parts of that kind, from 0 in the scene's order.

    Returns:
        The names by Mitsuba's keys.
    """
    labels, counts = dict[Any, str](), Counter[str]()
    for node, (_, depth) in params.hierarchy.items():
        if depth == 1:
            kind = next((k for k in _KINDS if isinstance(node, getattr(mi, k))), "part").lower()
            plugin = "" if kind == "sensor" else f" ({_plugin_name(node)})"
            labels[node] = "" if node.id() else f"{kind} {counts[kind]}{plugin}"
            counts[kind] += 1
    names = {}
    for key in params.keys():
        label = labels.get(_outermost(params, key))
        names[key] = f"{label}: {key.partition('.')[2]}" if label else key
    return names


def _outermost(params: Any, key: str) -> Any:
    """The part of the scene that a parameter is in."""
    node = params.properties[key][2]
    while params.hierarchy[node][1] > 1:
        node = params.hierarchy[node][0]
    return node


def _plugin_name(node: Any) -> str:
    """The name of a plugin in scene files, derived from its class."""
    name = _DECORATION.sub("", node.class_name().lower())
    return _OTHER_PLUGIN_NAMES.get(name, name)


def _describe(params: Any, key: str, name: str) -> Parameter:
    value = _known(params, key)
    flags = params.flags(key)
    return Parameter(
        name=name,
        key=key,
        shape=_shape(value),
        type=type(value).__name__,
        is_differentiable=not flags & mi.ParamFlags.NonDifferentiable,
        is_discontinuous=bool(flags & mi.ParamFlags.Discontinuous),
    )


def objects_of(mi_scene: Any) -> list[Any]:
    """Every object of a Mitsuba scene that `mi.traverse` reaches, including shape groups."""
    return list(mi.traverse(mi_scene).hierarchy)


def value_of(params: Any, name: str) -> NDArray[Any] | str:
    """Value of one of a `mi.SceneParameters` as an array, or as text if it is not numeric."""
    value = _known(params, name)
    if value is None or isinstance(value, str):
        return str(value)
    return np.array(value.matrix if _is_transform(value) else value)


def _known(params: Any, key: str) -> Any:
    """The value of a parameter; None if it has none, where Mitsuba's own look-up fails."""
    try:
        return params[key]
    except TypeError:
        return None


def _is_transform(value: Any) -> bool:
    return "Transform" in type(value).__name__


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, bool | int | float | str | None):
        return ()
    if dr.is_tensor_v(value):
        return tuple(value.shape)
    shape = np.array(value.matrix if _is_transform(value) else value).shape
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
