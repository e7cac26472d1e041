"""Quadratic forms of maps, for which priors stand in each round."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.system.arrays import as_floats, library_of

__all__ = ["Quadratic", "Relative", "laplacian"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Quadratic:
    """A quadratic form.

    Attributes:
        matrix: symmetric and positive semi-definite; has a product with a map (H * W, 3), and a
            `diagonal()` (H * W,), the mean over the channels. A sparse matrix acts on each channel.
        centre: the map at which the form is 0, shape (H * W, 3).
    """

    matrix: Any
    centre: NDArray[np.float32]

    def times(self, factor: float) -> Quadratic:
        """The form times a factor."""
        return (
            self if factor == 1 else replace(self, matrix=_Scaled(self.matrix, np.float32(factor)))
        )

    def energy(self, texels: ArrayLike) -> float:
        """Value at a map x: (x - centre)^T matrix (x - centre), averaged over the channels.

        Args:
            texels: shape (H, W, 3).
        """
        away = as_floats(texels).reshape(-1, 3) - self.centre
        return float(np.sum(away * (self.matrix @ away), dtype=np.float64) / 3)


@dataclass(frozen=True, eq=False)
class _Scaled:
    """A matrix times a factor."""

    matrix: Any
    factor: np.float32

    def __matmul__(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        product: NDArray[np.float32] = self.factor * (self.matrix @ texels)
        return product

    def diagonal(self) -> NDArray[np.float32]:
        diagonal: NDArray[np.float32] = self.factor * self.matrix.diagonal()
        return diagonal


@dataclass(frozen=True, eq=False)
class Relative:
    """A matrix of changes as shares: diag(factors) matrix diag(factors), for each channel."""

    matrix: Any
    factors: NDArray[np.float32]

    def __matmul__(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Product with a map, shape (H * W, 3)."""
        product: NDArray[np.float32] = self.factors * (self.matrix @ (self.factors * texels))
        return product

    def diagonal(self) -> NDArray[np.float32]:
        """Diagonal, averaged over the channels."""
        means = np.mean(self.factors**2, axis=1)
        diagonal: NDArray[np.float32] = self.matrix.diagonal() * means
        return diagonal


def laplacian(
    first: NDArray[np.int32], second: NDArray[np.int32], weights: NDArray[Any], size: int
) -> Any:
    """The matrix whose quadratic form is the sum over pairs of w (x_i - x_j)^2."""
    library = library_of(first)
    degree = np.bincount(first, weights, size) + np.bincount(second, weights, size)
    own = library.numpy.arange(size, dtype=np.int32)
    rows = np.concatenate([first, second, own])
    columns = np.concatenate([second, first, own])
    values = np.concatenate([-weights, -weights, degree]).astype(np.float32)
    return library.sparse.csr_matrix((values, (rows, columns)), (size, size))
