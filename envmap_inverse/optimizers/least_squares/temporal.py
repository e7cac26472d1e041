"""How the maps of successive frames are tied, and where the pictures have changed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.priors import Quadratic, Tikhonov, Weight

__all__ = ["LEAST_GAIN", "Changes", "Temporal", "gain_of"]

LEAST_GAIN = 0.2
"""Share that a new frame has in a map where nothing changes."""

CERTAIN = 4.0
"""A square of a change, over the variance of noise, up to which it may be noise."""

FLOOR = 0.003
"""Deviation of a pixel, as a share of its light, however little noise there is."""

DARK = 0.01
"""Share of the pictures' mean below which light counts as so bright for that."""

STRONG, SURE = 1.5, 25.0
"""A factor of a pixel's light that no small step of the map gives, and the square of that change
over the variance of noise from which it is none."""

OF_DIFFERENCE = 1 + LEAST_GAIN / (2 - LEAST_GAIN)
"""Variance of a frame less a running mean of others, over that of a frame."""

LEARNING, MOST = np.float32(0.25), np.float32(9)
"""Share of a new change in a pixel's noise, and the most that it counts for, over that noise."""

NOISIEST = np.float32(0.5)
"""Deviation of a pixel, as a share of the darker of two frames, that is noise at most."""

CHANCE = 4.0
"""Standard deviations of a median, about, within which it may differ by chance."""

SKIP = 5
"""Every so many pixels are enough for a median."""

FACTORS = 0.1, 10.0
"""Of all light, from one frame to the next."""

WINDOW = 9
"""Pixels on a side of the surroundings that may change together."""

LEAST_NOISE = np.float32(0.05)
"""Share of the variance by the noise model that is always left."""

Pixels = NDArray[Any]
"""Shape (pixels of all views, 3)."""


@dataclass(frozen=True, kw_only=True)
class Temporal:
    """Ties the map of each frame to that of the frame before, by relative differences.

    Mean over the sphere and the channels of weight (x - last)^2 / max(x, last)^2. The maximum is
    the larger of the means over the channels; it has no gradient.

    With "auto" the weight follows from the pictures, texel by texel, as in a Kalman filter that
    takes its process noise from the innovations (Mehra 1970): the n-th frame since a change counts
    for 1 / n beside those before it, and for a fifth at least; where the pictures change by q
    times the variance that noise gives them, it counts for 1 - 4 / q. A factor by which most of the
    light changes is followed at once.

    Attributes:
        weight: how much it counts beside the loss, or "auto".

    Example:
        >>> twice = np.full((8, 16, 3), 2.0)
        >>> round(ei.Temporal(weight=1.0).energy(twice, twice / 2), 6)
        0.25
    """

    weight: Weight = "auto"

    def __post_init__(self) -> None:
        """Check the number."""
        self._tie()

    def energy(self, texels: ArrayLike, last: ArrayLike) -> float:
        """Energy of a map, by the formula above; the weight must be a number.

        Args:
            texels: the map, shape (H, W, 3).
            last: the map of the frame before, of the same shape.
        """
        return self._tie().energy(texels, last)

    def quadratic(self, texels: NDArray[np.float32], last: NDArray[np.float32]) -> Quadratic:
        """The quadratic form with the same gradient at a map; see `Prior`."""
        return self._tie().quadratic(texels, last)

    def _tie(self) -> Tikhonov:
        return Tikhonov(weight=self.weight)


def gain_of(excess: NDArray[Any]) -> NDArray[Any]:
    """Share that a new frame has in an estimate, from LEAST_GAIN to 1.

    Args:
        excess: squares of the changes over the variance that noise gives them.
    """
    gain: NDArray[Any] = np.maximum(LEAST_GAIN, 1 - CERTAIN / np.maximum(excess, CERTAIN))
    return gain


class Changes:
    """Compares each frame with the running mean of those before it, pixel by pixel.

    The noise of a pixel starts as that of its picture and of a rendering of as many paths as were
    recorded, and follows how much the pixel has changed from frame to frame. A change that is
    larger by far raises it only a little: so the noise of edges and of few paths is learned, while
    a light that passes is not. Neighbouring pixels that change alike are no noise.

    Attributes:
        excess: squares of the changes over the variance of noise, shape (pixels, 3).
        is_strong: which pixels have changed by a large factor, shape (pixels, 3).
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int]],
        observed: Pixels,
        noise: Pixels,
        recorded: Pixels,
    ) -> None:
        """Start with the first frame.

        Args:
            shapes: (h, w) of each view.
            observed: its light, in units of its mean.
            noise: variance of that by the noise models.
            recorded: variance of the recording.
        """
        self._shapes, self._mean = shapes, observed
        self._usual: Pixels = 1 + recorded / _least_variance(observed, noise)
        self.excess: Pixels = np.zeros_like(observed)
        self.is_strong: Pixels = np.zeros(observed.shape, bool)

    def add(self, observed: Pixels, noise: Pixels, counts: Pixels) -> None:
        """Compare the next frame.

        Args:
            observed: its light.
            noise: variance of that by the noise models.
            counts: which values count.
        """
        light, before = (np.maximum(array, np.float32(DARK)) for array in (observed, self._mean))
        change = observed - self._mean
        variance = np.float32(OF_DIFFERENCE) * _least_variance(self._mean, noise)
        squares = np.where(counts, change**2 / variance, np.float32(0))
        most = (NOISIEST * np.minimum(light, before)) ** 2 / variance
        usual = np.minimum(self._usual, np.maximum(most, LEAST_NOISE))
        alone = squares / usual
        self.excess = np.maximum(alone, self._together(np.sign(change) * np.sqrt(alone)))
        factor = np.maximum(light, before) / np.minimum(light, before)
        self.is_strong = (alone > SURE) & (factor > STRONG)
        learned = np.minimum(squares, MOST * self._usual) - self._usual
        self._usual = np.maximum(self._usual + np.float32(LEARNING) * learned, LEAST_NOISE)
        self._mean = self._mean + gain_of(self.excess) * change

    def common_factor(self, observed: Pixels, counts: Pixels) -> NDArray[np.float32]:
        """The factor of each channel by which most of the light has changed, shape (3,).

        The mean of the frames before takes it, too: what is left are the changes beside it.
        """
        now, before = observed[::SKIP], self._mean[::SKIP]
        lit = counts[::SKIP] & (before > DARK)
        factors = np.ones(3, np.float32)
        for channel in range(3):
            pixels = lit[:, channel]
            if pixels.any():
                factors[channel] = _common(now[pixels, channel] / before[pixels, channel])
        self._mean = self._mean * factors
        return factors

    def _together(self, changes: Pixels) -> Pixels:
        """Excess of neighbouring pixels, shape (pixels, 1), from their changes in deviations."""
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        ends = np.cumsum([height * width for height, width in self._shapes])[:-1]
        parts = np.split(changes.mean(axis=1), ends)
        means = [
            ndimage.uniform_filter(part.reshape(shape), WINDOW).ravel()
            for part, shape in zip(parts, self._shapes, strict=True)
        ]
        found: Pixels = np.float32(WINDOW**2 / 2) * np.concatenate(means)[:, None] ** 2
        return found

    def state(self) -> Mapping[str, NDArray[Any]]:
        """The arrays from which it goes on."""
        return {"mean": self._mean, "usual": self._usual}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Go on from a `state`."""
        self._mean, self._usual = state["mean"], state["usual"]


def _common(ratios: NDArray[Any]) -> float:
    """The median of ratios, or 1 if it may be that by chance."""
    middle = float(np.median(ratios))
    spread = 1.48 * float(np.median(np.abs(ratios - middle)))  # of normal numbers
    is_chance = abs(middle - 1) < CHANCE * spread / len(ratios) ** 0.5
    return 1.0 if is_chance else float(np.clip(middle, *FACTORS))


def _least_variance(light: Pixels, noise: Pixels) -> Pixels:
    """Variance of pixels, and of what nobody would call a change."""
    return noise + (np.float32(FLOOR) * np.maximum(light, np.float32(DARK))) ** 2
