"""A few pixels that only the last round sees, to measure the map before it by."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.problem.solution import HeldOut
from envmap_inverse.problem.view import View
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import library_of

__all__ = ["HeldOutPixels"]

NUM_PIXELS = 2048
SHARES = 0.01, 0.05
"""How many pixels to hold out, and between which shares of those that count."""

ROUNDS = 2
"""In which pixels are held out, at most; one round must be left to see them."""

MIN_PIXELS = 32
"""Smaller pictures would hold out fewer, which tell little; they hold out none."""

CLEAR = 3.0
"""Standard errors by which another map must be better."""

TEXEL = 0.5
"""Standard deviation of the logarithm of a texel by what is around it."""

TOLERANCE, DARK = 0.03, 0.03
"""Error that a map's resolution excuses, as a share of the light, or of so much of its mean."""


class HeldOutPixels:
    """Pixels of all pictures, chosen at random, but always the same ones.

    Attributes:
        chosen: their numbers.
        pixels: the same where the recording lies.
        until: index of the round that sees all pixels.
        measures: of each pixel held out its squared residual over the variance, and its loss, means
            over the channels, shape (2, pixels); empty before `measure`.
    """

    def __init__(
        self,
        views: Sequence[View],
        pictures: Pictures,
        rounds: int,
        chosen: NDArray[np.int64] | None = None,
    ) -> None:
        """Choose the pixels, none that is clipped; or none at all for a single round.

        Args:
            views: the pictures.
            pictures: the same, as least squares sees them.
            rounds: how often the problem is reweighted.
            chosen: an earlier choice, of which those that count are taken.
        """
        self.until = min(rounds, ROUNDS + 1)
        counts = np.concatenate([_exact_pixels(view).ravel() for view in views])
        pixels = np.flatnonzero(counts)
        least, most = (int(share * len(pixels)) for share in SHARES)
        number = min(max(NUM_PIXELS, least), most)
        number = number if rounds > 1 and number >= MIN_PIXELS else 0
        if chosen is None:
            chosen = np.sort(np.random.default_rng(0).choice(pixels, number, replace=False))
        else:
            chosen = chosen[counts[chosen]]
        library = library_of(pictures.weights)
        self._pictures, self.chosen, self.pixels = pictures, chosen, library.array(chosen)
        self.measures: Any = library.array(np.zeros((2, 0), np.float32))

    @property
    def weights(self) -> Pixels:
        """Weights of the other pixels, shape (pixels of all views, 1)."""
        weights: Pixels = self._pictures.weights.copy()
        weights[self.pixels] = 0
        return weights

    def measure(self, transport: LightTransport, texels: Pixels, predicted: Pixels) -> None:
        """Compare the pixels with what a map predicts that was found without them.

        What the prediction owes to texels that the other pixels do not know well adds to its
        variance: texels are taken for independent, given what is around them.
        """
        if len(self.pixels) == 0:
            return
        pictures, pixels = self._pictures, self.pixels
        variance = elementwise(
            lambda n, r, p, o: (
                n + r + (np.float32(TOLERANCE) * np.maximum(p + o, np.float32(DARK))) ** 2
            ),
            *(pictures.noise(predicted), transport.variance(texels), predicted, pictures.offset),
        )
        precision = elementwise(
            lambda w, v: np.where(w > 0, 1 / v, np.float32(0)), self.weights, variance
        )
        known = texels**2 * transport.gram_diagonal(precision)
        del precision
        of_texels = np.float32(TEXEL**2) * texels**2 / (1 + np.float32(TEXEL**2) * known)
        variance += transport.sum_of_squares(of_texels)
        missing = predicted[pixels] - pictures.observed[pixels]
        squares = np.mean(missing**2 / variance[pixels], axis=1)
        losses = np.mean(pictures.losses_at(pixels, predicted), axis=1)
        self.measures = np.stack([squares, losses])

    def loss(self, predicted: Pixels) -> float:
        """The mean loss of the pixels by a prediction; of all if none is held out."""
        if len(self.chosen) == 0:
            return self._pictures.mean_loss(predicted)
        return float(np.mean(self._pictures.losses_at(self.pixels, predicted)))

    @property
    def result(self) -> HeldOut | None:
        """How well the pixels were predicted; None if there are none, or before `measure`."""
        squares = self.measures[0]
        if len(squares) == 0:
            return None
        return HeldOut(chi2=float(np.mean(squares)), num_pixels=len(squares))

    def are_better_by(self, predicted: Pixels, ratio: float) -> bool:
        """Whether another prediction explains the pixels better, beyond doubt.

        Args:
            predicted: of all pixels.
            ratio: of the losses from which it is better.
        """
        losses = self.measures[1]
        if len(losses) == 0:
            return False
        others = np.mean(self._pictures.losses_at(self.pixels, predicted), axis=1)
        excess = losses - np.float32(ratio) * others
        mean = np.mean(excess)
        variance = np.mean((excess - mean) ** 2)
        return bool(mean > CLEAR * np.sqrt(variance / len(losses)))


def _exact_pixels(view: View) -> NDArray[np.bool_]:
    """Pixels that count, and of which no value is clipped, shape (h, w)."""
    counts = view.weights[:, :, 0] > 0
    return np.asarray(counts & ~view.is_over.any(axis=2) & ~view.is_under.any(axis=2))
