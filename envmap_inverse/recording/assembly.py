"""Assemble traced paths into sparse matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from envmap_inverse.scene.tracing import Paths
from envmap_inverse.system.arrays import library_of

__all__ = ["Matrices", "Pairs", "assemble", "ends_of", "joined", "matrix_of"]

Pairs = tuple[Any, Any]
"""Two complex matrices: red + i green, and blue + i squares."""

Matrices = tuple[Any, Any, Any, Any]
"""Matrices of red, green, blue and squares."""


def assemble(paths: Paths, spp: int, resolution: tuple[int, int]) -> Pairs:
    """Assemble rows of T: (pixels x paths) (paths x texels), entries of equal pairs summed.

    A complex matrix holds two real ones; multiplying both takes little longer than multiplying one.

    Returns:
        Red + i green, and blue + i squares.
    """
    width, height = resolution
    library, count = library_of(paths.texel), len(paths.texel)
    xp, csr = library.numpy, library.sparse.csr_matrix
    texels, weights = paths.footprint(width)
    spread = csr(
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
        csr((pair, path, ends), (count // spp, count)) @ spread for pair in pairs
    )
    return red_green, blue_squares


def joined(red_green: Sequence[Any], blue_squares: Sequence[Any]) -> Matrices:
    """Stack the matrices of pairs below one another, and take them apart.

    On the processor the four share their indices, which are alike: do not sort them in place.
    """
    first = red_green[0]
    ends = _ends(red_green)
    shape = (len(ends) - 1, first.shape[1])
    library = library_of(first.data)
    indices = None if library.is_on_card else _indices(red_green)

    def matrix(parts: Sequence[Any], values: Callable[[Any], Any]) -> Any:
        data = np.concatenate([values(part.data) for part in parts])
        if indices is None:
            return library.sparse.csr_matrix((data, _indices(parts), ends), shape)
        return matrix_of(data, indices, ends, shape)

    return (
        matrix(red_green, lambda data: data.real),
        matrix(red_green, lambda data: data.imag),
        matrix(blue_squares, lambda data: data.real),
        matrix(blue_squares, lambda data: data.imag),
    )


def _ends(parts: Sequence[Any]) -> Any:
    """Where the rows of stacked matrices end."""
    return ends_of(np.concatenate([np.diff(part.indptr) for part in parts]))


def ends_of(lengths: Any) -> Any:
    """Where rows of these lengths end, from 0 on; as int32 if that is enough."""
    ends = np.zeros_like(lengths, np.int64, shape=(len(lengths) + 1,))
    ends[1:] = np.cumsum(lengths, dtype=np.int64)
    return ends.astype(np.int32) if int(ends[-1]) < 2**31 else ends


def _indices(parts: Sequence[Any]) -> Any:
    return np.concatenate([part.indices for part in parts])


def matrix_of(data: Any, indices: Any, ends: Any, shape: tuple[int, int]) -> Any:
    """A CSR matrix of SciPy of these very arrays.

    Its constructor would copy the indices where there are more entries than an int32 counts.
    """
    matrix = csr_matrix(shape, dtype=np.float32)
    matrix.data, matrix.indices, matrix.indptr = data, indices, ends
    return matrix
