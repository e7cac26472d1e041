"""Sums of spherical Gaussians whose axes and widths are free."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from envmap_inverse.light_models.family import Array, Tangents
from envmap_inverse.sphere.lambert import fibonacci_directions
from envmap_inverse.sphere.latlong import texel_directions

__all__ = ["AMPLITUDES", "Lobes", "sharpness_of"]

AMPLITUDES = 3.0
"""Standard deviation of a lobe's amplitude over its mean."""

TURN, LOG = 0.5, 1.0
"""Standard deviations of an axis, over the angle between neighbours, and of the log sharpness."""

LEAST, MOST = 0.5, 400.0
"""Sharpness: a lobe of 400 is 4 degrees wide."""

NUMBERS = 7
"""Of a lobe: axis x, y, z, log sharpness, R, G, B."""


def sharpness_of(lobes: int) -> float:
    """2 over the square of the angle between neighbours, sqrt(4 pi / lobes)."""
    return lobes / (2 * math.pi)


class Lobes:
    """Sums of amplitude exp(sharpness (d . axis - 1)): a `Family`. Axes begin evenly spread."""

    def __init__(self, resolution: tuple[int, int], lobes: int) -> None:
        """Spread the lobes.

        Args:
            resolution: (width, height) of the maps.
            lobes: how many.
        """
        width, height = resolution
        self._directions = texel_directions(height, width).reshape(-1, 3)
        axes, sharpness = fibonacci_directions(lobes), sharpness_of(lobes)
        evenly = np.exp(sharpness * (self._directions @ axes.T - 1)).sum(axis=1).mean()
        table = np.full((lobes, NUMBERS), 1 / evenly)
        table[:, :3], table[:, 3] = axes, math.log(sharpness)
        turn = TURN * math.sqrt(4 * math.pi / lobes)
        deviation = np.array([turn] * 3 + [LOG] + [AMPLITUDES / evenly] * 3)
        self.mean, self.precision = table.ravel(), np.diag(np.tile(deviation**-2, lobes))
        self.low = np.tile([-10.0] * 3 + [math.log(LEAST)] + [0.0] * 3, lobes)
        self.high = np.tile([10.0] * 3 + [math.log(MOST)] + [np.inf] * 3, lobes)
        self.is_shape = np.tile([True] * 4 + [False] * 3, lobes)

    def parts(self, numbers: Array) -> tuple[Array, None]:
        """See `Family`."""
        _, _, amplitudes = _parts(numbers)
        return np.asarray(self._values(numbers)[0] @ amplitudes), None

    def tangents(self, numbers: Array) -> Tangents:
        """See `Family`; maps are the lobe, its slopes along x, y, z and by the log sharpness."""
        axes, sharpness, amplitudes = _parts(numbers)
        lobes, cosines = self._values(numbers)
        lengths = np.linalg.norm(numbers.reshape(-1, NUMBERS)[:, :3], axis=1)
        across = self._directions[:, None, :] - cosines[:, :, None] * axes
        slopes = (lobes * sharpness / lengths)[:, :, None] * across
        by_log = lobes * sharpness * (cosines - 1)
        stacked = np.concatenate([slopes, by_log[:, :, None], lobes[:, :, None]], axis=2)
        maps = stacked.transpose(1, 2, 0).reshape(-1, len(self._directions), 1)
        mix = np.zeros((len(axes), 5, len(axes), NUMBERS, 3))
        for lobe, amplitude in enumerate(amplitudes):
            for number in range(4):
                mix[lobe, number, lobe, number] = amplitude
            mix[lobe, 4, lobe, 4:] = np.eye(3)
        return Tangents(maps=maps, mix=mix.reshape(len(maps), len(numbers), 3))

    def starts(self, guess: Array) -> list[Array]:  # noqa: ARG002
        """See `Family`."""
        return [self.mean]

    def described(self, numbers: Array, covariance: Array, unit: float) -> dict[str, Any]:
        """See `Family`: the entries of `export --to sg`."""
        axes, sharpness, amplitudes = _parts(numbers)
        deviations = np.sqrt(np.diag(covariance)).reshape(-1, NUMBERS)
        return {
            "axes": axes.tolist(),
            "sharpness": sharpness.tolist(),
            "amplitudes": (unit * amplitudes).tolist(),
            "amplitude_deviation": (unit * deviations[:, 4:]).tolist(),
            "sharpness_deviation": (sharpness * deviations[:, 3]).tolist(),
        }

    def _values(self, numbers: Array) -> tuple[Array, Array]:
        """Lobes of amplitude 1, and the cosines from their axes, shape (H * W, lobes) each."""
        axes, sharpness, _ = _parts(numbers)
        cosines = self._directions @ axes.T
        return np.exp(sharpness * (cosines - 1)), cosines


def _parts(numbers: Array) -> tuple[Array, Array, Array]:
    """Axes of unit length, sharpness and amplitudes."""
    table = numbers.reshape(-1, NUMBERS)
    axes = table[:, :3] / np.linalg.norm(table[:, :3], axis=1, keepdims=True)
    return axes, np.exp(table[:, 3]), table[:, 4:]
