"""Write text and tables to standard output."""

from __future__ import annotations

import contextlib
import math
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from envmap_inverse.planning.ranking import ViewCoverage

__all__ = [
    "WHY_ERRORS_DISAGREE",
    "Errors",
    "comparison_table",
    "console",
    "coverage_table",
    "errors_disagree",
    "lost_output",
    "note",
    "phases_in_words",
    "say",
    "say_table",
    "set_quiet",
    "tell",
]

console = Console()
"""Standard output."""


_losses: list[str] = []
"""Why lines could not be written to standard output."""


def say(text: str) -> None:
    """Write a line to standard output, or nowhere once it cannot be written; see `lost_output`."""
    try:
        sys.stdout.write(f"{text}\n")
        sys.stdout.flush()
    except OSError as error:
        if not isinstance(error, BrokenPipeError):  # a reader that has gone wants no more
            _losses.append(error.strerror or str(error))
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lost_output() -> str | None:
    """Why lines of standard output are lost; None if none are, or nobody wanted them."""
    return _losses[0] if _losses else None


def say_table(table: Table) -> None:
    """Write a table to standard output, as `say` does; a file or a pipe takes wide ones."""
    if not console.is_terminal:
        console.width = 160
    with console.capture() as text:
        console.print(table)
    say(text.get())


def tell(text: str) -> None:
    """Write a line about the progress of a run, unless --quiet is given."""
    if not console.quiet:
        say(text)


def note(text: str) -> None:
    """Write a line about progress to standard error, unless --quiet is given."""
    if not console.quiet:
        with contextlib.suppress(OSError):  # there is no other place for it
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()


def phases_in_words(total: float, seconds: Mapping[str, float]) -> str:
    """How long the user has waited, with the phases that took a while and the rest of the time.

    Args:
        total: seconds since the program's start.
        seconds: those of each phase.
    """
    phases = {**seconds, "other": total - sum(seconds.values())}
    listed = ", ".join(f"{name} {value:.1f}" for name, value in phases.items() if value >= 0.05)
    return f"{total:.1f} s since the start: {listed}"


def set_quiet(quiet: bool) -> None:
    """Set whether `tell` keeps quiet."""
    console.quiet = quiet


def comparison_table(ours: Mapping[str, Any], tutorial: Mapping[str, Any]) -> Table:
    """Compare the demo's runs in a table, from their summaries, with ratios of their numbers."""
    table = Table(
        "",
        "seconds to\noptimize",
        "sum of squared\nerrors, radiance^2",
        "mean colour\nangle, degrees",
        "log RMSE,\nfactors of e",
        title="Errors of the maps, over all texels",
    )
    rows = {
        "ours: Transport()": _figures(ours),
        "the tutorial's: Adam()": _figures(tutorial),
    }
    for name, (seconds, error, angle, log) in rows.items():
        table.add_row(name, f"{seconds:.2f}", f"{error:,.0f}", f"{angle:.3g}", f"{log:.3g}")
    ratios = [a / b if b else math.nan for a, b in zip(*rows.values(), strict=True)]
    table.add_row("ours / the tutorial's", *(f"{ratio:.2f}" for ratio in ratios))
    return table


Errors = tuple[float | None, float | None]

WHY_ERRORS_DISAGREE = (
    "a few very bright texels, such as lamps and windows, dominate the sum of squared errors; "
    "in the log RMSE, dark and bright texels count equally"
)


def errors_disagree(first: Errors, second: Errors) -> bool:
    """Whether one map has the smaller squared error and the other the smaller log RMSE.

    Args:
        first: sum of squared errors and log RMSE of one map; None where unknown.
        second: the same for the other map.
    """
    changes = [b - a for a, b in zip(first, second, strict=True) if a is not None and b is not None]
    return len(changes) == 2 and changes[0] * changes[1] < 0


def _figures(summary: Mapping[str, Any]) -> tuple[float, float, float, float]:
    metrics = summary["metrics"]
    seconds = summary["seconds"]["optimize"]
    return seconds, summary["error"], metrics["angular_mean_deg"], metrics["log_rmse"]


def coverage_table(views: Sequence[ViewCoverage], names: Sequence[str]) -> Table:
    """Make a table of ranked views and their names."""
    table = Table("take", "sensor", "sees", "known to", "adds", "together", "known to")
    table.title = "Views, ranked by what each adds"
    for number, (view, name) in enumerate(zip(views, names, strict=True), start=1):
        cells = [f"{number}.", f"{view.sensor} {name}".strip()]
        for information in (view.alone, view.together):
            cells.append(f"{100 * information.seen_share:.1f} %")
            cells.append(f"a factor of {math.exp(information.median_deviation):.2f}")
        cells.insert(4, f"{view.gain:.1f} bits")
        table.add_row(*cells)
    return table
