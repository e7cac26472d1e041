"""Assemble traced paths into sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.tracing import Paths
from envmap_inverse.system.arrays import library_of

__all__ = ["Earlier", "Pairs", "assemble", "joined"]

Pairs = tuple[Any, Any]
"""Two complex matrices: red + i green, and blue + i squares."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Earlier:
    """An earlier recording of the same pixels, of the first paths of each.

    Attributes:
        channels: CSR matrices of red, green and blue; red and green have the same structure.
        squares: that of the squares of paths, with the structure of blue.
        spp: paths of a pixel in it.
    """

    channels: Sequence[Any]
    squares: Any
    spp: int

    def pairs(self, rows: range, spp: int) -> Pairs:
        """Some rows of `T` as two complex matrices, as its part in a recording of `spp` paths."""
        red, green, blue = self.channels
        share = np.float32(self.spp / spp)
        return _pair(red, green, rows, share, share), _pair(
            blue, self.squares, rows, share, share**2
        )


def _pair(real: Any, imaginary: Any, rows: range, *shares: np.float32) -> Any:
    """Rows of two matrices of the same structure as one complex matrix."""
    ends = real.indptr[rows.start : rows.stop + 1]
    part = slice(int(ends[0]), int(ends[-1]))
    data = np.empty_like(real.data[part], np.complex64)
    data.real, data.imag = shares[0] * real.data[part], shares[1] * imaginary.data[part]
    csr_matrix = library_of(data).sparse.csr_matrix
    shape = (len(rows), real.shape[1])
    return csr_matrix((data, real.indices[part], ends - ends[0]), shape)


def assemble(
    paths: Paths, num_rows: int, resolution: tuple[int, int], earlier: Pairs | None = None
) -> Pairs:
    """Assemble rows of T: (pixels x paths) (paths x texels), entries of equal pairs summed.

    A complex matrix holds two real ones; multiplying both takes little longer than multiplying one.

    Args:
        paths: as many of each row, row by row.
        num_rows: number of rows.
        resolution: (width, height) of the map.
        earlier: what to add, of the same rows.

    Returns:
        Red + i green, and blue + i squares.
    """
    width, height = resolution
    library, count = library_of(paths.texel), len(paths.texel)
    xp, csr_matrix = library.numpy, library.sparse.csr_matrix
    texels, weights = paths.footprint(width)
    spread = csr_matrix(
        (
            weights.astype(np.complex64).ravel(),
            texels.ravel(),
            xp.arange(0, 4 * count + 1, 4, dtype=np.int32),
        ),
        (count, width * height),
    )
    red, green, blue = paths.throughput
    pairs = xp.empty((2, count), np.complex64)
    pairs.real[0], pairs.real[1] = red, blue
    pairs.imag[0], pairs.imag[1] = green, np.mean(paths.throughput, axis=0) ** 2
    path = xp.arange(count, dtype=np.int32)
    ends = xp.arange(0, count + 1, count // num_rows, dtype=np.int32)
    products = [csr_matrix((pair, path, ends), (num_rows, count)) @ spread for pair in pairs]
    if earlier is not None:
        products = [a + b for a, b in zip(products, earlier, strict=True)]
    red_green, blue_squares = products
    return red_green, blue_squares


def joined(parts: Sequence[Any]) -> tuple[Any, Any]:
    """Stack matrices below one another; return the real and the imaginary parts."""
    lengths = np.concatenate([np.diff(part.indptr) for part in parts])
    ends = np.zeros_like(lengths, np.int64, shape=(len(lengths) + 1,))
    ends[1:] = np.cumsum(lengths, dtype=np.int64)
    shape = (len(lengths), parts[0].shape[1])
    csr_matrix = library_of(ends).sparse.csr_matrix

    def matrix(values: Iterable[NDArray[np.float32]]) -> Any:
        indices = np.concatenate([part.indices for part in parts])
        return csr_matrix((np.concatenate(list(values)), indices, ends), shape)

    return matrix(p.data.real for p in parts), matrix(p.data.imag for p in parts)
