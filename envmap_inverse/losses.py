"""Losses: how far a rendered pixel is from an observed one.

A loss is a function of two arrays, NumPy's or Dr.Jit's alike, that gives a value per element. The
optimizers average it over pixels, channels and views.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

__all__ = ["MSE"]


class Loss(Protocol):
    """What an optimizer needs of a loss."""

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""


@dataclass(frozen=True, kw_only=True)
class MSE:
    """Mean squared error, (p - o)^2."""

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        difference = prediction - observation
        return difference * difference
