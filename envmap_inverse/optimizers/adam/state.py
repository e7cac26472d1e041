"""The whole state of a run of Adam, on the device and as arrays to keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.adam.step import Descent

__all__ = ["AdamState", "Best"]


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
class AdamState:
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
    def of_arrays(cls, arrays: Mapping[str, NDArray[Any]], like: AdamState) -> AdamState:
        """The state whose `arrays` these are.

        Args:
            arrays: of a state.
            like: one of the same run, for the shapes.

        Raises:
            InputError: if they are not.
        """
        _check(arrays, like.arrays())
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


def _check(arrays: Mapping[str, NDArray[Any]], expected: Mapping[str, NDArray[Any]]) -> None:
    if "best_loss" in arrays:
        best = {"texels": expected["texels"], "loss": np.array(0.0), "index": np.array(0)}
        expected = {**expected, **{f"best_{name}": array for name, array in best.items()}}
    for name, array in expected.items():
        found = arrays.get(name)
        if found is None or (found.shape, found.dtype) != (array.shape, array.dtype):
            raise InputError(
                f"the checkpoint's {name} does not fit the run; begin again with --overwrite"
            )


def _on_device(array: NDArray[Any]) -> Any:
    return mi.Float(array) if array.dtype == np.float32 else mi.UInt32(array)
