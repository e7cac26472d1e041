"""Find the turn between two looks at the light round a place. NumPy and SciPy only.

Each look is the logarithm of light by direction, in axes of its own. Rotations that lie evenly over
all there are (super-Fibonacci spirals: Alexa, "Super-Fibonacci spirals", 2022) are compared by the
weighted correlation of blurred looks; the best are refined by robust Gauss-Newton steps on ever
sharper ones. The deviation is that of a jackknife over patches of the sphere, as residuals of
neighbouring directions are alike.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.lambert import fibonacci_directions
from envmap_inverse.sphere.latlong import blur, direction_to_uv

__all__ = ["Look", "Turn", "find_turn"]

Array = NDArray[np.float64]

NUM_ROTATIONS = 8000
"""Rotations that are compared first: some 12 degrees apart."""

AT_A_TIME = 250
"""Rotations of which the looks are compared in one go."""

NUM_DIRECTIONS = 800, 1500, 6000, 6000
"""Directions in which looks are compared, level by level."""

BLURS = 7.0, 3.5, 1.8, 0.9
"""Standard deviations in degrees of the Gaussians by which looks are blurred, level by level."""

NUM_KEPT = 48, 12, 4, 1
"""Rotations that are refined at each level."""

STEPS = 8
"""Gauss-Newton steps at each level."""

APART = 15.0
"""Degrees from which two rotations are different answers."""

NUM_PATCHES = 40
"""Patches of the jackknife."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Look:
    """Light by direction, as it is seen from one side.

    Attributes:
        log: logarithm of grey light by direction, latlong, shape (H, W).
        weights: how well each direction is seen, 0 for not, the same shape.
    """

    log: Array
    weights: Array

    def blurred(self, degrees: float) -> Look:
        """The mean round each direction of what is seen."""
        radius = np.radians(degrees)
        sums = blur(np.stack([self.log * self.weights, self.weights], axis=-1), radius)
        weights = np.maximum(sums[..., 1], 0)
        is_seen = weights > 0.05 * self.weights.max()
        return Look(
            log=np.where(is_seen, sums[..., 0] / np.where(is_seen, weights, 1), 0),
            weights=np.where(is_seen, weights, 0),
        )

    def at(self, directions: Array) -> tuple[Array, Array]:
        """Bilinear values and weights in directions (..., 3)."""
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        height, width = self.log.shape
        u, v = direction_to_uv(directions)
        where = [v * (height - 1), u * width - 0.5]
        log, weights = (
            np.asarray(ndimage.map_coordinates(plane, where, order=1, mode="grid-wrap"))
            for plane in (self.log, self.weights)
        )
        return log, weights


@dataclass(frozen=True, kw_only=True, eq=False)
class Turn:
    """A turn between two looks.

    Attributes:
        matrix: from directions of the second look's axes to those of the first's, shape (3, 3).
        deviation: degrees; the standard deviation of its angle.
        likeness: correlation of the looks under it, 1 if they show the same.
        next_likeness: that under the best turn that is another.
    """

    matrix: Array
    deviation: float
    likeness: float
    next_likeness: float

    @property
    def vector(self) -> tuple[float, float, float]:
        """Rotation vector, radians."""
        from scipy.spatial.transform import Rotation  # noqa: PLC0415 - takes a while to load

        x, y, z = map(float, Rotation.from_matrix(self.matrix).as_rotvec())
        return x, y, z


def find_turn(first: Look, second: Look) -> Turn:
    """Find the rotation under which two looks show the same light, in a unit of its own each."""
    kept = _spiral(NUM_ROTATIONS)
    looks = first.blurred(BLURS[0]), second.blurred(BLURS[0])
    likenesses = np.concatenate(
        [
            _likeness(*looks, some, fibonacci_directions(NUM_DIRECTIONS[0]))
            for some in np.array_split(kept, NUM_ROTATIONS // AT_A_TIME)
        ]
    )
    for degrees, count, number in zip(BLURS, NUM_KEPT, NUM_DIRECTIONS, strict=True):
        directions = fibonacci_directions(number)
        looks = first.blurred(degrees), second.blurred(degrees)
        order = _different(kept, likenesses, count)
        kept = np.stack([_refined(*looks, kept[place], directions) for place in order])
        if count > 1:
            likenesses = _likeness(*looks, kept, directions)
            judged = kept, likenesses
    best = kept[0]
    others = [like for matrix, like in zip(*judged, strict=True) if _degrees(matrix, best) > APART]
    return Turn(
        matrix=best,
        deviation=_deviation(*looks, best, directions),
        likeness=float(max(judged[1])),
        next_likeness=float(max(others, default=0.0)),
    )


def _spiral(count: int) -> Array:
    """Rotations (count, 3, 3) that lie evenly."""
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - takes a while to load

    place = np.arange(count) + 0.5
    inner, outer = np.sqrt(place / count), np.sqrt(1 - place / count)
    alpha, beta = 2 * np.pi * place / 2**0.5, 2 * np.pi * place / 1.533751168755204
    parts = inner * np.sin(alpha), inner * np.cos(alpha), outer * np.sin(beta), outer * np.cos(beta)
    return np.asarray(Rotation.from_quat(np.stack(parts, axis=-1)).as_matrix())


def _likeness(first: Look, second: Look, matrices: Array, directions: Array) -> Array:
    """Weighted correlations (n,) of two looks; matrices (n, 3, 3) turn the second's axes."""
    (a, weights), (b, others) = first.at(directions), second.at(directions @ matrices)
    weights = weights * others

    def mean(values: Array) -> Array:
        return np.asarray((weights * values).sum(axis=-1) / (weights.sum(axis=-1) + 1e-30))

    a, b = a - mean(a)[:, None], b - mean(b)[:, None]
    return np.asarray(mean(a * b) / np.sqrt(np.maximum(mean(a**2) * mean(b**2), 1e-30)))


def _different(rotations: Array, likenesses: Array, count: int) -> list[int]:
    """Numbers of the likeliest rotations of which no two are nearly the same."""
    chosen: list[int] = []
    for number in np.argsort(-likenesses):
        near = [_degrees(rotations[number], rotations[other]) < APART / 3 for other in chosen]
        if not any(near):
            chosen.append(int(number))
        if len(chosen) == count:
            break
    return chosen


def _degrees(first: Array, second: Array) -> float:
    """Angle of the rotation between two."""
    cosine = (np.trace(first.T @ second) - 1) / 2
    return float(np.degrees(np.arccos(np.clip(cosine, -1, 1))))


def _turned(vector: Sequence[float] | Array) -> Array:
    from scipy.spatial.transform import Rotation  # noqa: PLC0415 - takes a while to load

    return np.asarray(Rotation.from_rotvec(vector).as_matrix())


def _normal_equations(
    first: Look, second: Look, matrix: Array, directions: Array
) -> tuple[Array, Array, Array]:
    """Slopes (n, 4) of residuals by small turns and the unit, residuals (n,), and weights (n,)."""
    (a, weights), (b, others) = first.at(directions), second.at(directions @ matrix)
    step = np.radians(0.5)
    slopes = np.ones((len(directions), 4))
    for axis in range(3):
        there, back = (
            second.at(directions @ (_turned(sign * step * np.eye(3)[axis]) @ matrix))[0]
            for sign in (1, -1)
        )
        slopes[:, axis] = (there - back) / (2 * step)
    weights = weights * others
    residuals = a - b
    residuals -= (weights @ residuals) / max(weights.sum(), 1e-30)
    scale = 4.7 * 1.48 * max(_median(abs(residuals), weights), 1e-3)
    return slopes, residuals, weights * np.clip(1 - (residuals / scale) ** 2, 0, None) ** 2


def _median(values: Array, weights: Array) -> float:
    order = np.argsort(values)
    sums = np.cumsum(weights[order])
    return float(values[order[np.searchsorted(sums, sums[-1] / 2)]])


def _refined(first: Look, second: Look, matrix: Array, directions: Array) -> Array:
    """Gauss-Newton steps with Tukey's biweight."""
    for _ in range(STEPS):
        slopes, residuals, weights = _normal_equations(first, second, matrix, directions)
        step = _solved(slopes.T @ (weights[:, None] * slopes), slopes.T @ (weights * residuals))
        size = float(np.linalg.norm(step))
        matrix = _turned(step * min(1.0, 0.2 / max(size, 1e-12))) @ matrix
        if size < 1e-5:
            break
    return matrix


def _solved(normal: Array, right: Array) -> Array:
    damping = 1e-6 * np.trace(normal) * np.eye(4)
    return np.asarray(np.linalg.solve(normal + damping + 1e-30 * np.eye(4), right)[:3])


def _deviation(first: Look, second: Look, matrix: Array, directions: Array) -> float:
    """Degrees by which the turn scatters when patches of the sphere are left out."""
    slopes, residuals, weights = _normal_equations(first, second, matrix, directions)
    patches = np.argmax(directions @ fibonacci_directions(NUM_PATCHES).T, axis=1)
    parts: list[tuple[Any, Any]] = []
    for number in range(NUM_PATCHES):
        own = patches == number
        weighted = weights[own, None] * slopes[own]
        parts.append((weighted.T @ slopes[own], weighted.T @ residuals[own]))
    normal, right = (sum(part[k] for part in parts) for k in (0, 1))
    steps = np.stack([_solved(normal - own, right - rest) for own, rest in parts])
    spread = (NUM_PATCHES - 1) / NUM_PATCHES * ((steps - steps.mean(axis=0)) ** 2).sum()
    return float(np.degrees(np.sqrt(spread)))
