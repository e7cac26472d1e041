"""Shards that workers hold, in other processes or on other machines."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from envmap_inverse.errors import counted
from envmap_inverse.recording.recorder import Source
from envmap_inverse.recording.shards import Kept, cut
from envmap_inverse.recording.sums import PartialSum, partial_sums, total_of
from envmap_inverse.system.progress import stage

__all__ = ["RemoteShards", "Workers", "shared_out"]


class Workers(Protocol):
    """Some `Worker`s, each of which answers its questions in the order in which they are put."""

    def put(self, value: Any) -> Any:
        """Put a value where workers find it; what is returned stands for it in questions."""

    def ask(self, worker: int, method: str, *arguments: Any) -> Any:
        """Call a method of a worker; what is returned stands for its answer."""

    def answers(self, asked: Sequence[Any]) -> Iterator[Any]:
        """Wait for answers, in order.

        Raises:
            InputError: if a worker raises one, or cannot go on.
        """


def shared_out(count: int, num_workers: int) -> list[range]:
    """Share out numbers from 0 on among workers, each a range of about as many."""
    ends = [count * worker // num_workers for worker in range(num_workers + 1)]
    return [range(*pair) for pair in itertools.pairwise(ends)]


class RemoteShards:
    """The shards of a recording, shared out among workers; see `Shards`.

    Attributes:
        shares: the numbers of each worker's shards.
    """

    def __init__(
        self,
        workers: Workers,
        sources: Sequence[Source],
        shares: Sequence[range],
        num_texels: int,
        passes: tuple[int, ...],
    ) -> None:
        """Take workers that have their orders.

        Args:
            workers: the workers.
            sources: of all shards, in order.
            shares: the numbers of each worker's shards.
            num_texels: of the map.
            passes: paths per pixel after each pass of the recording.
        """
        self._sources, self._passes = sources, passes
        self._workers, self.shares = workers, shares
        self._ends = [0, *itertools.accumulate(len(source.pixels) for source in sources)]
        self.shape = self._ends[-1], num_texels
        self.num_entries = self.nbytes = 0

    def record(self, on_progress: Callable[[float], None]) -> None:
        """Let the workers record their shards.

        Args:
            on_progress: told the share that is done.
        """
        count = len(self.shares)
        rounds = itertools.zip_longest(*self.shares)  # the first of each worker, the second, ...
        turns = [(w, n) for turn in rounds for w, n in enumerate(turn) if n is not None]
        asked = [
            self._workers.ask(worker, "record", self._passes, number) for worker, number in turns
        ]
        detail = counted(count, "worker")
        with stage("Recording paths", 1.0) as shown:
            shown.advance(0.0, detail)
            for done, (entries, nbytes) in enumerate(self._workers.answers(asked), 1):
                self.num_entries += entries
                self.nbytes += nbytes
                shown.advance(done / len(asked), detail)
                on_progress(done / len(asked))

    def grown(self, spp: int, on_progress: Callable[[float], None]) -> RemoteShards:
        """See `GrowingShards`."""
        texels = self.shape[1]
        passes = (*self._passes, spp)
        found = RemoteShards(self._workers, self._sources, self.shares, texels, passes)
        found.record(on_progress)
        return found

    @property
    def num_sums(self) -> int:
        """Number of sums that all workers send for one product that is summed."""
        each = (partial_sums(PartialSum(k, 1, 0.0) for k in share) for share in self.shares)
        return sum(map(len, each))

    def kept(self, *rows: Any) -> Kept:
        """See `Shards`."""
        return [
            self._workers.put(
                [tuple(cut(array, self._rows_of(k)) for array in rows) for k in share]
            )
            for share in self.shares
        ]

    def _rows_of(self, shard: int) -> slice:
        return slice(self._ends[shard], self._ends[shard + 1])

    def rows(self, product: str, *arguments: Any) -> Any:
        """See `Shards`."""
        given = self._workers.put(arguments)
        return np.concatenate([*self._from_all("rows", lambda _: (product, given))], axis=1)

    def summed(self, product: str, *arguments: Any, kept: Kept = None) -> Any:
        """See `Shards`."""
        given = self._workers.put(arguments)
        total = total_of(self._from_all("summed", lambda worker: (product, given, kept[worker])))
        return total if sparse.issparse(total) else np.array(total)  # others' arrays are read-only

    def _from_all(self, method: str, arguments: Callable[[int], Iterable[Any]]) -> Iterator[Any]:
        """Ask all workers, and yield what their answers list."""
        asked = [
            self._workers.ask(worker, method, self._passes, *arguments(worker))
            for worker in range(len(self.shares))
        ]
        return itertools.chain.from_iterable(self._workers.answers(asked))

    def whole(self) -> tuple[Any, ...]:
        """See `Shards`."""
        asked = [
            self._workers.ask(worker, "matrices", self._passes, number)
            for worker, share in enumerate(self.shares)
            for number in share
        ]
        parts = zip(*self._workers.answers(asked), strict=True)
        return tuple(sparse.vstack(matrices, "csr") for matrices in parts)
