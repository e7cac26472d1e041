"""Show how far a command is: live lines on a terminal, plain lines of a run elsewhere."""

from __future__ import annotations

import sys

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from envmap_inverse.console.output import tell
from envmap_inverse.system.progress import Stage

__all__ = ["PlainProgress", "TerminalProgress", "terminal_progress"]


def terminal_progress() -> TerminalProgress | None:
    """What shows stages if standard error is a terminal; it leaves standard output to results."""
    if not sys.stderr.isatty():
        return None
    return TerminalProgress(Console(stderr=True))


class TerminalProgress:
    """A line per stage: how far it is, what it is at, how long it takes and will take."""

    def __init__(self, console: Console) -> None:
        """Args: console: where to draw."""
        self._console = console
        self._live: Progress | None = None
        self._tasks: dict[Stage, TaskID] = {}

    def begin(self, stage: Stage) -> None:
        """Add a line."""
        if self._live is None:
            self._live = Progress(
                TextColumn("{task.description}"),
                BarColumn(bar_width=24),
                TextColumn("{task.fields[amount]}"),
                TextColumn("{task.fields[detail]}", markup=False),
                TimeElapsedColumn(),
                TimeRemainingColumn(compact=True, elapsed_when_finished=False),
                console=self._console,
                redirect_stdout=False,
            )
            self._live.start()
        self._tasks[stage] = self._live.add_task(
            stage.name, total=stage.total, amount="", detail=""
        )

    def update(self, stage: Stage) -> None:
        """Change its line."""
        if self._live is not None:
            self._live.update(
                self._tasks[stage],
                completed=stage.done,
                amount=_amount(stage),
                detail=stage.detail,
            )

    def end(self, stage: Stage) -> None:
        """Leave its line standing, and end the drawing if no stage goes on."""
        if self._live is None:
            return
        task = self._tasks.pop(stage)
        if stage.total is None:
            self._live.update(task, total=1, completed=1)
        self._live.stop_task(task)
        if not self._tasks:
            self._live.stop()
            self._live = None


class PlainProgress:
    """A line when a stage begins, and those lines that its steps have for themselves."""

    def begin(self, stage: Stage) -> None:
        """Say that it begins."""
        tell(f"{stage.name} ...")

    def update(self, stage: Stage) -> None:
        """Say what it is at, if that is worth a line."""
        if stage.line:
            tell(stage.line)

    def end(self, stage: Stage) -> None:
        """Say nothing."""


def _amount(stage: Stage) -> str:
    if stage.total is None:
        return ""
    if stage.total == 1.0:
        return f"{100 * stage.done:.0f} %"
    return f"{stage.done:g}/{stage.total:g}"
