"""The matrices of a recording in shards: ranges of rows with few enough paths for one machine.

What a shard is depends on the numbers of rows and of paths alone, and so do the sums over shards:
whoever holds them, the bits are the same.
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np

from envmap_inverse.recording.assembly import Matrices
from envmap_inverse.recording.blocks import Block, blocks_of, cut_alike, in_order
from envmap_inverse.recording.sums import PartialSum, total_of
from envmap_inverse.system.arrays import Library, library_of

__all__ = [
    "MAX_PATHS",
    "GrowingShards",
    "Kept",
    "LocalShards",
    "Shard",
    "Shards",
    "cut",
    "ends_of_shards",
    "joined",
]

MAX_PATHS = 2**22
"""Most paths of a shard."""

Columns = Sequence[Any]
"""An array for each channel."""

Kept = Any
"""What `Shards.kept` returns."""


def ends_of_shards(num_rows: Iterable[int], spp: int) -> tuple[int, ...]:
    """The rows at which shards end.

    Args:
        num_rows: of each sensor; no shard has rows of two.
        spp: paths of each row.
    """
    ends, start = [], 0
    for number in num_rows:
        count = max(math.ceil(number * spp / MAX_PATHS), 1)
        ends += [start + number * (k + 1) // count for k in range(count)]
        start += number
    return tuple(ends)


class Shard:
    """Some rows of a recording's matrices, and products with them.

    Values of rows, and of texels, are one array for each channel.
    """

    def __init__(self, channels: Sequence[Any], squares: Any) -> None:
        """Take matrices of the same shape; see `LightTransport`."""
        red, green, blue = channels
        self.channels, self.squares = (red, green, blue), squares
        self.matrices: Matrices = (red, green, blue, squares)

    @property
    def library(self) -> Library:
        """The library of the matrices."""
        return library_of(self.squares)

    @property
    def nbytes(self) -> int:
        """Bytes of the stored arrays."""
        return _bytes_of(self.matrices)

    @functools.cached_property
    def blocks(self) -> list[Block]:
        """The rows of each channel, in blocks that run on several cores."""
        return blocks_of(self.channels)

    def forward(self, texels: Columns) -> Any:
        """Products with texels; shape (3, rows)."""
        return self._products(lambda block: block.matrix @ texels[block.channel])

    def forward_squares(self, texels: Columns) -> Any:
        """Products of the squares of the elements; shape (3, rows)."""
        return self._products(lambda block: block.squares @ texels[block.channel])

    def path_squares(self, texels: Columns) -> Any:
        """Products of the squares of paths; shape (3, rows)."""
        return np.stack([*self._each(lambda column: self.squares @ column, texels)])

    def adjoint(self, *rows: Any) -> Any:
        """Products of the transpose with values of rows; shape (3, texels)."""
        return self._summed(lambda block: block.transpose @ rows[block.channel][block.rows])

    def normal(self, texels: Columns, *weights: Any) -> Any:
        """Products with texels, times weights of rows, times the transpose; shape (3, texels)."""

        def of_block(block: Block) -> Any:
            product = block.matrix @ texels[block.channel]
            product *= weights[block.channel][block.rows]
            return block.transpose @ product

        return self._summed(of_block)

    def diagonal(self, *weights: Any) -> Any:
        """The diagonal of that matrix; shape (3, texels)."""
        return self._summed(lambda block: block.squares.T @ weights[block.channel][block.rows])

    def breadth(self, groups: Any, step: int) -> Any:
        """The square of the sum over groups of texels, over the sum of squares.

        That of every so manieth row; shape (1, rows).
        """
        parts = (self.channels[1][::step] @ groups).tocsr()
        sums, squares = (
            self.library.numpy.asarray(p.sum(axis=1), np.float32) for p in (parts, parts.power(2))
        )
        is_lit = squares > 0
        one = np.float32(1)
        return np.where(is_lit, sums**2 / np.where(is_lit, squares, one), one).reshape(1, -1)

    def reduced(self, channel: int, cells: Any, groups: Any) -> Any:
        """A channel by groups of rows, (groups, rows), and cells of texels, (texels, cells)."""
        blocks = [block for block in self.blocks if block.channel == channel]

        def of_block(block: Block) -> Any:
            part, matrix = groups[:, block.rows], block.matrix
            if not self.library.is_on_card:  # rows of no group take no time
                used = np.flatnonzero(np.diff(part.indptr))
                part, matrix = part[:, used].tocsr(), matrix[used]
            return part @ (matrix @ cells)

        return functools.reduce(operator.add, self._each(of_block, blocks))

    def _each(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        """Map a function over items: on all of the processor's cores, or in turn on the card."""
        return map(function, items) if self.library.is_on_card else in_order(function, items)

    def _products(self, function: Callable[[Block], Any]) -> Any:
        """Apply a function to each block that gives its rows' values."""
        product = self.library.numpy.empty((3, self.squares.shape[0]), np.float32)

        def of_block(block: Block) -> None:
            product[block.channel, block.rows] = function(block)

        for _ in self._each(of_block, self.blocks):
            pass
        return product

    def _summed(self, function: Callable[[Block], Any]) -> Any:
        """Apply a function to each block, and sum the results."""
        total = self.library.numpy.zeros((3, self.squares.shape[1]), np.float32)
        for block, part in zip(self.blocks, self._each(function, self.blocks), strict=True):
            total[block.channel] += part
        return total


class Shards(Protocol):
    """The shards of a recording, here or elsewhere.

    Attributes:
        shape: (rows, texels).
        num_entries: number of stored entries of one channel.
        nbytes: bytes of the stored arrays.
    """

    shape: tuple[int, int]
    num_entries: int
    nbytes: int

    def kept(self, *rows: Any) -> Kept:
        """Keep arrays whose last axis is that of the rows where the shards are."""

    def rows(self, product: str, *arguments: Any) -> Any:
        """Take a product of `Shard` that gives values of rows; shape (values, rows)."""

    def summed(self, product: str, *arguments: Any, kept: Kept = None) -> Any:
        """Take a product of `Shard` with arrays of rows, and sum it over the shards."""

    def whole(self) -> tuple[Any, ...]:
        """The matrices of all rows: of red, green, blue and of squares."""


class GrowingShards(Shards, Protocol):
    """Shards elsewhere, that can go on to more paths."""

    def grown(self, spp: int, on_progress: Callable[[float], None]) -> GrowingShards:
        """Trace further paths of each pixel, up to a number; see `LightTransport.record`."""

    def summed_up(self) -> list[dict[str, Any]]:
        """What each worker has done, for `summary.json`."""


class LocalShards:
    """Shards in this process; they share the memory of the whole matrices."""

    def __init__(self, channels: Sequence[Any], squares: Any, ends: Sequence[int]) -> None:
        """Cut matrices into shards.

        Args:
            channels: matrices of red, green and blue.
            squares: that of the squares of paths.
            ends: the rows at which shards end; on a graphics card there is one shard.
        """
        self._matrices = (*channels, squares)
        num_rows, num_texels = squares.shape
        self.shape = int(num_rows), int(num_texels)
        self._ends = (self.shape[0],) if library_of(squares).is_on_card else tuple(ends)
        self.num_entries = max(int(matrix.nnz) for matrix in channels)
        self.nbytes = _bytes_of(self._matrices)

    @functools.cached_property
    def _shards(self) -> list[Shard]:
        if len(self._ends) == 1:
            return [Shard(self._matrices[:3], self._matrices[3])]
        parts = (cut_alike(self._matrices, rows) for rows in self._ranges())
        return [Shard(channels, squares) for *channels, squares in parts]

    def _ranges(self) -> Iterator[slice]:
        return itertools.starmap(slice, itertools.pairwise([0, *self._ends]))

    def kept(self, *rows: Any) -> Kept:
        """See `Shards`."""
        if len(self._ends) == 1:
            return [rows]
        return [tuple(cut(array, part) for array in rows) for part in self._ranges()]

    def rows(self, product: str, *arguments: Any) -> Any:
        """See `Shards`."""
        if len(self._ends) == 1:
            return getattr(self._shards[0], product)(*arguments)
        parts = (getattr(shard, product)(*arguments) for shard in self._shards)
        return joined(parts, self.shape[0])

    def summed(self, product: str, *arguments: Any, kept: Kept = None) -> Any:
        """See `Shards`."""
        each = zip(self._shards, kept, strict=True)
        return total_of(
            PartialSum(number, 1, getattr(shard, product)(*arguments, *rows))
            for number, (shard, rows) in enumerate(each)
        )

    def whole(self) -> tuple[Any, ...]:
        """See `Shards`."""
        return self._matrices


def joined(parts: Iterable[Any], num_rows: int) -> Any:
    """Values of rows, at most so many, one part beside the other; shapes (values, rows)."""
    found, begin = None, 0
    for part in parts:
        if found is None:
            found = np.empty((len(part), num_rows), part.dtype)
        found[:, begin : begin + part.shape[1]] = part
        begin += part.shape[1]
    assert found is not None
    return found[:, :begin]


def cut(array: Any, rows: slice) -> Any:
    """Some rows of an array or a sparse matrix, whose last axis they are."""
    return array[:, rows] if array.ndim == 2 else array[rows]


def _bytes_of(matrices: Sequence[Any]) -> int:
    """Bytes of the arrays of matrices, which may share some."""
    parts = {
        _place(part): int(part.nbytes)
        for matrix in matrices
        for part in (matrix.data, matrix.indices, matrix.indptr)
    }
    return sum(parts.values())


def _place(array: Any) -> int:
    """What is the same for views of the same array."""
    return id(array) if library_of(array).is_on_card else int(array.ctypes.data)
