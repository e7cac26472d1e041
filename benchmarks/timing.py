"""Seconds of calls, one in turn with the other."""

from __future__ import annotations

import time
from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from benchmarks.tables import Spread

K = TypeVar("K", bound=Hashable)
Timed = Callable[[], tuple[float, Any]]
"""Gives seconds and a result."""


def timed(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[float, Any]:
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = function(*args, **options)
    return time.perf_counter() - start, result


@dataclass(frozen=True)
class Runs(Generic[K]):
    """The result of `interleaved`.

    Attributes:
        seconds: of each run, by method.
        results: of the last run, by method.
    """

    seconds: dict[K, list[float]]
    results: dict[K, Any]

    def spread(self, key: K) -> Spread:
        """Seconds of a method."""
        return Spread.of(self.seconds[key])

    def ratio(self, numerator: K, denominator: K) -> Spread:
        """Ratio of two methods' seconds, each pair from the same turn."""
        pairs = zip(self.seconds[numerator], self.seconds[denominator], strict=True)
        return Spread.of(a / b for a, b in pairs)


def interleaved(
    methods: Mapping[K, Timed], repeats: int, *, warm_up: Mapping[K, Timed] | None = None
) -> Runs[K]:
    """Run every method once unmeasured, then all of them in turn, again and again.

    Args:
        methods: what to measure.
        repeats: measured turns.
        warm_up: runs that are enough to have every kernel compiled; by default the methods.
    """
    for method in (methods if warm_up is None else warm_up).values():
        method()
    seconds: dict[K, list[float]] = {key: [] for key in methods}
    results = {}
    for _ in range(repeats):
        for key, method in methods.items():
            taken, results[key] = method()
            seconds[key].append(taken)
    return Runs(seconds, results)
