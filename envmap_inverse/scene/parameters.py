"""A scene's parameters, as a table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi

__all__ = ["Parameter", "Parameters", "describe", "objects_of", "value_of"]


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a scene.

    Attributes:
        name: Mitsuba's key.
        shape: shape of its value; () for a scalar.
        type: Mitsuba's type, e.g. "TensorXf".
        is_differentiable: whether gradients with respect to it exist.
        is_discontinuous: whether it moves discontinuities, so that those gradients need care.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    is_differentiable: bool
    is_discontinuous: bool


class Parameters(Mapping[str, Parameter]):
    """A scene's parameters by name; `str()` is an aligned table."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        """Args: parameters: the records by name."""
        self._parameters = dict(parameters)

    def __getitem__(self, name: str) -> Parameter:
        """The record of one parameter."""
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
            names: one name or several.

        Raises:
            KeyError: if there is no such parameter.
        """
        chosen = [names] if isinstance(names, str) else names
        return Parameters({name: self[name] for name in chosen})

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


def describe(params: Any, name: str) -> Parameter:
    """The record of one of a `mi.SceneParameters`."""
    value = params[name]
    flags = params.flags(name)
    return Parameter(
        name=name,
        shape=_shape(value),
        type=type(value).__name__,
        is_differentiable=not flags & mi.ParamFlags.NonDifferentiable,
        is_discontinuous=bool(flags & mi.ParamFlags.Discontinuous),
    )


def objects_of(mi_scene: Any) -> list[Any]:
    """Every object of a Mitsuba scene that `mi.traverse` reaches, those in shape groups too."""
    return list(mi.traverse(mi_scene).hierarchy)


def value_of(params: Any, name: str) -> NDArray[Any] | str:
    """One of a `mi.SceneParameters` as an array, or as text where it is no number."""
    value = params[name]
    if isinstance(value, str):
        return value
    return np.array(value.matrix if _is_transform(value) else value)


def _is_transform(value: Any) -> bool:
    return "Transform" in type(value).__name__


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, bool | int | float | str):
        return ()
    if dr.is_tensor_v(value):
        return tuple(value.shape)
    shape = np.array(value.matrix if _is_transform(value) else value).shape
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
