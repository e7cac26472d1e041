"""Our Adam loop against the tutorial's plain Mitsuba loop, in turn in one process.

    python -m benchmarks.adam [--quick]

Both start white, use the same seeds, 1 spp, learning rate 0.02 and `prb`, and see the same 16 spp
reference of the bundled bunny.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import LOOP, Case, bundled_case, estimate, loop
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from benchmarks.timing import Timed, interleaved, timed
from envmap_inverse.metrics import sum_of_squared_errors


def adam(settings: Settings) -> Table:
    """Seconds and error of both."""
    return Table(
        name="adam",
        title="`Adam` against the plain loop",
        note="100 iterations with the same seeds: seconds, their ratio (the median turn, and the "
        "least and the greatest), and the error of the map.",
        columns={
            "film": "",
            "plain s": ".2f",
            "ours s": ".2f",
            "ratio": ".2f",
            "plain SSE": ".0f",
            "ours SSE": ".0f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    for size in map(settings.film, (64, 256)):
        case = bundled_case(size)
        runs = interleaved(
            _methods(case, 100), settings.repeats(2, 5), warm_up=_methods(case, iterations=2)
        )
        yield (
            f"{size}^2",
            runs.spread(LOOP),
            runs.spread("ours"),
            runs.ratio(LOOP, "ours"),
            *(sum_of_squared_errors(runs.results[name], case.truth) for name in (LOOP, "ours")),
        )


def _methods(case: Case, iterations: int) -> dict[str, Timed]:
    return {
        LOOP: lambda: timed(loop(iterations), case),
        "ours": lambda: _ours(case, iterations),
    }


def _ours(case: Case, iterations: int) -> tuple[float, Any]:
    """Without the time of the coverage, which the plain loop does not compute."""
    result = estimate(case, ei.Adam(iterations=iterations))
    return result.phases["optimize"], result.texels


if __name__ == "__main__":
    print_table(adam(settings_of(parser(__doc__).parse_args())), "python -m benchmarks.adam")
