"""The quick geometric way from pictures of a mirror ball to a map. NumPy and SciPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.discs import MirrorBall
from envmap_inverse.sphere.projections import Latlong
from envmap_inverse.sphere.reproject import reproject

__all__ = ["Disc", "merged", "unwrap"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Disc:
    """A picture of a mirror ball.

    Attributes:
        image: linear RGB radiance, shape (h, w, 3).
        is_clipped: values that are lower bounds, the same shape.
        circle: the ball's outline.
    """

    image: NDArray[np.float32]
    is_clipped: NDArray[np.bool_]
    circle: Circle

    def cut_out(self, values: NDArray[Any], side: int) -> NDArray[np.float32]:
        """Values of the square round the outline, shape (side, side, 3)."""
        from scipy import ndimage  # noqa: PLC0415 - takes a while to load

        places = ((np.arange(side) + 0.5) / side * 2 - 1) * self.circle.radius - 0.5
        rows, columns = places[:, None] + self.circle.y, places[None] + self.circle.x
        where = np.broadcast_arrays(rows, columns)
        planes = [
            ndimage.map_coordinates(
                values[:, :, k].astype(np.float32), where, order=1, mode="nearest"
            )
            for k in range(3)
        ]
        return np.stack(planes, axis=-1)


def merged(discs: Sequence[Disc], exposures: ArrayLike) -> NDArray[np.float32]:
    """Merge the exposures of a ball: the mean of what is not clipped, long exposures count more.

    Where all are clipped, the shortest exposure stands.

    Args:
        discs: pictures of the ball.
        exposures: of each.

    Returns:
        The square round the ball, shape (n, n, 3).
    """
    weights = np.asarray(exposures, np.float32)
    side = max(2, round(2 * discs[0].circle.radius))
    shortest = discs[int(np.argmin(weights))]
    total = np.full((side, side, 3), 1e-6, np.float32) * weights.min()
    light = total * shortest.cut_out(shortest.image, side)
    for disc, weight in zip(discs, weights, strict=True):
        counts = weight * (disc.cut_out(disc.is_clipped, side) < 1e-3)
        light += counts * disc.cut_out(disc.image, side)
        total += counts
    return np.asarray(light / total)


def unwrap(
    disc: NDArray[np.float32], height: int, width: int, turn: ArrayLike
) -> NDArray[np.float32]:
    """The latlong map of a ball seen from afar; see `MirrorBall` and `rotation`."""
    side = len(disc)
    return reproject(disc, MirrorBall(side, side), Latlong(height, width), turn)
