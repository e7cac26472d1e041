"""Fit the outline of a ball to where its texture ends. NumPy and SciPy only.

A mirror shows all that is round it, pressed together towards its rim: across the rim, a picture
varies much within, most on the outline itself if there is an edge, and less outside. Every ray from
the centre is divided at the outline into the three; how much pictures vary in each, which is taken
to be distributed exponentially, and the outline are found by greatest likelihood.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Channel", "fit_rim", "sampled"]

Array = NDArray[Any]

STEP = 0.25
"""Pixels from one sample of a ray to the next."""

AROUND = 4.0
"""Pixels further in and out than the outline may move that are looked at."""

EDGE = (-1.25, 1.25)
"""Pixels from the outline between which the edge lies: beyond it, a sharp picture shows nothing of
what is on the other side."""

NEIGHBOURHOOD = 3.0
"""Pixels along a ray in whose brightest light slopes are measured."""

FLOOR = 0.01
"""Added to lights before slopes are compared with them, as a share of white."""

STEEP = 0.6
"""Shares of the light per pixel; slopes that are steeper count no more."""

LEAST_SPREAD, LEAST_OUTSIDE = 5e-3, 0.1
"""Mean slopes are taken to be at least so much, and outside at least this share of the edge's."""

ALIKE = 4.0
"""Samples along a ray that count as one, as blur makes them alike."""

MOST = 5.0
"""Log likelihood of a ray by which it can count against an outline: some rays show other edges."""

OUTSIDE = 1.0
"""Log likelihood of a ray by which a pixel beyond the picture counts against an outline there."""

ROUNDS, LAPS = 3, 2
"""How often rays are sampled anew, and how often what they show is compared with an outline."""

SECTOR, UNEVEN = 0.03, 0.1
"""Share of the circle within which edges should be as steep as all round; and by which share of the
mean they are taken to be steeper than they are, as where there is no edge, noise is not one."""

TAIL = 2.15
"""Where slopes have fallen to half of the edge's lies beyond the outline by so many times what it
takes them to fall to a quarter: true for blurred steps as for texture that ends."""

SIZES, MAX_MOVES = (1.0, 0.4, 0.15, 0.05, 0.015), 8
"""Pixels of steps towards the likeliest outline, and the most of each size."""

DIRECTIONS = np.array(list(product((-1, 0, 1), repeat=3)), np.float64)
STAY = len(DIRECTIONS) // 2
"""Steps right, down and wider, and which of them is none."""

Circle = tuple[float, float, float]


@dataclass(frozen=True, kw_only=True)
class Channel:
    """One colour of a picture.

    Attributes:
        light: shape (h, w), 1 being white.
        x: pixels by which what it shows lies further to the right than in the first picture.
        y: the same downwards.
    """

    light: Array
    x: float = 0.0
    y: float = 0.0


def fit_rim(
    channels: Sequence[Channel],
    circle: Circle,
    *,
    inwards: float,
    outwards: float,
    rounds: int = ROUNDS,
) -> Circle:
    """Move a circle to the outline of a ball near it.

    Args:
        channels: of all pictures, which may differ in exposure, size and place.
        circle: x, y and radius in pixels of the first picture.
        inwards: pixels by which the outline may lie within the circle.
        outwards: pixels by which it may lie outside.
        rounds: how often rays are sampled anew.

    Returns:
        x, y and radius of the outline; the given ones if nothing is seen of it.
    """
    for turn in range(rounds):
        reach = (inwards, outwards) if turn == 0 else (2.0, 2.0)
        rays = _Rays.sampled(channels, circle, *reach)
        if rays is None:
            return circle
        x, y, wider = (rays.evened() if turn else rays).outline()
        circle = circle[0] + x, circle[1] + y, max(circle[2] + wider, 2.0)
    rays = _Rays.sampled(channels, circle, 2.0, 2.0)
    return circle if rays is None else (*circle[:2], circle[2] + rays.off())


def sampled(picture: Array, x: Array, y: Array) -> Array:
    """Bilinear values of a picture at places in pixels from its corner."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    return np.asarray(ndimage.map_coordinates(picture, [y - 0.5, x - 0.5], order=1, mode="nearest"))


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rays:
    """Slopes along rays across a circle.

    Attributes:
        slopes: shares of the light per pixel, shape (angles, steps); 0 where nothing is seen.
        is_seen: where pictures show the rays.
        steps: pixels outwards from the circle.
        places: those of them on which the outline may lie.
        angles: of the rays.
    """

    slopes: Array
    is_seen: Array
    steps: Array
    places: Array
    angles: Array

    @classmethod
    def sampled(
        cls, channels: Sequence[Channel], circle: Circle, inwards: float, outwards: float
    ) -> _Rays | None:
        """Sample the rays of a circle; None if they are not seen, or the circle is too small."""
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        x, y, radius = circle
        if not np.isfinite(radius) or radius < 2:
            return None
        inwards = min(inwards, radius / 3)
        places = np.arange(-inwards, outwards + STEP, STEP)
        margin = np.arange(STEP, AROUND + STEP, STEP)
        steps = np.concatenate([places[0] - margin[::-1], places, places[-1] + margin])
        steps = steps[radius + steps > 0]
        count = int(np.clip(2 * np.pi * radius, 64, 360))
        angles = 2 * np.pi * (np.arange(count) + 0.5) / count
        away = radius + steps
        columns, rows = x + np.outer(np.cos(angles), away), y + np.outer(np.sin(angles), away)
        squares, is_seen = np.zeros(columns.shape), np.zeros(columns.shape, bool)
        width = 2 * round(NEIGHBOURHOOD / STEP) + 1
        for channel in channels:
            right, down = columns + channel.x, rows + channel.y
            light = sampled(channel.light, right, down)
            bright = ndimage.maximum_filter1d(light, width, axis=1) + FLOOR
            height, breadth = channel.light.shape
            inside = (right > 1) & (down > 1) & (right < breadth - 1) & (down < height - 1)
            squares += np.where(inside, np.gradient(light, STEP, axis=1) / bright, 0) ** 2
            is_seen |= inside
        if not is_seen.any():
            return None
        return cls(
            slopes=np.sqrt(squares),
            is_seen=is_seen,
            steps=steps,
            places=places,
            angles=angles,
        )

    def outline(self) -> Circle:
        """How much further right and down, and how much wider, the outline is than the circle."""
        sums = self._divided(np.minimum(self.slopes, STEEP) * self.is_seen)
        counts = self._divided(self.is_seen.astype(np.float64))
        beyond = self._beyond()
        middle = min(max(0.0, self.places[0]), self.places[-1])
        best = np.array([0.0, 0.0, middle])
        for lap in range(LAPS):
            spreads = self._spreads(sums, counts, best)
            losses = sum(
                count * np.log(spread) + total / spread
                for total, count, spread in zip(sums, counts, spreads, strict=True)
            )
            losses = (losses - losses.min(axis=1, keepdims=True)) / ALIKE
            losses = MOST * (1 - np.exp(-losses / MOST)) + beyond
            if lap == 0:
                best[2] = self.places[int(np.argmin(losses.mean(axis=0)))]
            best = self._least(losses, best)
        right, down, wider = map(float, best)
        return right, down, float(np.clip(wider, self.places[0], self.places[-1]))

    def evened(self) -> _Rays:
        """Rays whose slopes on the edge are alike all round."""
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        near = (self.steps > EDGE[0]) & (self.steps < EDGE[1])
        edge = (self.slopes * self.is_seen)[:, near].mean(axis=1)
        local = ndimage.gaussian_filter1d(edge, SECTOR * len(edge), mode="wrap")
        share = edge.mean() / (local + UNEVEN * edge.mean() + 1e-9)
        return replace(self, slopes=self.slopes * share[:, None])

    def off(self) -> float:
        """Pixels by which the radius is off, to judge by how slopes end on average.

        Blur moves the end of what a ball shows outwards, and makes it less sudden.
        """
        with np.errstate(invalid="ignore"):
            mean = np.sum(self.slopes * self.is_seen, axis=0) / np.sum(self.is_seen, axis=0)
        mean = np.where(np.isfinite(mean), mean, 0)
        mean -= np.median(mean[self.steps > EDGE[1] + 1])
        near = abs(self.steps) < EDGE[1]
        peak = int(np.flatnonzero(near)[np.argmax(mean[near])])
        ends = [self._fallen(mean, peak, share) for share in (0.5, 0.25)]
        if not np.isfinite(ends).all():
            return 0.0
        return float(np.clip(ends[0] - TAIL * (ends[1] - ends[0]), *EDGE))

    def _fallen(self, mean: Array, peak: int, share: float) -> float:
        """Where the mean slope falls to a share of its peak; NaN if it does not."""
        level = share * mean[peak]
        below = np.flatnonzero(mean[peak:] <= level)
        if not len(below) or below[0] == 0:
            return np.nan
        after = peak + int(below[0])
        part = (mean[after - 1] - level) / (mean[after - 1] - mean[after])
        return float(self.steps[after - 1] + part * STEP)

    def _beyond(self) -> Array:
        """What counts against an outline out of the picture, unless most of it must be there."""
        first = int(np.searchsorted(self.steps, self.places[0] - 1e-9))
        is_out = ~self.is_seen[:, first : first + len(self.places)]
        pixels = STEP * np.cumsum(is_out, axis=1)
        return OUTSIDE * np.where(is_out[:, :1], 0, pixels)

    def _divided(self, values: Array) -> list[Array]:
        """Sums of values inside the edge, on it and outside, for the outline at each place."""
        sums = np.concatenate([np.zeros((len(values), 1)), np.cumsum(values, axis=1)], axis=1)
        inner, outer = (np.searchsorted(self.steps, self.places + end - 1e-9) for end in EDGE)
        return [sums[:, inner], sums[:, outer] - sums[:, inner], sums[:, -1:] - sums[:, outer]]

    def _spreads(
        self, sums: Sequence[Array], counts: Sequence[Array], move: Array
    ) -> tuple[float, float, float]:
        """Mean slopes inside, on the edge and outside, by an outline."""
        inside, edge, outside = (
            max(self._at(total, move).sum() / max(self._at(count, move).sum(), 1), LEAST_SPREAD)
            for total, count in zip(sums, counts, strict=True)
        )
        edge = max(edge, inside)
        return inside, edge, max(outside, LEAST_OUTSIDE * edge)

    def _least(self, losses: Array, move: Array) -> Array:
        """The outline of least loss near one, by steps that become smaller (Hooke and Jeeves)."""
        for size in SIZES:
            for _ in range(MAX_MOVES):
                moves = move + size * DIRECTIONS
                best = int(np.argmin(self._at(losses, moves).mean(axis=1)))
                move = moves[best]
                if best == STAY:
                    break
        return np.asarray(move)

    def _at(self, table: Array, moves: Array) -> Array:
        """Values of a table (angles, places) on outlines (..., 3): (..., angles)."""
        waves = np.stack([np.cos(self.angles), np.sin(self.angles), np.ones(len(self.angles))])
        place = np.clip((moves @ waves - self.places[0]) / STEP, 0, len(self.places) - 1.001)
        low = place.astype(np.intp)
        rows, part = np.arange(len(table)), place - low
        return np.asarray(table[rows, low] * (1 - part) + table[rows, low + 1] * part)
