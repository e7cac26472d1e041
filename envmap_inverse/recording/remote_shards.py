"""Shards that workers hold, in other processes or on other machines."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any, Protocol

import numpy as np
from scipy import sparse

from envmap_inverse.recording.recorder import Source
from envmap_inverse.recording.shards import Kept, cut, joined
from envmap_inverse.recording.sums import PartialSum, partial_sums, total_of
from envmap_inverse.system.crew import Crew, Worker, times
from envmap_inverse.system.progress import stage

__all__ = ["RemoteShards", "Workers", "shared_out"]

LOOK_EVERY, MOST_LOOKING = 1.0, 0.05
"""Seconds between two looks at workers that solve, and the most share of the time of all looks."""


class Workers(Protocol):
    """Some `Worker`s, each of which answers its questions in the order in which they are put."""

    def put(self, value: Any) -> Any:
        """Put a value where workers find it; what is returned stands for it in questions."""

    def ask(self, worker: int, method: str, *arguments: Any) -> Any:
        """Call a method of a worker; what is returned stands for its answer."""

    def answers(self, asked: Sequence[Any], waiting: Callable[[], None]) -> Iterator[Any]:
        """Wait for answers, in order.

        Args:
            asked: what stands for them.
            waiting: called every second or so without one.

        Raises:
            InputError: if a worker raises one, or cannot go on.
        """

    def arriving(
        self, asked: Sequence[Any], waiting: Callable[[], None]
    ) -> Iterator[tuple[int, Any]]:
        """Wait for answers, and yield each as it comes, with its number; see `answers`."""

    def whereabouts(self) -> Sequence[tuple[str, int]]:
        """The machine of each worker, "" for this one, and how often it was started again."""


def shared_out(count: int, num_workers: int) -> list[range]:
    """Share out numbers from 0 on among workers, each a range of about as many."""
    ends = [count * worker // num_workers for worker in range(num_workers + 1)]
    return [range(*pair) for pair in itertools.pairwise(ends)]


class RemoteShards:
    """The shards of a recording, shared out among workers; see `Shards`.

    Attributes:
        shares: the numbers of each worker's shards.
        crew: what each worker does.
    """

    def __init__(
        self,
        workers: Workers,
        sources: Sequence[Source],
        shares: Sequence[range],
        num_texels: int,
        passes: tuple[int, ...],
        crew: Crew | None = None,
    ) -> None:
        """Take workers that have their orders.

        Args:
            workers: the workers.
            sources: of all shards, in order.
            shares: the numbers of each worker's shards.
            num_texels: of the map.
            passes: paths per pixel after each pass of the recording.
            crew: what is known of the workers; None for nothing yet.
        """
        self._sources, self._passes = sources, passes
        self._workers, self.shares = workers, shares
        self._ends = [0, *itertools.accumulate(len(source.pixels) for source in sources)]
        self.shape = self._ends[-1], num_texels
        self.num_entries = self.nbytes = 0
        self.crew = crew or Crew(shares)
        self._looked = self._cost = 0.0

    def record(self, on_progress: Callable[[float], None]) -> None:
        """Let the workers record their shards.

        Args:
            on_progress: told the share that is done.
        """
        rounds = itertools.zip_longest(*self.shares)  # the first of each worker, the second, ...
        turns = [(w, n) for turn in rounds for w, n in enumerate(turn) if n is not None]
        asked = [
            self._workers.ask(worker, "record", self._passes, number) for worker, number in turns
        ]
        self.crew.begin()
        with stage("Recording paths", 1.0) as shown:
            done = 0

            def show(line: str = "") -> None:
                shown.advance(done / len(asked), self.crew.in_words(), line)

            def look() -> None:
                for each in self._look():  # if there is nothing new, nothing gets on
                    show(_words_of_restart(each.number, each.restarts))

            look()
            show()
            for index, (entries, nbytes) in self._workers.arriving(asked, look):
                look()
                done += 1
                self.num_entries += entries
                self.nbytes += nbytes
                self.crew.has_recorded(*turns[index], nbytes, entries)
                show()
                on_progress(done / len(asked))

    def _look(self, pause: float = 0.0) -> list[Worker]:
        """Look where the workers are, unless that was a moment ago.

        Args:
            pause: seconds that have to lie between two looks.

        Returns:
            Those that were started again since.
        """
        begun = time.monotonic()
        if begun < self._looked + max(pause, self._cost / MOST_LOOKING):
            return []
        again = self.crew.look(self._workers.whereabouts())
        self._looked = time.monotonic()
        self._cost = self._looked - begun
        return again

    def summed_up(self) -> list[dict[str, Any]]:
        """What each worker has done, for `summary.json`."""
        self._look()
        return self.crew.as_list()

    def grown(self, spp: int, on_progress: Callable[[float], None]) -> RemoteShards:
        """See `GrowingShards`."""
        texels = self.shape[1]
        passes = (*self._passes, spp)
        found = RemoteShards(
            *(self._workers, self._sources, self.shares, texels, passes, self.crew)
        )
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
        return joined(self._from_all("rows", lambda _: (product, given)), self.shape[0])

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
        for index, answer in enumerate(self._answers(asked)):
            self.crew.has_solved(index)
            yield from answer

    def _answers(self, asked: Sequence[Any]) -> Iterator[Any]:
        """Wait for answers, and show as stages which workers are started again meanwhile."""
        with ExitStack() as stages:

            def look() -> None:
                for each in self._look(LOOK_EVERY):
                    stages.enter_context(stage(_words_of_restart(each.number, each.restarts)))

            look()
            yield from self._workers.answers(asked, look)

    def whole(self) -> tuple[Any, ...]:
        """See `Shards`."""
        asked = [
            self._workers.ask(worker, "matrices", self._passes, number)
            for worker, share in enumerate(self.shares)
            for number in share
        ]
        parts = zip(*self._answers(asked), strict=True)
        return tuple(sparse.vstack(matrices, "csr") for matrices in parts)


def _words_of_restart(number: int, restarts: int) -> str:
    return f"Worker {number} was killed{times(restarts)}: recording its shards again"
