"""The report of a run: one HTML file that shows everything and works offline."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.images import write_bytes
from envmap_inverse.report.folder import Run
from envmap_inverse.report.page import page

__all__ = ["write_comparison", "write_report"]


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Show what a run left in its folder, on one page.

    Args:
        folder: what `envmap-inverse estimate` or `demo` made.
        output: the page; by default `report.html` in the folder.

    Returns:
        Where the page is.

    Raises:
        InputError: if the folder holds no finished run, or the page cannot be written.
    """
    return _write([Run.read(folder)], output or folder / "report.html")


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Show several runs side by side, on one page.

    Args:
        folders: of the runs, two or more.
        output: the page.

    Returns:
        Where the page is.

    Raises:
        InputError: if a folder holds no finished run, or the page cannot be written.
    """
    return _write([Run.read(folder) for folder in folders], output)


def _write(runs: Sequence[Run], output: Path) -> Path:
    try:
        write_bytes(output, page(runs).encode())
    except OSError as error:
        raise InputError(f"{output}: cannot be written: {error.strerror}") from None
    return output
