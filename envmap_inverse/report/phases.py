"""The seconds of runs by phase, as bars on one scale, and the workers that took them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envmap_inverse.errors import counted
from envmap_inverse.system.crew import times
from envmap_inverse.system.memory import mebibytes

__all__ = ["Phase", "phases", "workers_in_words"]

FEW_WORKERS = 8
"""Workers of which each is named, or else only those that were started again."""

PHASES = ("record", "load", "solve", "files", "assemble", "other", "coverage", "start")
"""Each has its number's colour, on all pages."""
ALIASES = {"optimize": "solve", "refine": "coverage", "follow": "coverage"}
"""Phases that share a colour, as no run has both, or one of them is short."""


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A part of the bar that shows how long a run took.

    Attributes:
        name: name of the phase.
        seconds: seconds that it took.
        start: share of the bar before it.
        share: its share of the bar.
        colour: number of its colour.
    """

    name: str
    seconds: float
    start: float
    share: float
    colour: int


def phases(summaries: Sequence[Mapping[str, Any]]) -> list[list[Phase]]:
    """Seconds by phase of each run, and the rest, leaving out phases that are sums of others.

    All bars have one scale: that of the longest run fills it.
    """
    found = []
    for summary in summaries:
        seconds = dict(summary["seconds"])
        total = seconds.pop("total")
        if "record" in seconds and "solve" in seconds:
            seconds.pop("optimize", None)
        found.append({**seconds, "other": max(total - sum(seconds.values()), 0.0)})
    longest = max((sum(seconds.values()) for seconds in found), default=0.0) or 1.0
    return [list(_bar(seconds, longest)) for seconds in found]


def workers_in_words(summary: Mapping[str, Any]) -> str:
    """The workers of a run and what each recorded; empty if it had none."""
    workers = summary.get("workers") or []
    if len(workers) > FEW_WORKERS:
        shards, nbytes = (sum(each[key] for each in workers) for key in ("shards", "bytes"))
        again = [
            f"worker {each['worker']}{times(each['restarts'])}"
            for each in workers
            if each["restarts"]
        ]
        started = f"; started again: {', '.join(again)}" if again else ""
        whole = f"{counted(shards, 'shard')}, {mebibytes(nbytes)}"
        return f"{len(workers)} workers ({whole}{started})"
    return ", ".join(map(_worker, workers))


def _worker(worker: Mapping[str, Any]) -> str:
    machine = f" on {worker['machine']}" if worker["machine"] else ""
    parts = [counted(worker["shards"], "shard"), mebibytes(worker["bytes"])]
    if worker["restarts"]:
        parts.append(f"started again{times(worker['restarts'])}")
    return f"worker {worker['worker']}{machine} ({', '.join(parts)})"


def _bar(seconds: Mapping[str, float], longest: float) -> Iterator[Phase]:
    start = 0.0
    for name, value in seconds.items():
        share, known = value / longest, ALIASES.get(name, name)
        colour = PHASES.index(known if known in PHASES else "other")
        yield Phase(name=name, seconds=value, start=start, share=share, colour=colour)
        start += share
