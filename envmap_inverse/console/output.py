"""Words and tables on standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from envmap_inverse.recording.planning import ViewCoverage

__all__ = [
    "comparison_table",
    "console",
    "coverage_table",
    "say",
    "say_table",
    "set_quiet",
    "tell",
]

console = Console()
"""Standard output."""


def say(text: str) -> None:
    """Write a line to standard output; when nobody listens any more, to nowhere."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def say_table(table: Table) -> None:
    """Write a table to standard output, as `say` does."""
    with console.capture() as text:
        console.print(table)
    say(text.get())


def tell(text: str) -> None:
    """Write a line about a run that goes, unless that is to be quiet."""
    if not console.quiet:
        say(text)


def set_quiet(quiet: bool) -> None:
    """Whether runs are shown while they go."""
    console.quiet = quiet


def comparison_table(runs: Mapping[str, Mapping[str, Any]]) -> Table:
    """A table of the demo's runs, each with its ratio to the first."""
    table = Table("", "seconds", "squared error", "angle", "log RMSE", title="Error of the map")
    first = next(iter(runs.values()))
    for name, run in runs.items():
        cells = [f"{run['seconds']['optimize']:.2f}", f"{run['error']:,.0f}"]
        cells += [f"{run['metrics'][key]:.3g}" for key in ("angular_mean_deg", "log_rmse")]
        if run is not first:
            cells[0] += f" (1/{first['seconds']['optimize'] / run['seconds']['optimize']:.1f})"
            cells[1] += f" (1/{first['error'] / run['error']:.1f})"
        table.add_row(name, *cells)
    return table


def coverage_table(views: Sequence[ViewCoverage], names: Sequence[str]) -> Table:
    """A table of ranked views; a name for each."""
    table = Table("take", "sensor", "sees", "deviation", "adds", "together", "deviation")
    table.title = "Views, the one that adds most first"
    for number, (view, name) in enumerate(zip(views, names, strict=True), start=1):
        cells = [f"{number}.", f"{view.sensor} {name}".strip()]
        for information in (view.alone, view.together):
            cells.append(f"{100 * information.seen_share:.1f} %")
            cells.append(f"{100 * information.median_deviation:.2g} %")
        cells.insert(4, f"{view.gain:.2f} bits")
        table.add_row(*cells)
    return table
