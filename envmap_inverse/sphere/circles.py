"""Find the outline of a ball in pictures. NumPy and SciPy only.

Gradients of the logarithm of the luminance, added up over the exposures of a bracket, vote for
circles (Hough transform with gradient directions: Ballard, "Generalizing the Hough transform",
1981). Of the best ones each is refined by least squares to the strongest edges across it; points
off the circle lose their weight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.rims import fit_rim

__all__ = ["Circle", "find_circle"]

Array = NDArray[Any]

COARSE_SIDE = 160
"""Longer side in pixels of the pictures that votes are counted on."""

FLOOR = 0.01
"""Added to luminances before the logarithm, as a share of the brightest: noise makes no edges."""

MAX_EDGES = 4000
"""Pixels that vote."""

MIN_RADIUS, SIZE_RATIO = 5.0, 1.5
"""Smallest radius in pixels of the coarse picture, and from one range of radii to the next."""

NUM_OF_SIZE, NUM_REFINED = 16, 6
"""Candidates of each range of radii, and those of all that are refined."""

MIN_SIGNIFICANCE, MIN_SIGNIFICANCE_NEAR = 6.0, 2.0
"""Standard deviations by which edges on a circle must exceed those beside it."""

NUM_ANGLES = 360
MIN_SEEN = 0.55
"""Share of a circle that must lie in the picture."""

STARTS = tuple(np.linspace(-0.03, 0.08, 12))
"""Shares of the radius further out where the outline is looked for: what is mirrored near the rim
makes rings inside."""

SLIGHT = 0.05
"""Share of the radius: a circle that sticks out by less is moved and shrunk into the picture."""

STARTS_NEAR = (-0.01, 0.0, 0.01)
"""The same where the outline is known from another picture."""

FAINT = 0.15
"""Slopes that are steeper count no more there: an outline is an edge all round, a lamp in part."""

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


def find_circle(
    images: Sequence[Array], whites: Sequence[float | None], near: Circle | None = None
) -> Circle | None:
    """Find the outline of a ball in pictures of the same size by the same camera.

    Args:
        images: linear RGB, shape (h, w, 3) each; their exposures may differ.
        whites: the value from which each is clipped; None if it is not.
        near: about where it is, as found in clearer pictures; None to look everywhere.

    Returns:
        The circle, which may stick out of the pictures; None if none is supported by edges.
    """
    lights = [
        channel
        for image, white in zip(images, whites, strict=True)
        for channel in _channels(image, white)
    ]
    fine = [_logarithm(light, 0.7) for light in lights]
    starts = STARTS if near is None else STARTS_NEAR
    chosen = _settled(fine, near or _chosen(lights, fine), starts)
    chosen = _at_rim(lights, _refined(lights, fine, chosen, (1.0, 1.0)))
    least = MIN_SIGNIFICANCE if near is None else MIN_SIGNIFICANCE_NEAR
    return chosen if chosen.significance >= least else None


def _at_rim(lights: Sequence[Array], circle: Circle) -> Circle:
    """The circle moved to where the mirror's texture ends, if that marks its outline inside."""
    logs = [np.log(light + FLOOR) for light in lights]
    x, y, radius = map(float, fit_rim(logs, np.array([circle.x, circle.y, circle.radius])))
    moved = replace(circle, x=x, y=y, radius=radius)
    height, width = lights[0].shape
    is_inside = moved.overhang(width, height) <= max(circle.overhang(width, height), 0.5)
    return moved if is_inside else circle


def _chosen(lights: Sequence[Array], fine: Sequence[Array]) -> Circle:
    """The most significant circle, though perhaps a ring inside the outline."""
    factor = max(1.0, max(lights[0].shape) / COARSE_SIDE)
    small = [_reduced(light, factor) for light in lights]
    coarse = [_logarithm(light, 1.0) for light in small]
    judged = [_judged(coarse, circle) for circle in _voted(coarse)]
    likely = sorted(judged, key=_rank)[: 3 * NUM_REFINED]
    settled = [_judged(coarse, _settled(coarse, circle, (0.0,))) for circle in likely]
    best = sorted(settled, key=_rank)[:NUM_REFINED]
    reaches = max(2.5 * factor, 3), max(1.5 * factor, 2.5), 2.0, 1.5
    return min((_refined(lights, fine, _scaled(c, factor), reaches) for c in best), key=_rank)


def _rank(circle: Circle) -> float:
    return -circle.significance


def _logarithm(light: Array, sigma: float) -> Array:
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    return np.asarray(np.log(ndimage.gaussian_filter(light, sigma) + FLOOR))


def _scaled(circle: Circle, factor: float) -> Circle:
    return Circle(x=circle.x * factor, y=circle.y * factor, radius=circle.radius * factor)


def _channels(image: Array, white: float | None) -> list[Array]:
    """Red, green and blue, 1 where clipped, or from the 99th percentile if they are not."""
    top = float(np.quantile(image, 0.99)) if white is None else white
    shares = np.clip(image / (top or 1), 0, 1).astype(np.float64)
    return [shares[:, :, channel] for channel in range(3)]


def _reduced(light: Array, factor: float) -> Array:
    """A smaller picture, its pixels the means of about what they cover."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    if factor == 1:
        return light
    smooth = ndimage.gaussian_filter(light, 0.4 * factor)
    height, width = (int(side / factor) for side in light.shape)
    rows, columns = (
        (np.arange(height) + 0.5) * factor - 0.5,
        (np.arange(width) + 0.5) * factor - 0.5,
    )
    return np.asarray(
        ndimage.map_coordinates(
            smooth, np.meshgrid(rows, columns, indexing="ij"), order=1, mode="nearest"
        )
    )


def _voted(logs: Sequence[Array]) -> list[Circle]:
    """The circles of each size with most votes."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    height, width = logs[0].shape
    radii = np.arange(MIN_RADIUS, 0.62 * max(height, width))
    votes = np.zeros((len(radii), height * width))
    for log in logs:
        _vote(votes, radii, log)
    votes = ndimage.gaussian_filter(votes.reshape(-1, height, width), (0.7, 1, 1))
    peaks = votes * (votes == ndimage.maximum_filter(votes, 5))
    sizes = np.floor(np.log(radii / MIN_RADIUS) / np.log(SIZE_RATIO) + 1e-9)
    found = []
    for size in np.unique(sizes):
        of_size = np.where((sizes == size)[:, None, None], peaks, 0)
        order = np.argpartition(of_size, -NUM_OF_SIZE, axis=None)[-NUM_OF_SIZE:]
        for k, y, x in zip(*np.unravel_index(order, votes.shape), strict=True):
            found.append(Circle(x=x + 0.5, y=y + 0.5, radius=float(radii[k])))
    return found


def _vote(votes: Array, radii: Array, log: Array) -> None:
    """Add the votes of a picture's edges for centres at each radius, on either side of an edge."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    down, across = np.gradient(log)
    steepness = np.hypot(across, down)
    ridge = steepness >= 0.95 * ndimage.maximum_filter(steepness, 3)
    order = np.argsort(np.where(ridge, steepness, 0), axis=None)[::-1][:MAX_EDGES]
    y, x = np.unravel_index(order[steepness.ravel()[order] > 0.01], log.shape)
    slope = steepness[y, x]
    right, below = across[y, x] / slope, down[y, x] / slope
    weight = np.minimum(slope, FAINT)
    height, width = log.shape
    for number, radius in enumerate(radii):
        for side in (-radius, radius):
            column, row = np.rint(x + side * right), np.rint(y + side * below)
            inside = (column >= 0) & (column < width) & (row >= 0) & (row < height)
            place = (row * width + column)[inside].astype(np.intp)
            votes[number] += np.bincount(place, weight[inside], height * width)


def _judged(logs: Sequence[Array], circle: Circle) -> Circle:
    """The circle with its significance, after a step to the steepest radius near it.

    The mean slope across circles of the same centre, as function of the radius, has a peak at an
    outline (Daugman, "High confidence visual recognition of persons", 1993).
    """
    reach = max(0.15 * circle.radius, 4.0)
    steps = np.arange(-reach, reach + 0.25, 0.5)
    slopes, x, y = _slopes(logs, circle, steps)
    height, width = logs[0].shape
    visible = (x > 0) & (y > 0) & (x < width) & (y < height)
    steepness = np.sqrt(np.minimum(np.sum(np.square(slopes), axis=0), STEEP**2))
    middle = abs(steps) <= max(1.0, 0.03 * circle.radius)
    usual = np.mean(steepness, axis=0, where=visible)
    peak = int(np.argmax(np.where(middle, usual, -1)))
    beside = abs(steps - steps[peak]) > max(2.0, 0.05 * circle.radius)
    better = replace(circle, radius=circle.radius + float(steps[peak]))
    if visible[:, peak].mean() < MIN_SEEN:
        return replace(better, significance=0.0)
    excess = usual[peak] - np.median(usual[beside])
    noise = float(np.std(steepness[visible])) + 0.01
    count = 2 * np.pi * circle.radius / CORRELATED * visible[:, peak].mean()
    return replace(better, significance=float(excess / noise * count**0.5))


def _refined(
    lights: Sequence[Array], logs: Sequence[Array], circle: Circle, reaches: Sequence[float]
) -> Circle:
    """Fit a circle to the edges near it, nearer and nearer."""
    for reach in reaches:
        fitted = _fitted(*_edges(lights, logs, circle, reach), circle)
        if fitted is None:
            return replace(circle, significance=0.0)
        circle = fitted
    return replace(_judged(logs, circle), radius=circle.radius)


def _settled(logs: Sequence[Array], circle: Circle, starts: Sequence[float]) -> Circle:
    """The circle near a given one across which the pictures are steep in most places.

    Args:
        logs: the pictures.
        circle: the given one.
        starts: shares by which the radius to begin with is wider; the best end is taken.
    """
    from scipy import optimize  # noqa: PLC0415 - takes a while to load

    downs, acrosses = zip(*(np.gradient(log) for log in logs), strict=True)
    angle = 2 * np.pi * (np.arange(NUM_ANGLES) + 0.5) / NUM_ANGLES
    cosine, sine = np.cos(angle), np.sin(angle)
    height, width = logs[0].shape

    may_not_stick_out = circle.overhang(width, height) < SLIGHT * circle.radius

    def flatness(where: Array) -> float:
        over = where[2] - min(where[0], where[1], width - where[0], height - where[1])
        if may_not_stick_out and over > 0.5:
            return float(over)
        x, y = where[0] + cosine * where[2], where[1] + sine * where[2]
        squares = sum(
            (cosine * _sampled(across, x, y) + sine * _sampled(down, x, y)) ** 2
            for down, across in zip(downs, acrosses, strict=True)
        )
        is_inside = (x > 1) & (y > 1) & (x < width - 1) & (y < height - 1)
        return -float(np.mean(np.minimum(np.sqrt(squares), FAINT) * is_inside))

    ends = []
    for share in starts:
        start = np.array([circle.x, circle.y, circle.radius * (1 + share)])
        simplex = start + np.vstack([np.zeros(3), np.eye(3) * max(1.0, 0.01 * circle.radius)])
        options = {"initial_simplex": simplex, "maxiter": 60, "xatol": 0.05, "fatol": 1e-5}
        ends.append(optimize.minimize(flatness, start, method="Nelder-Mead", options=options))
    x, y, radius = min(ends, key=lambda end: end.fun).x
    return Circle(x=float(x), y=float(y), radius=max(float(radius), 2.0))


def _slopes(logs: Sequence[Array], circle: Circle, steps: Array) -> tuple[Array, Array, Array]:
    """Slopes of pictures along rays from a circle's centre, 0 outside, near the circle.

    Returns:
        The slopes (pictures, angles, steps), and the places x and y (angles, steps).
    """
    num_angles = int(np.clip(2 * np.pi * circle.radius, 64, 720))
    angle = 2 * np.pi * (np.arange(num_angles)[:, None] + 0.5) / num_angles
    x = circle.x + np.cos(angle) * (circle.radius + steps)
    y = circle.y + np.sin(angle) * (circle.radius + steps)
    slopes = np.stack([np.gradient(_sampled(log, x, y), steps, axis=1) for log in logs])
    height, width = logs[0].shape
    outside = (x < 1) | (y < 1) | (x > width - 1) | (y > height - 1)
    slopes[:, outside] = 0
    return slopes, x, y


def _edges(
    lights: Sequence[Array], logs: Sequence[Array], circle: Circle, reach: float
) -> tuple[Array, Array]:
    """The strongest edge across a circle in each direction in which there is one.

    Returns:
        Their places (n, 2), and their strengths (n,).
    """
    margin = 1.5
    steps = np.arange(-reach - margin, reach + margin + 0.125, 0.25)
    steps = steps[circle.radius + steps > 0.5]
    slopes, x, y = _slopes(logs, circle, steps)
    steepness = np.sqrt(np.sum(np.square(slopes), axis=0))
    peak = np.argmax(np.where(abs(steps) <= reach, steepness, -1), axis=1)
    rows = np.arange(len(peak))
    strength = steepness[rows, peak]
    sharpest = np.argmax(abs(slopes[:, rows, peak]), axis=0)
    profiles = np.stack([_sampled(light, x, y) for light in lights])[sharpest, rows]
    moved = steps[peak] + _crossings(profiles, steps, peak)
    share = ((circle.radius + moved) / (circle.radius + steps[0]))[:, None]
    places = np.stack([x[:, 0], y[:, 0]], axis=-1)
    centre = np.array([circle.x, circle.y])
    is_edge = strength > 0.02
    return (centre + share * (places - centre))[is_edge], strength[is_edge]


def _crossings(profiles: Array, steps: Array, peak: Array) -> Array:
    """Where, from each profile's peak of steepness, its value is half way across the edge.

    The logarithm's steepest place lies on the dark side of a blurred edge.
    """
    span = round(1.5 / (steps[1] - steps[0]))
    offsets = np.arange(-span, span + 1)
    rows = np.arange(len(profiles))[:, None]
    window = profiles[rows, np.clip(peak[:, None] + offsets, 0, profiles.shape[1] - 1)]
    half = (window[:, :1] + window[:, -1:]) / 2
    rising = np.where(window[:, -1:] > window[:, :1], window - half, half - window)
    # With a monotone edge, as many samples lie below the half as its place counts from the left.
    below = np.clip(rising, None, 0) < 0
    last = np.clip(below.sum(axis=1) - 1, 0, 2 * span - 1)
    low, high = rising[rows[:, 0], last], rising[rows[:, 0], last + 1]
    gap = np.where(high - low > 1e-12, high - low, 1)
    part = np.clip(np.where(high - low > 1e-12, -low / gap, 0.5), 0, 1)
    return np.asarray((last + part - span) * (steps[1] - steps[0]))


def _sampled(picture: Array, x: Array, y: Array) -> Array:
    """Bilinear values of a picture at places in pixels from its corner."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    return np.asarray(ndimage.map_coordinates(picture, [y - 0.5, x - 0.5], order=1, mode="nearest"))


def _fitted(points: Array, strengths: Array, circle: Circle) -> Circle | None:
    """The circle nearest to points, by Gauss-Newton steps with Tukey's biweight."""
    if len(points) < 8:
        return None
    x, y, radius = circle.x, circle.y, circle.radius
    trust = np.minimum(strengths / max(float(np.median(strengths)), 1e-12), 1)
    for _ in range(20):
        off_x, off_y = points[:, 0] - x, points[:, 1] - y
        distance = np.maximum(np.hypot(off_x, off_y), 1e-9)
        misfit = distance - radius
        scale = max(4.7 * 1.48 * float(np.median(abs(misfit))), 0.5)
        weight = trust * np.clip(1 - (misfit / scale) ** 2, 0, None) ** 2
        slopes = np.stack([off_x / distance, off_y / distance, np.ones_like(distance)], axis=-1)
        normal = slopes.T @ (weight[:, None] * slopes)
        if np.linalg.cond(normal) > 1e6:
            return None
        step = np.linalg.solve(normal, slopes.T @ (weight * misfit))
        x, y, radius = x + step[0], y + step[1], radius + step[2]
        if abs(step).max() < 1e-4:
            break
    return Circle(x=float(x), y=float(y), radius=float(radius)) if radius > 2 else None
