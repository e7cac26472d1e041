"""A worker: records shards of a scene in a process of its own, and takes products with them."""

from __future__ import annotations

import functools
import os
import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from envmap_inverse.errors import InputError
from envmap_inverse.recording.assembly import Earlier
from envmap_inverse.recording.blocks import use_cores
from envmap_inverse.recording.recordable import recordable_paths
from envmap_inverse.recording.recorder import Source, record_matrices
from envmap_inverse.recording.shards import Shard
from envmap_inverse.recording.sums import PartialSum, partial_sums
from envmap_inverse.scene.parcel import Parcel, unpacked
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.memory import free_memory, gibibytes
from envmap_inverse.version import __version__

__all__ = ["Order", "Worker"]

Passes = Sequence[int]
"""Paths per pixel after each pass of a recording."""

_P = ParamSpec("_P")
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True, eq=False)
class Order:
    """What a worker records, and with what.

    Attributes:
        sources: of its shards, by their numbers, which follow each other.
        memory_budget: bytes for paths in flight; None for a quarter of its share.
        cores: of the machine to use; None for all.
        share: number of workers that share the machine's memory.
    """

    sources: Mapping[int, Source]
    memory_budget: int | None = None
    cores: int | None = None
    share: int = 1


def _in_one_line(method: Callable[_P, _T]) -> Callable[_P, _T]:
    """A method that reports a lack of memory as what it is."""

    @functools.wraps(method)
    def reporting(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        try:
            return method(*args, **kwargs)
        except MemoryError:
            raise InputError(
                f"a worker on {socket.gethostname()} is out of memory, of which "
                f"{gibibytes(free_memory())} are free; give it more, or take more machines, fewer "
                "workers on each, or a smaller --spp or --size"
            ) from None

    return reporting


class Worker:
    """Holds some shards of a recording.

    All that it has follows from its order and from what it is asked: a worker that is started again
    in place of one that was killed records the shards anew, and they have the same bits. Questions
    name the passes of the recording: its paths per pixel after each.
    """

    def __init__(self, parcel: Parcel, order: Order) -> None:
        """Take an order; nothing is recorded yet.

        Args:
            parcel: the scene.
            order: what to record of it.
        """
        self._parcel, self._order = parcel, order
        self._shards: dict[int, tuple[int, Shard]] = {}
        self._scene: Scene | None = None
        use_cores(order.cores)

    def version(self) -> str:
        """Version of the program that it runs."""
        return __version__

    def process(self) -> int:
        """Number of its process."""
        return os.getpid()

    @_in_one_line
    def record(self, passes: Passes, number: int) -> tuple[int, int]:
        """Record one of its shards; return the numbers of entries and bytes."""
        shard = self._shard(passes, number)
        return max(int(channel.nnz) for channel in shard.channels), shard.nbytes

    @_in_one_line
    def rows(self, passes: Passes, product: str, arguments: Sequence[Any]) -> list[Any]:
        """Take a product of each shard that gives values of rows."""
        return [getattr(shard, product)(*arguments) for shard in self._all_shards(passes)]

    @_in_one_line
    def summed(
        self,
        passes: Passes,
        product: str,
        arguments: Sequence[Any],
        kept: Sequence[Sequence[Any]],
    ) -> list[PartialSum]:
        """Take a product of each shard with arrays of its rows, and add them as far as it goes."""
        shards = zip(self._order.sources, self._all_shards(passes), kept, strict=True)
        return partial_sums(
            PartialSum(number, 1, getattr(shard, product)(*arguments, *rows))
            for number, shard, rows in shards
        )

    @_in_one_line
    def matrices(self, passes: Passes, number: int) -> tuple[Any, ...]:
        """The matrices of one of its shards."""
        shard = self._shard(passes, number)
        return shard.matrices

    def _all_shards(self, passes: Passes) -> list[Shard]:
        return [self._shard(passes, number) for number in self._order.sources]

    def _shard(self, passes: Passes, number: int) -> Shard:
        """A shard after some passes, of which those are recorded that are not there."""
        spp, shard = self._shards.get(number, (0, None))
        if shard is None or spp != passes[-1]:
            todo = passes[passes.index(spp) + 1 :] if spp in passes else passes
            earlier = shard if spp in passes else None
            for now in todo:
                shard = earlier = self._recorded(number, now, spp, earlier)
                spp = now
            assert shard is not None
            self._shards[number] = spp, shard
        return shard

    def _recorded(self, number: int, spp: int, before: int, earlier: Shard | None) -> Shard:
        """Record a shard, perhaps from one with fewer paths on."""
        if self._scene is None:
            with tempfile.TemporaryDirectory() as folder:
                self._scene = unpacked(self._parcel, Path(folder))
            use_cores(self._order.cores)
        order, source, going = self._order, self._order.sources[number], None
        if earlier is not None:
            going = Earlier(matrices=earlier.matrices, spp=before)
        (*channels, squares), _ = record_matrices(
            *(self._scene, recordable_paths(self._scene, [source.sensor]), [source]),
            spp=spp,
            budget=order.memory_budget or free_memory() // (4 * order.share),
            share=order.share,
            earlier=going,
        )
        return Shard(channels, squares)
