"""Find the outline of a ball in pictures. NumPy and SciPy only.

In small versions of the pictures, gradients of the logarithm of the light, put together over
colours and exposures, vote for circles (Hough transform with gradient directions: Ballard,
"Generalizing the Hough transform", 1981). The best ones are fitted to where the picture's texture
ends, in larger and larger versions; the one across which they are steepest, beside its
surroundings, stands.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.rims import Channel, fit_rim, sampled
from envmap_inverse.sphere.votes import voted

__all__ = ["Circle", "Look", "find_circle", "refined_circle"]

Array = NDArray[Any]

COARSE_SIDE, MIDDLE_SIDE = 160, 480
"""Longer side in pixels of the pictures that votes are counted on, and circles compared."""

FINE_RADIUS = 256
"""Pixels of the radius from which pictures are averaged down to be fitted to."""

FLOOR = 0.01
"""Added to luminances before the logarithm, as a share of the brightest: noise makes no edges."""

NUM_SETTLED, NUM_REFINED = 18, 5
"""Candidates that are fitted in the smallest pictures, and in larger ones."""

MIN_SIGNIFICANCE, MIN_SIGNIFICANCE_NEAR = 6.0, 2.0
"""Standard deviations by which edges on a circle must exceed those beside it."""

MIN_SEEN = 0.55
"""Share of a circle that must lie in the picture."""

INWARDS, OUTWARDS = 0.03, 0.12
"""Shares of the radius within and outside a candidate where the outline is looked for: what is
mirrored near the rim makes rings inside."""

NEAR = 0.015
"""The same where the outline is known from another picture."""

CORRELATED = 3.0
"""Pixels along a circle over which slopes are alike by chance."""

STEEP = 0.5
"""Slopes of the logarithm per pixel that are steeper count no more."""


@dataclass(frozen=True, kw_only=True)
class Circle:
    """A circle in a picture, in pixels from the upper left corner of the picture.

    The centre of the first pixel is (0.5, 0.5).

    Attributes:
        x: of the centre, to the right.
        y: of the centre, down.
        radius: positive.
        significance: how much steeper the picture is across it than across circles beside it, in
            standard deviations; infinite if it was not found, but given.
    """

    x: float
    y: float
    radius: float
    significance: float = math.inf

    def overhang(self, width: int, height: int) -> float:
        """Pixels by which it sticks out of a picture; negative if it lies within."""
        sides = (self.x, self.y, width - self.x, height - self.y)
        return self.radius - min(sides)

    def scaled(self, factor: float) -> Circle:
        """The circle in a picture that is so many times as large."""
        return replace(self, x=self.x * factor, y=self.y * factor, radius=self.radius * factor)


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """A picture in which a ball is looked for.

    Attributes:
        image: linear RGB, shape (h, w, 3).
        white: value from which it is clipped; None if it is not.
        x: pixels by which what it shows lies further to the right than in the first picture.
        y: the same downwards.
    """

    image: Array
    white: float | None
    x: float = 0.0
    y: float = 0.0

    def channels(self, factor: int = 1) -> list[Channel]:
        """Its colours, 1 where clipped, of pixels that are so many times larger."""
        image = _averaged(self.image, factor)
        # As a picture that is not clipped has a lamp or two that are much brighter than all else.
        top = float(np.quantile(image, 0.99)) if self.white is None else self.white
        shares = np.clip(image / np.float32(top or 1), 0, 1)
        return [
            Channel(light=np.ascontiguousarray(plane), x=self.x / factor, y=self.y / factor)
            for plane in np.moveaxis(shares, 2, 0)
        ]


def find_circle(looks: Sequence[Look], near: Circle | None = None) -> Circle | None:
    """Find the outline of a ball in pictures of the same size by the same camera.

    Args:
        looks: the pictures; their exposures may differ, and they may be shifted by some pixels.
        near: about where it is, as found in clearer pictures; None to look everywhere.

    Returns:
        The circle, which may stick out of the pictures; None if none is supported by edges.
    """
    side = max(looks[0].image.shape[:2])
    middle = _Level.of(looks, max(1, round(side / MIDDLE_SIDE)))
    if near is None:
        coarse = _Level.of(looks, max(1, round(side / COARSE_SIDE)))
        candidates, (inwards, outwards) = _candidates(coarse), (INWARDS, OUTWARDS)
    else:
        candidates, (inwards, outwards) = [near], (NEAR, NEAR)
    fitted = [middle.fitted(circle, inwards, outwards) for circle in candidates]
    best = max(fitted, key=_significance, default=None)
    least = MIN_SIGNIFICANCE if near is None else MIN_SIGNIFICANCE_NEAR
    if best is None or best.significance < least:
        return None
    return refined_circle(looks, best) if middle.factor > 1 else best


def refined_circle(looks: Sequence[Look], circle: Circle) -> Circle:
    """Fit a circle that is right to a pixel or two to pictures together.

    Args:
        looks: the pictures, which may differ in size and place.
        circle: in the first of them, or where that has no shift.
    """
    factor = max(1, int(circle.radius / FINE_RADIUS))
    reach = max(2.0, 1.5 * max(looks[0].image.shape[:2]) / MIDDLE_SIDE / factor)
    channels = [channel for look in looks for channel in look.channels(factor)]
    start = circle.scaled(1 / factor)
    x, y, radius = fit_rim(
        channels, (start.x, start.y, start.radius), inwards=reach, outwards=reach
    )
    return replace(start, x=x, y=y, radius=radius).scaled(factor)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Level:
    """Pictures averaged down.

    Attributes:
        channels: their colours.
        tensor: squares of slopes across and down, and their product, of the logarithms of all
            colours added up; shape (3, h, w).
        factor: size in pixels of their pixels.
    """

    channels: list[Channel]
    tensor: Array
    factor: int

    @classmethod
    def of(cls, looks: Sequence[Look], factor: int) -> _Level:
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        channels = [channel for look in looks for channel in look.channels(factor)]
        tensor = np.zeros((3, *channels[0].light.shape))
        for channel in channels:
            log = np.log(ndimage.gaussian_filter(channel.light, 0.7) + FLOOR)
            down, across = np.gradient(log)
            tensor += across**2, across * down, down**2
        return cls(channels=channels, tensor=tensor, factor=factor)

    def fitted(self, circle: Circle, inwards: float, outwards: float, rounds: int = 3) -> Circle:
        """A circle fitted to where texture ends, by shares of the radius at most, and judged."""
        start = circle.scaled(1 / self.factor)
        found = fit_rim(
            self.channels,
            (start.x, start.y, start.radius),
            inwards=max(inwards * start.radius, 2.0),
            outwards=max(outwards * start.radius, 2.0),
            rounds=rounds,
        )
        return self.judged(*found)

    def judged(self, x: float, y: float, radius: float) -> Circle:
        """A circle, of the whole pictures, with its significance.

        The mean slope across circles of the same centre, as function of the radius, has a peak at
        an outline (Daugman, "High confidence visual recognition of persons", 1993).
        """
        reach = max(0.15 * radius, 4.0)
        steps = np.arange(-reach, reach + 0.25, 0.5)
        angle = 2 * np.pi * (np.arange(np.clip(2 * np.pi * radius, 64, 180))[:, None] + 0.5)
        angle /= len(angle)
        cosine, sine = np.cos(angle), np.sin(angle)
        columns, rows = x + cosine * (radius + steps), y + sine * (radius + steps)
        across, mixed, down = (sampled(plane, columns, rows) for plane in self.tensor)
        squares = cosine**2 * across + 2 * cosine * sine * mixed + sine**2 * down
        height, width = self.tensor.shape[1:]
        visible = (columns > 1) & (rows > 1) & (columns < width - 1) & (rows < height - 1)
        steepness = np.sqrt(np.clip(squares, 0, STEEP**2)) * visible
        found = Circle(x=x, y=y, radius=radius, significance=0.0).scaled(self.factor)
        middle = abs(steps) <= 1.0
        if visible[:, middle].mean() < MIN_SEEN:
            return found
        usual = steepness.sum(axis=0) / np.maximum(visible.sum(axis=0), 1)
        away = max(2.0, 0.05 * radius)
        beside = (np.median(usual[steps < -away]) + np.median(usual[steps > away])) / 2
        excess = usual[middle].max() - beside
        noise = float(np.std(steepness[visible])) + 0.01
        count = 2 * np.pi * radius / CORRELATED * visible[:, middle].mean()
        return replace(found, significance=float(excess / noise * count**0.5))


def _candidates(level: _Level) -> list[Circle]:
    """The most significant circles by votes, though perhaps rings inside the outline."""
    judged = [level.judged(*circle) for circle in voted(level.tensor)]
    likely = sorted(judged, key=_significance, reverse=True)[:NUM_SETTLED]
    settled = [level.fitted(circle, INWARDS, OUTWARDS, rounds=1) for circle in likely]
    return sorted(settled, key=_significance, reverse=True)[:NUM_REFINED]


def _significance(circle: Circle) -> float:
    return circle.significance


def _averaged(image: Array, factor: int) -> Array:
    """An image of pixels that are so many times larger."""
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape[:2])
    parts = image[: height * factor, : width * factor].reshape(height, factor, width, factor, -1)
    return np.asarray(parts.mean(axis=(1, 3), dtype=np.float32))
