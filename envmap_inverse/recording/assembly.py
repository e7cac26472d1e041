"""Assemble traced paths into sparse matrices."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from envmap_inverse.errors import InputError
from envmap_inverse.recording.blocks import on_all_cores
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.tracing import Paths
from envmap_inverse.system.arrays import library_of

__all__ = [
    "Earlier",
    "Matrices",
    "Pairs",
    "assemble",
    "check_earlier",
    "ends_of",
    "joined",
    "matrix_of",
]

Pairs = tuple[Any, Any]
"""Two complex matrices: red + i green, and blue + i squares."""

Matrices = tuple[Any, Any, Any, Any]
"""Matrices of red, green, blue and squares."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Earlier:
    """A recording of the first paths of each row.

    Attributes:
        matrices: of the same rows, alike in structure.
        spp: paths of a row in it.
    """

    matrices: Matrices
    spp: int

    @classmethod
    def of(cls, found: Any) -> Earlier:
        """Take the matrices of a `LightTransport`."""
        return cls(matrices=(*found.channels, found.squares), spp=found.spp)

    def pairs(self, rows: range, spp: int) -> Pairs:
        """The part that some rows have in a recording of `spp` paths."""
        red, green, blue, squares = self.matrices
        share = np.float32(self.spp / spp)
        return (
            _pair(rows, (red, share), (green, share)),
            _pair(rows, (blue, share), (squares, share**2)),
        )


def check_earlier(found: Any, scene: Scene, rows: NDArray[np.int32], spp: int) -> None:
    """Check whether a recording can go on with a `LightTransport`.

    Args:
        found: it.
        scene: what is recorded.
        rows: of its pixels.
        spp: paths per pixel that are wanted.

    Raises:
        InputError: if it is of something else, or has as many paths.
    """
    same = found.scene == scene.fingerprint and found.resolution == scene.envmap.resolution
    if not (same and np.array_equal(found.rows, rows) and found.spp < spp):
        raise InputError("earlier: give a recording of the same views with fewer paths per pixel")


def _pair(rows: range, *parts: tuple[Any, np.float32]) -> Any:
    """Rows of two matrices, each times a factor, as the parts of a complex one."""
    (real, by_real), (imaginary, by_imaginary) = parts
    ends = real.indptr[rows.start : rows.stop + 1]
    part = slice(int(ends[0]), int(ends[-1]))
    library = library_of(real)
    data = library.numpy.empty(part.stop - part.start, np.complex64)
    data.real[:], data.imag[:] = by_real * real.data[part], by_imaginary * imaginary.data[part]
    shape = (len(rows), real.shape[1])
    return library.sparse.csr_matrix((data, real.indices[part], ends - ends[0]), shape)


def assemble(
    paths: Paths, num_rows: int, resolution: tuple[int, int], earlier: Pairs | None = None
) -> Pairs:
    """Assemble rows of T: (pixels x paths) (paths x texels), entries of equal pairs summed.

    A complex matrix holds two real ones; multiplying both takes little longer than multiplying one.

    Args:
        paths: equally many for each row, row by row.
        num_rows: number of rows.
        resolution: (width, height) of the map.
        earlier: what to add to the rows.

    Returns:
        Red + i green, and blue + i squares.
    """
    width, height = resolution
    library, count = library_of(paths.texel), len(paths.texel)
    xp, csr = library.numpy, library.sparse.csr_matrix
    texels, weights = paths.footprint(width)
    texel, weight = texels.ravel(), weights.astype(np.complex64).ravel()
    starts = xp.arange(0, 4 * count + 1, 4, dtype=np.int32)
    red, green, blue = paths.throughput
    pairs = xp.empty((2, count), np.complex64)
    pairs.real[0], pairs.real[1] = red, blue
    pairs.imag[0], pairs.imag[1] = green, np.mean(paths.throughput, axis=0) ** 2
    if earlier is None:
        spread = csr((weight, texel, starts), (count, width * height))
        path = xp.arange(count, dtype=np.int32)
        ends = xp.arange(0, count + 1, count // num_rows, dtype=np.int32)
        sums = [csr((pair, path, ends), (num_rows, count)) @ spread for pair in pairs]
        return sums[0], sums[1]
    # A row of the earlier recording counts as one more path, of factor 1, to many texels.
    number = xp.arange(num_rows, dtype=np.int32)[:, None]
    path = np.concatenate(
        [xp.arange(count, dtype=np.int32).reshape(num_rows, -1), count + number], 1
    )
    one = xp.ones((num_rows, 1), np.complex64)
    total = count + num_rows
    ends = xp.arange(0, total + 1, total // num_rows, dtype=np.int32)

    def summed(pair: Any, rows: Any) -> Any:
        factors = np.concatenate([pair.reshape(num_rows, -1), one], 1)
        spread = csr(
            (
                np.concatenate([weight, rows.data]),
                np.concatenate([texel, rows.indices]),
                np.concatenate([starts[:-1], 4 * count + rows.indptr]),
            ),
            (total, width * height),
        )
        return csr((factors.ravel(), path.ravel(), ends), (num_rows, total)) @ spread

    return summed(pairs[0], earlier[0]), summed(pairs[1], earlier[1])


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

    red, green, blue, squares = (map if library.is_on_card else on_all_cores)(
        lambda part: matrix(*part),
        [
            (red_green, lambda data: data.real),
            (red_green, lambda data: data.imag),
            (blue_squares, lambda data: data.real),
            (blue_squares, lambda data: data.imag),
        ],
    )
    return red, green, blue, squares


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
