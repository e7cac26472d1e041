"""The state of a gradient descent, on the device and as arrays to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi

__all__ = ["Best", "Descent", "DescentState", "first_descent"]


@dataclass(frozen=True, kw_only=True)
class Descent:
    """What a step changes, on the device.

    Attributes:
        parameters: x.
        texels: the map that they stand for, flat RGBA.
        mean: m.
        square: v.
        average: average of the maps so far, flat RGBA; without averaging the last one.
        taken: number of steps so far, without dropped ones.
        dropped: number of dropped steps.
        dropped_in_a_row: of these, the last ones.
    """

    parameters: Any
    texels: Any
    mean: Any
    square: Any
    average: Any
    taken: Any
    dropped: Any
    dropped_in_a_row: Any


@dataclass(frozen=True, kw_only=True)
class Best:
    """The best map that was measured.

    Attributes:
        texels: flat RGBA, on the device.
        loss: what was measured.
        index: after which iteration.
    """

    texels: Any
    loss: float
    index: int


@dataclass(frozen=True, kw_only=True)
class DescentState:
    """All that changes in a run.

    Attributes:
        descent: what each step changes.
        best: what measurements change; None before the first one.
    """

    descent: Descent
    best: Best | None = None

    @property
    def result(self) -> Any:
        """The map that the run would give if it ended here, flat RGBA."""
        return self.best.texels if self.best else self.descent.average

    def arrays(self) -> dict[str, NDArray[Any]]:
        """All of it as NumPy arrays."""
        arrays = {name: np.array(value) for name, value in vars(self.descent).items()}
        if self.best:
            arrays |= {f"best_{name}": np.array(value) for name, value in vars(self.best).items()}
        return arrays

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]]) -> DescentState:
        """The state whose `arrays` these are."""
        names = [field.name for field in fields(Descent)]
        descent = Descent(**{name: _on_device(arrays[name]) for name in names})
        if "best_loss" not in arrays:
            return cls(descent=descent)
        best = Best(
            texels=_on_device(arrays["best_texels"]),
            loss=arrays["best_loss"].item(),
            index=arrays["best_index"].item(),
        )
        return cls(descent=descent, best=best)


def first_descent(parameters: Any, texels: Any) -> Descent:
    """The state before the first step."""
    zeros = [dr.opaque(mi.Float, 0, len(parameters)) for _ in range(2)]
    counters = [dr.opaque(mi.UInt32, 0) for _ in range(3)]
    return Descent(
        parameters=parameters,
        texels=texels,
        mean=zeros[0],
        square=zeros[1],
        average=texels,
        taken=counters[0],
        dropped=counters[1],
        dropped_in_a_row=counters[2],
    )


def _on_device(array: NDArray[Any]) -> Any:
    return mi.Float(array) if array.dtype == np.float32 else mi.UInt32(array)
