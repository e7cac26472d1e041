"""Show a command's progress: live lines on a terminal, or else plain lines of a run."""

from __future__ import annotations

import sys
from collections.abc import Callable

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from envmap_inverse.console.output import phases_in_words, tell
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import Stage

__all__ = ["PlainProgress", "TerminalProgress", "terminal_progress"]


def terminal_progress() -> TerminalProgress | None:
    """Progress on standard error if that is a terminal; standard output is for results."""
    if not sys.stderr.isatty():
        return None
    return TerminalProgress(Console(stderr=True))


class TerminalProgress:
    """A line per stage: its progress, its current work, the time taken and the time left."""

    def __init__(self, console: Console) -> None:
        """Args: console: the console to draw on."""
        self._console = console
        self._seconds: dict[str, float] = {}
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
        """Update the stage's line."""
        if self._live is not None:
            self._live.update(
                self._tasks[stage],
                completed=stage.done,
                amount=_amount(stage),
                detail=stage.detail,
            )

    def end(self, stage: Stage) -> None:
        """Leave the stage's line standing, and stop drawing if it was the last stage."""
        if self._live is None:
            return
        task = self._tasks.pop(stage)
        if stage.total is None:
            self._live.update(task, total=1, completed=1)
        self._live.stop_task(task)
        if not self._tasks:
            self._seconds[stage.name] = self._seconds.get(stage.name, 0) + stage.seconds
        if not self._tasks:
            self._live.stop()
            self._live = None

    def show_wait(self) -> None:
        """Write how long the user has waited since the program's start, if stages were shown."""
        if self._seconds:
            words = phases_in_words(seconds_since_start(), self._seconds)
            self._console.print(words, highlight=False, markup=False)


class PlainProgress:
    """A line when a stage begins, and the lines that its steps ask for."""

    def __init__(self, write: Callable[[str], None] = tell) -> None:
        """Args: write: writes a line."""
        self._write = write

    def begin(self, stage: Stage) -> None:
        """Write that the stage begins."""
        self._write(f"{stage.name} ...")

    def update(self, stage: Stage) -> None:
        """Write the step's line, if it has one."""
        if stage.line:
            self._write(stage.line)

    def end(self, stage: Stage) -> None:
        """Write nothing."""


def _amount(stage: Stage) -> str:
    if stage.total is None:
        return ""
    if stage.total == 1.0:
        return f"{100 * stage.done:.0f} %"
    return f"{stage.done:g}/{stage.total:g}"
