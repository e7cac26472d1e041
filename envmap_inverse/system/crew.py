"""The workers of a run, and what each of them does, for whoever watches."""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from envmap_inverse.errors import counted
from envmap_inverse.system.memory import mebibytes

__all__ = ["Crew", "Worker", "present", "times"]

FEW = 4
"""Workers of which a line names each."""

RECORDING, RECORDED, SOLVING, AGAIN = "recording", "recorded", "solving", "recording again"
"""What a worker does."""


@dataclass(kw_only=True)
class Worker:
    """A worker of a run.

    Attributes:
        number: its number, from 1.
        shards: numbers of the shards that are its to record.
        machine: name of the machine that it runs on; "" if it is this one, or not known.
        doing: what it does.
        restarts: how often it was killed and started again.
        held: bytes and entries of the shards that it holds now, by their numbers.
    """

    number: int
    shards: range
    machine: str = ""
    doing: str = RECORDING
    restarts: int = 0
    held: dict[int, tuple[int, int]] = field(default_factory=dict)

    @property
    def nbytes(self) -> int:
        """Bytes of what it holds."""
        return sum(nbytes for nbytes, _ in list(self.held.values()))

    @property
    def entries(self) -> int:
        """Entries of one channel of what it holds."""
        return sum(entries for _, entries in list(self.held.values()))

    def as_dict(self) -> dict[str, Any]:
        """Its entry in `summary.json`."""
        return {
            "worker": self.number,
            "machine": self.machine,
            "shards": len(self.shards),
            "entries": self.entries,
            "bytes": self.nbytes,
            "restarts": self.restarts,
        }


class Crew:
    """All workers of a run, as far as the process that solves knows what they do.

    Attributes:
        workers: in the order of their numbers.
    """

    def __init__(self, shares: Sequence[range]) -> None:
        """Begin; nothing is recorded yet.

        Args:
            shares: the numbers of each worker's shards.
        """
        self.workers = [Worker(number=n, shards=share) for n, share in enumerate(shares, 1)]
        self._all: dict[int, tuple[int, int]] = {}
        _present[:] = [weakref.ref(self)]

    def begin(self) -> None:
        """All begin to record."""
        self._all.clear()
        for worker in self.workers:
            worker.held.clear()
            worker.doing = RECORDING

    def has_recorded(self, index: int, shard: int, nbytes: int, entries: int) -> None:
        """A worker, counted from 0, has recorded a shard."""
        worker = self.workers[index]
        self._all[shard] = worker.held[shard] = nbytes, entries
        if len(worker.held) == len(worker.shards):
            worker.doing = RECORDED

    def has_solved(self, index: int) -> None:
        """A worker has answered with products of all its shards, so it holds them."""
        worker = self.workers[index]
        if len(worker.held) != len(worker.shards):
            worker.held.update({shard: self._all[shard] for shard in worker.shards})
        worker.doing = SOLVING

    def look(self, found: Sequence[tuple[str, int]]) -> list[Worker]:
        """Take where the workers run and how often each was started again.

        A new one holds nothing.

        Returns:
            Those that were started again since.
        """
        again = []
        for worker, (machine, restarts) in zip(self.workers, found, strict=True):
            worker.machine = machine
            if restarts > worker.restarts:
                worker.restarts, worker.doing = restarts, AGAIN
                worker.held.clear()
                again.append(worker)
        return again

    def in_words(self) -> str:
        """A line: how much is recorded, of few workers by each, and which were started again."""
        counts = [(len(worker.held), len(worker.shards)) for worker in self.workers]
        if len(counts) > FEW:
            done, of = zip(*counts, strict=True)
            counts = [(sum(done), sum(of))]
        words = ", ".join(f"{done}/{of}" for done, of in counts)
        nbytes = sum(worker.nbytes for worker in self.workers)
        line = f"{counted(len(self.workers), 'worker')}: {words} shards, {mebibytes(nbytes)}"
        again = [worker for worker in self.workers if worker.restarts]
        if len(again) > FEW // 2:
            return f"{line}, {len(again)} started again"
        parts = (f"worker {each.number} started again{times(each.restarts)}" for each in again)
        return ", ".join([line, *parts])

    def as_it_is(self) -> list[dict[str, Any]]:
        """An entry for each worker, with what it does and how many shards it has now."""
        return [
            {**each.as_dict(), "doing": each.doing, "recorded": len(each.held)}
            for each in self.workers
        ]

    def as_list(self) -> list[dict[str, Any]]:
        """An entry for each worker."""
        return [worker.as_dict() for worker in self.workers]


def times(number: int) -> str:
    """How often something has happened, after its name: "", " twice", " 3 times"."""
    return {1: "", 2: " twice"}.get(number, f" {number} times")


_present: list[weakref.ReferenceType[Crew]] = []


def present() -> Crew | None:
    """The workers that are there; asked from any thread."""
    return _present[0]() if _present else None
