"""How sure a map is: random maps that explain the pictures as well as it does."""

from __future__ import annotations

import functools
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.evidence import Evidence, deviation_of
from envmap_inverse.problem.reduced import ALIKE, ReducedTransport, breadth, precision_of
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns, like, to_host

__all__ = ["Posterior"]

FLOOR = 1e-3
"""Share of the pictures' mean radiance below which texels count as so bright, for logarithms."""

DEGREE = 20
"""Of the harmonics by which maps differ, about 9 degrees; finer detail is left to each texel."""

MAX_PIXELS = 8192
"""Neighbouring pixels are taken together until so many are left."""

BREADTH = 181.0
"""Parts of the sphere at which all pixels of a view would count as one. With this number intervals
of irradiances hold about what they say (`python -m benchmarks --only calibration`)."""

NUM_SAMPLES = 64
"""Maps whose sums show the variance of sums: known to 9 %, as a standard deviation."""

Array = NDArray[Any]


class Posterior:
    """Maps x = x0 exp(u) near a solution x0, u being natural light (see `natural_light`).

    The logarithm u is a sum of spherical harmonics (see `ReducedTransport`), and of finer detail
    that is independent from texel to texel and counts as noise of the pixels.

    Errors of the model, such as that detail, are alike in pixels that see the same light, and more
    pixels do not average them out: pixels that see n parts of the sphere each (see `breadth`) count
    as (181 / n)^2 for a view, however many there are.

    Maps are in units of the pictures' mean radiance. Products with the recording are taken where it
    lies; results are NumPy's.
    """

    def __init__(
        self,
        transport: LightTransport,
        texels: NDArray[np.float32],
        variance: NDArray[np.float32],
        unit: float = 1.0,
    ) -> None:
        """Prepare.

        Args:
            transport: the recording.
            texels: the solution, shape (H * W, 3).
            variance: of each pixel's value, infinite where it does not count, shape (pixels, 3).
            unit: radiance that `texels` count in; what methods return is in radiance.
        """
        self._unit = np.float32(unit)
        self._transport, self._variance = transport, variance
        self._light = np.maximum(texels, np.float32(FLOOR))
        self._texels: NDArray[np.float32] = to_host(self._light)

    @functools.cached_property
    def log_deviation(self) -> NDArray[np.float32]:
        """Standard deviation of the logarithm of each texel, shape (H, W, 3)."""
        return self._as_map(self.evidence.moments[1])

    @functools.cached_property
    def deviation(self) -> NDArray[np.float32]:
        """Standard deviation of each texel, log-normal, in radiance, shape (H, W, 3)."""
        return self._as_map(deviation_of(self._unit * self._texels, *self.evidence.moments))

    def interval(self, probability: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Radiance between which each texel lies with a probability, shapes (H, W, 3)."""
        mean, deviation = self.evidence.moments
        reach = np.float32(NormalDist().inv_cdf((1 + probability) / 2)) * deviation
        texels = self._unit * self._texels
        low, high = (texels * np.exp(mean + part) for part in (-reach, reach))
        return self._as_map(low), self._as_map(high)

    def samples(self, count: int, seed: int) -> NDArray[np.float32]:
        """Maps that explain the pictures, drawn at random, shape (count, H, W, 3)."""
        maps = self._unit * self._texels[:, :, None] * np.exp(self._draws(count, seed))
        width, height = self._transport.resolution
        return np.ascontiguousarray(np.moveaxis(maps, 2, 0).reshape(count, height, width, 3))

    @functools.cached_property
    def some_samples(self) -> NDArray[np.float32]:
        """The same 64 samples whenever asked for, shape (64, H, W, 3)."""
        return self.samples(NUM_SAMPLES, 0)

    def _as_map(self, texels: Array) -> NDArray[np.float32]:
        width, height = self._transport.resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3), np.float32)

    @functools.cached_property
    def evidence(self) -> Evidence:
        """What the pictures tell; on the processor."""
        light = self._light
        own = light**2 * self._transport.gram_diagonal(self._precision)
        forward = self._transport.matvec(as_columns(light))
        together = light * self._transport.rmatvec(self._precision * forward)
        return Evidence(
            waves=self._reduced.waves,
            grams=np.stack([*map(to_host, self._reduced.grams)]),
            own=to_host(own),
            together=to_host(together),
        )

    def _draws(self, count: int, seed: int) -> NDArray[np.float32]:
        """Logarithms u without the finer detail, shape (H * W, 3, count).

        A draw is the change nearest to a random one of pictures and map: randomize,
        then optimize (Bardsley et al. 2014).
        """
        generator = np.random.default_rng(seed)
        wanted = generator.standard_normal((self._reduced.size, count))
        noise = [
            generator.standard_normal((len(w), count)) / np.sqrt(w)[:, None]
            for w in map(to_host, self._reduced.weights)
        ]
        moved = [like(part, self._light) for part in (wanted, *noise)]
        drawn: NDArray[np.float32] = to_host(
            self._reduced.waves.logs(self._reduced.nearest(moved[0], moved[1:]))
        )
        return drawn

    @functools.cached_property
    def _reduced(self) -> ReducedTransport:
        return ReducedTransport(
            self._transport,
            self._light,
            self._precision,
            degree=DEGREE,
            max_pixels=MAX_PIXELS,
        )

    @functools.cached_property
    def _precision(self) -> NDArray[np.float32]:
        pixels_of_view = self._transport.shape[0] / len(self._transport.image_sizes)
        share = (breadth(self._transport) / BREADTH) ** 2
        alike = np.maximum(ALIKE, np.float32(pixels_of_view) * share)
        return precision_of(self._transport, self._light, self._variance, alike)
