"""Losses: how far a rendered pixel is from an observed one.

A loss is a function of two arrays, NumPy's or Dr.Jit's alike, that gives a value per element; the
optimizers average it over pixels, channels and views. For least squares it also gives the weight w
with which w (p - o)^2 stands for it near a prediction p: both have the same gradient there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr
from envmap_inverse.errors import InputError

__all__ = ["MSE", "RelativeMSE"]


class Loss(Protocol):
    """What an optimizer needs of a loss."""

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Weight of each element's squared difference, in the shape of the arguments."""


@dataclass(frozen=True, kw_only=True)
class MSE:
    """Mean squared error, (p - o)^2."""

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        difference = prediction - observation
        return difference * difference

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """1 for each element."""
        return np.ones_like(prediction + observation)


@dataclass(frozen=True, kw_only=True)
class RelativeMSE:
    """Relative squared error, (p - o)^2 / max(p, o, epsilon)^2; the denominator has no gradient.

    Bright and dark pixels count alike, so that a few lamps do not outweigh a room.

    Attributes:
        epsilon: radiance below which errors count absolutely. The transport optimizer measures it
            in units of the pictures' mean.
    """

    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the number."""
        if not (np.isfinite(self.epsilon) and self.epsilon > 0):
            raise InputError(f"epsilon must be positive; found {self.epsilon}")

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        value = prediction if isinstance(prediction, np.ndarray) else dr.detach(prediction)
        largest = _maximum(_maximum(value, observation), self.epsilon)
        relative = (prediction - observation) / largest
        return relative * relative

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """1 / max(p, o, epsilon)^2."""
        largest = np.maximum(np.maximum(prediction, observation), np.float32(self.epsilon))
        return np.asarray(largest**-2, np.float32)


def _maximum(a: Any, b: Any) -> Any:
    """The larger of each pair; of NumPy and Dr.Jit arrays alike."""
    return 0.5 * (a + b + abs(a - b))
