"""Assemble traced paths into sparse matrices."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.recording.tracing import Paths
from envmap_inverse.system.arrays import library_of

__all__ = ["Pairs", "assemble", "joined"]

Pairs = tuple[Any, Any]
"""Two complex matrices: red + i green, and blue + i squares."""


def assemble(paths: Paths, spp: int, resolution: tuple[int, int]) -> Pairs:
    """Assemble rows of T: (pixels x paths) (paths x texels), entries of equal pairs summed.

    A complex matrix holds two real ones; multiplying both takes little longer than multiplying one.

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
    ends = xp.arange(0, count + 1, spp, dtype=np.int32)
    red_green, blue_squares = (
        csr_matrix((pair, path, ends), (count // spp, count)) @ spread for pair in pairs
    )
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
