"""Split a sparse matrix into blocks of rows, so that products run on several cores."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr
from envmap_inverse.system.arrays import as_columns, as_floats, library_of

__all__ = [
    "Block",
    "blocks_of",
    "column",
    "cut_alike",
    "elementwise",
    "in_order",
    "num_cores",
    "on_all_cores",
    "use_cores",
]

ROWS = 2**16
"""Rows of a part of an array."""

NUM_BLOCKS = 4
"""Blocks of a shard's channel: always as many, as sums over them have the same bits then."""

_T = TypeVar("_T")


class Block:
    """Some rows of a CSR matrix; shares its memory.

    Attributes:
        channel: number of the matrix.
        rows: which rows.
        matrix: the rows as a matrix.
        transpose: the transpose of that matrix.
    """

    matrix: Any

    def __init__(self, channel: int, matrix: Any, rows: slice, alike: Block | None = None) -> None:
        """Take rows of a matrix.

        Args:
            channel: number of the matrix.
            matrix: the matrix.
            rows: which rows.
            alike: a block of the same rows. Matrices that share where their rows end have blocks
                that do, too.
        """
        self.channel, self.rows, self._ends = channel, rows, matrix.indptr
        first, last = int(matrix.indptr[rows.start]), int(matrix.indptr[rows.stop])
        if alike is not None and alike._ends is self._ends:
            ends = alike.matrix.indptr
        else:
            ends = matrix.indptr[rows.start : rows.stop + 1] - first
        parts = (
            matrix.data[first:last],
            matrix.indices[first:last],
            ends.astype(matrix.indices.dtype, copy=False),
        )
        shape = (rows.stop - rows.start, matrix.shape[1])
        sparse = library_of(matrix).sparse
        self.matrix = _sharing(sparse.csr_matrix(shape, dtype=matrix.dtype), *parts)
        self.transpose = _sharing(sparse.csc_matrix(shape[::-1], dtype=matrix.dtype), *parts)

    @property
    def squares(self) -> Any:
        """The rows with their elements squared; shares the structure."""
        matrix = self.matrix
        csr_matrix = library_of(matrix).sparse.csr_matrix
        return csr_matrix((matrix.data**2, matrix.indices, matrix.indptr), matrix.shape)


def _sharing(matrix: Any, *parts: Any) -> Any:
    """A matrix of these very arrays; its constructor would copy small slices of larger ones."""
    matrix.data, matrix.indices, matrix.indptr = parts
    return matrix


def cut_alike(matrices: Sequence[Any], rows: slice) -> list[Any]:
    """The same rows of several matrices."""
    first = Block(0, matrices[0], rows)
    return [first.matrix, *(Block(0, each, rows, first).matrix for each in matrices[1:])]


def blocks_of(matrices: Sequence[Any]) -> list[Block]:
    """Split CSR matrices, alike in shape, into four blocks each of about equally many entries.

    On a graphics card it is one block.
    """
    blocks: list[Block] = []
    for channel, matrix in enumerate(matrices):
        alike = {(block.rows.start, block.rows.stop): block for block in blocks}
        blocks += [Block(channel, matrix, slice(*rows), alike.get(rows)) for rows in _cuts(matrix)]
    return blocks


def _cuts(matrix: Any) -> list[tuple[int, int]]:
    """The first rows of blocks, and those after their last."""
    if library_of(matrix).is_on_card:
        return [(0, matrix.shape[0])]
    cuts = np.searchsorted(matrix.indptr, np.linspace(0, matrix.nnz, NUM_BLOCKS + 1)[1:-1])
    return [*itertools.pairwise([0, *cuts.tolist(), matrix.shape[0]])]


def on_all_cores(function: Callable[[Any], _T], items: Iterable[Any]) -> list[_T]:
    """Map a function over items, in order; SciPy's products run in parallel."""
    return list(_pool().map(function, items))


def in_order(function: Callable[[Any], _T], items: Iterable[Any]) -> Iterator[_T]:
    """Yield a function's results in order, while others are computed on all cores."""
    return _pool().map(function, items)


def elementwise(
    function: Callable[..., NDArray[Any]],
    *arrays: Any,
    into: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Call a function of each element on arrays (n, columns), in parts that fit a cache.

    On a graphics card there are no parts.

    Args:
        function: takes rows of all arrays.
        *arrays: (n, columns), or what NumPy repeats: (n, 1), (1, columns) and (1, 1). Rows are
            taken from those of n when they are needed.
        into: for the results; perhaps one of the arrays. By default a new array in columns.

    Returns:
        The results, of the shape of all arrays together.
    """
    if library_of(arrays[0]).is_on_card:
        results = as_columns(function(*(_rows(array, slice(None)) for array in arrays)))
        if into is None:
            return results
        into[:] = results
        return into
    shape = np.broadcast_shapes(*(array.shape for array in arrays))
    found = np.empty(shape, np.float32, order="F") if into is None else into

    def of_rows(begin: int) -> None:
        rows = slice(begin, begin + ROWS)
        found[rows] = function(*(_rows(array, rows) for array in arrays))

    on_all_cores(of_rows, range(0, len(found), ROWS))
    return found


def _rows(array: Any, rows: slice) -> Any:
    """Rows of an array; of one that has a single row, that one."""
    return array if len(array) == 1 else array[rows]


def num_cores() -> int:
    """Number of cores to use: the machine's, or as many as `use_cores` says."""
    return _limits[-1] if _limits else max(os.cpu_count() or 1, 1)


def use_cores(number: int | None) -> None:
    """Use so many cores in this process from now on; None for all."""
    _limits[:] = [] if number is None else [number]
    _pool.cache_clear()
    if number is not None:
        dr.set_thread_count(number)


_limits: list[int] = []


@functools.cache
def _pool() -> ThreadPoolExecutor:
    least = 1 if _limits else 3
    return ThreadPoolExecutor(max(least, num_cores()), thread_name_prefix="transport")


def column(array: NDArray[np.float32], number: int) -> NDArray[np.float32]:
    """A column of an array (n, columns), contiguous."""
    return as_floats(array[:, number], order="C")
