"""`envmap-inverse report`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse.console.options import check_page
from envmap_inverse.console.output import say
from envmap_inverse.errors import InputError
from envmap_inverse.report import write_comparison, write_report
from envmap_inverse.system.progress import stage

__all__ = ["report"]


def report(
    run: Annotated[
        list[Path], typer.Argument(metavar="DIR...", help="Folders of estimate or demo.")
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="PAGE",
            help="File of the page; for one run by default DIR/report.html.",
        ),
    ] = None,
) -> None:
    """Show a run on one HTML page that works offline, or compare several runs.

    Examples:
        envmap-inverse report run
        envmap-inverse report first second -o compare.html
    """
    check_page(output)
    with stage(f"Writing {'report.html' if output is None else output.name}"):
        if len(run) == 1:
            page = write_report(run[0], output)
        elif output is None:
            raise InputError("-o: name the page that compares the runs, e.g. -o compare.html")
        else:
            page = write_comparison(run, output)
    say(f"report in {page}")
