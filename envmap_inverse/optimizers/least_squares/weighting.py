"""How much each value of the pictures counts, beside its loss and its noise."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns

__all__ = ["Spread", "balance", "share_of_paths", "unresolved", "variance_of_map"]

NOISY = 3.0
"""Where noise rules the pictures, priors count that much more."""

LEFT = 1 / 16
"""Mean squared difference that too coarse texels leave, over the variance of `unresolved`."""

PART_OF_FINE = 0.25
"""Of the variance of unresolved light, in the search for outliers: with all of it a lamp that the
scene lacks, and that the map bends to, hides itself; without any, lamps finer than texels are
outliers."""

STEPS = 4
"""Of the balance, after which it changes little."""

Texels = NDArray[Any]
"""Shape (H * W, 3)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """Why pictures differ from what a map predicts, value by value.

    Attributes:
        of_loss: the loss's weights of squared differences.
        noise: variance of the pictures' noise.
        recorded: that of the recording.
        unresolved: that of the light that the map may not resolve, as its texels differ.
    """

    of_loss: Pixels
    noise: Pixels
    recorded: Pixels
    unresolved: Pixels

    @classmethod
    def of(
        cls, transport: LightTransport, pictures: Pictures, texels: Texels, predicted: Pixels
    ) -> Spread:
        """The spread of pictures about a prediction.

        Args:
            transport: the recording.
            pictures: what is fitted.
            texels: the present map.
            predicted: the pictures by it.
        """
        return cls(
            of_loss=pictures.loss_weights(predicted),
            noise=pictures.noise(predicted),
            recorded=transport.variance(texels),
            unresolved=transport.sum_of_squares(unresolved(texels, transport.resolution)),
        )

    def share_unresolved(
        self, held_out: NDArray[np.int64], missing: Pixels, noise_floor: float
    ) -> float:
        """How much of the unresolved light the map does not resolve, by pixels it did not see.

        A map whose texels are as fine as the light explains pixels beside a lamp though its texels
        differ there; one of coarser texels does not, and leaves about a sixteenth of its texels'
        variance, alike in all pixels that see them. Those held-out pixels are compared in which
        this variance is the largest.

        Args:
            held_out: their numbers.
            missing: their differences.
            noise_floor: relative noise below which noise does not count.

        Returns:
            From 0 to 1; 1 if no pixel is held out, 0 if unresolved light rules none.
        """
        if len(held_out) == 0:
            return 1.0
        parts = (self.of_loss, self.noise, self.recorded, self.unresolved)
        of_loss, noise, recorded, light = (part[held_out] for part in parts)
        known = noise + recorded
        rules = light > known + np.float32(noise_floor**2) / np.maximum(of_loss, np.float32(1e-30))
        if not rules.any():
            return 0.0
        left = np.maximum(missing**2 - known, 0)[rules] / light[rules]
        return min(1.0, float(np.mean(left)) / LEFT)

    def weighting(self, weights: Pixels, noise_floor: float, share: float) -> tuple[Pixels, float]:
        """Weights of the squared differences, and by how much more the priors count.

        The arrays of the spread are used up: the weights stand in one of them.

        The weights are those of the loss and of the values. Variance of the differences stands
        beside the square of what the loss calls large.

        Where noise of the pictures rules, priors count up to 3 times as much: the square root of
        its share in the variance of the differences, averaged over the pixels, says how far it
        rules.

        Args:
            weights: of the values.
            noise_floor: relative noise below which noise does not count.
            share: of the unresolved light that is not resolved.
        """
        floor, part, found = np.float32(noise_floor**2), np.float32(share), self.unresolved
        elementwise(lambda r, u: r + part * u, self.recorded, self.unresolved, into=self.recorded)
        found[:] = weights
        total = np.sum(found)
        elementwise(
            lambda of_value, w, n: of_value * (w * n / (floor + w * n)),
            *(weights, self.of_loss, self.noise),
            into=found,
        )
        ruled = np.sum(found) / total
        elementwise(
            lambda of_value, w, n, r: of_value * w / (1 + w * (n + r) / floor),
            *(weights, self.of_loss, self.noise, self.recorded),
            into=found,
        )
        return found, 1 + (NOISY - 1) * float(np.sqrt(ruled))


def unresolved(texels: Texels, resolution: tuple[int, int]) -> Texels:
    """Variance of the light that a texel stands for: its mean squared difference to neighbours.

    Beside a lamp no map of this resolution explains all pixels. If the dark ones counted by their
    own brightness alone, their errors would be the largest by far, and the lamp be dimmed for them.

    Args:
        texels: a map.
        resolution: its width and height.
    """
    width, height = resolution
    light = texels.reshape(height, width, 3)
    across = (light - np.roll(light, 1, axis=1)) ** 2
    down = np.diff(light, axis=0) ** 2
    sums = across + np.roll(across, -1, axis=1)
    sums[:-1] += down
    sums[1:] += down
    return as_columns(np.float32(0.25) * sums.reshape(-1, 3))


def variance_of_map(transport: LightTransport, texels: Texels, share: float) -> Pixels:
    """Variance of a map's pictures: of the recording's noise, and of light that is finer.

    Args:
        transport: the recording.
        texels: the map.
        share: of the unresolved light that is not resolved.
    """
    variance = transport.variance(texels)
    if share > 0:
        fine = np.float32(PART_OF_FINE * share) * unresolved(texels, transport.resolution)
        variance += transport.sum_of_squares(fine)
    return variance


def share_of_paths(
    transport: LightTransport,
    pictures: Pictures,
    texels: Texels,
    predicted: Pixels,
    weights: Pixels,
) -> float:
    """Noise of the recording, as a share of the squares of the residuals.

    Args:
        transport: the recording.
        pictures: what is fitted.
        texels: the map.
        predicted: the pictures by it.
        weights: of the pixels.
    """
    of_loss, target = pictures.loss_weights(predicted), pictures.target(predicted)
    found = elementwise(
        lambda w, x, p, t: w * x * (t - p) ** 2, weights, of_loss, predicted, target
    )
    squares = float(np.sum(found))
    variance = transport.variance(texels)
    elementwise(lambda w, x, v: w * x * v, weights, of_loss, variance, into=found)
    return float(np.sum(found)) / max(squares, 1e-30)


def balance(
    transport: LightTransport, weights: Pixels, is_exact: NDArray[np.bool_], most: int
) -> Pixels:
    """Factors on weights with which exact values see each texel as much as all values would.

    The error that a map's resolution leaves is the same one in all exposures of a bracket. Without
    the factors, dark pixels would count once for each, and a lamp beside them only once, in the
    shortest.

    Args:
        transport: the recording.
        weights: of all values.
        is_exact: which values are not clipped.
        most: greatest factor: the number of pictures.

    Returns:
        By steps of factors w <- w T 1 / T (T' w e / T' w_0), as Richardson's and Lucy's.
    """
    wanted = transport.rmatvec(weights)
    light = transport.matvec(np.ones_like(wanted))
    factors = np.ones_like(light)
    for _ in range(STEPS):
        known = transport.rmatvec(elementwise(_product, weights, factors, is_exact))
        share = np.where(wanted > 0, known / np.maximum(wanted, np.float32(1e-30)), np.float32(1))
        factors = elementwise(
            partial(_balanced, np.float32(most)),
            *(factors, light, transport.matvec(share)),
            into=factors,
        )
    return factors


def _product(weights: Pixels, factors: Pixels, is_exact: NDArray[np.bool_]) -> Pixels:
    product: Pixels = weights * factors * is_exact
    return product


def _balanced(most: np.float32, factors: Pixels, light: Pixels, seen: Pixels) -> Pixels:
    """The factors of the next step."""
    seen = np.maximum(np.maximum(seen, light / most), np.float32(1e-30))
    return np.minimum(np.where(light > 0, factors * light / seen, 1), most)
