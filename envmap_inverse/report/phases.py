"""The seconds of runs by phase, as bars on one scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Phase", "phases"]

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


def _bar(seconds: Mapping[str, float], longest: float) -> Iterator[Phase]:
    start = 0.0
    for name, value in seconds.items():
        share, known = value / longest, ALIASES.get(name, name)
        colour = PHASES.index(known if known in PHASES else "other")
        yield Phase(name=name, seconds=value, start=start, share=share, colour=colour)
        start += share
