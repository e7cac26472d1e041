"""Products with T^T diag(weights) T, of which a solver takes many with the same weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.blocks import column
from envmap_inverse.recording.shards import Kept, Shards

__all__ = ["WeightedTransport", "columns_of", "transposed"]


@dataclass(frozen=True, eq=False)
class WeightedTransport:
    """T^T diag(weights) T; the weights are where the shards are."""

    shards: Shards
    weights: Kept

    def normal(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """The product with texels; shapes (H * W, 3)."""
        found = self.shards.summed("normal", columns_of(texels), kept=self.weights)
        return transposed(found)

    def diagonal(self) -> NDArray[np.float32]:
        """The diagonal, shape (H * W, 3)."""
        return transposed(self.shards.summed("diagonal", kept=self.weights))


def columns_of(array: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """The columns of an array (n, 3), each contiguous; one of (n, 1) thrice."""
    columns = [column(array, c) for c in range(array.shape[1])]
    return columns if len(columns) == 3 else 3 * columns


def transposed(array: Any) -> NDArray[np.float32]:
    """An array (3, n) as (n, 3), in columns."""
    found: NDArray[np.float32] = array.T
    return found
