"""The report of a run: one HTML file that shows everything and works offline."""

from __future__ import annotations

import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from envmap_inverse.errors import InputError, cannot_write, in_one_line
from envmap_inverse.images import display_exposure, write_bytes
from envmap_inverse.report.page import page
from envmap_inverse.report.sequence import is_sequence, write_sequence_report
from envmap_inverse.run.reading import Image, Run
from envmap_inverse.solving import layout
from envmap_inverse.version import __version__

__all__ = ["write_comparison", "write_evaluation", "write_report"]


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Show the results in a run's folder on one page.

    Args:
        folder: a folder that `envmap-inverse estimate` or `demo` made.
        output: file of the page; by default `report.html` in the folder.

    Returns:
        The file of the page.

    Raises:
        InputError: if the folder holds no finished run, or the page cannot be written.
    """
    with _noticing_damage([folder]):
        if is_sequence(folder):
            return write_sequence_report(folder, output)
        return _write([Run.read(folder)], output or folder / layout.REPORT)


def write_comparison(folders: Sequence[Path], output: Path) -> Path:
    """Show several runs side by side on one page.

    Args:
        folders: folders of the runs, two or more.
        output: file of the page.

    Returns:
        The file of the page.

    Raises:
        InputError: if a folder holds no finished run, or the page cannot be written.
    """
    with _noticing_damage(folders):
        return _write([Run.read(folder) for folder in folders], output)


def write_evaluation(
    output: Path,
    estimate: Path,
    *,
    texels: Image,
    ground_truth: Image,
    coverage: Image | None,
    metrics: Mapping[str, Any],
    protocols: Mapping[str, Any],
    settings: Mapping[str, Any],
    command: str,
) -> Path:
    """Show on one page how far a map is from the true one.

    Args:
        output: file of the page.
        estimate: file of the map.
        texels: the map, shape (H, W, 3), rows corner-aligned.
        ground_truth: the true map, likewise.
        coverage: how strongly each texel was seen, likewise, if known.
        metrics: the result of `compare_maps`.
        protocols: errors by protocol, object and metric.
        settings: the options.
        command: the command that repeats the evaluation.

    Returns:
        The file of the page.

    Raises:
        InputError: if the page cannot be written.
    """
    versions = {
        "envmap_inverse": __version__,
        "numpy": np.__version__,
        "python": platform.python_version(),
    }
    evaluation = Run(
        path=estimate,
        summary={
            "status": "done",
            "metrics": metrics,
            "protocols": protocols,
            "seen_share": None if coverage is None else float((coverage > 0).any(axis=2).mean()),
            "exposure": display_exposure(ground_truth),
            "settings": settings,
            "command": command,
            "versions": versions,
            "warnings": [],
        },
        history=[],
        pictures=[],
        envmap=texels,
        coverage=coverage,
        deviation=None,
        ground_truth=ground_truth,
        thumbnails=None,
    )
    return _write([evaluation], output)


@contextmanager
def _noticing_damage(folders: Sequence[Path]) -> Iterator[None]:
    """Say that what a page is made of is not what a run writes, if it cannot be shown."""
    try:
        yield
    except InputError:
        raise
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        named = " or ".join(str(folder / layout.SUMMARY) for folder in folders)
        reason = f"{type(error).__name__}: {in_one_line(error)}"
        raise InputError(f"{named}: is damaged ({reason}); repeat the run") from error


def _write(runs: Sequence[Run], output: Path) -> Path:
    try:
        write_bytes(output, page(runs, output.parent).encode())
    except OSError as error:
        raise cannot_write(str(output), error) from None
    return output
