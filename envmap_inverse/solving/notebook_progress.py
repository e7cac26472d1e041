"""A progress bar in notebooks, in HTML that needs no extension."""

from __future__ import annotations

import html
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from envmap_inverse.system.progress import Stage, is_watched, watched_by

__all__ = ["NotebookProgress", "shown_in_notebook"]

SECONDS = 0.2
"""Between two updates, at least."""


def shown_in_notebook() -> AbstractContextManager[None]:
    """Show the stages of this context as a bar if a notebook runs it and nobody watches yet."""
    display = None if is_watched() else _display_of_notebook()
    return nullcontext() if display is None else watched_by(NotebookProgress(display))


def _display_of_notebook() -> Any:
    """IPython's `display` if a notebook's kernel runs this, else None."""
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython is not None else None
    if getattr(shell, "kernel", None) is None:  # a terminal's shell has none
        return None
    return sys.modules["IPython.display"]


class NotebookProgress:
    """One output of a cell, replaced as stages advance and empty at the end."""

    def __init__(self, display: Any) -> None:
        """Args: display: the module `IPython.display`."""
        self._display = display
        self._handle: Any = None
        self._open: list[Stage] = []
        self._next = 0.0

    def begin(self, stage: Stage) -> None:
        """Show it in place of the stage around it."""
        self._open.append(stage)
        self._show(is_due=True)

    def update(self, stage: Stage) -> None:  # noqa: ARG002 - the innermost one is shown
        """Show how far it is, not more often than can be seen."""
        self._show(is_due=time.perf_counter() >= self._next)

    def end(self, stage: Stage) -> None:
        """Show the stage around it, if there is one."""
        self._open.remove(stage)
        self._show(is_due=True)

    def _show(self, *, is_due: bool) -> None:
        if not is_due:
            return
        self._next = time.perf_counter() + SECONDS
        shown = self._display.HTML(_bar(self._open[-1]) if self._open else "")
        if self._handle is None:
            self._handle = self._display.display(shown, display_id=True)
        else:
            self._handle.update(shown)


def _bar(stage: Stage) -> str:
    """A stage as HTML: its name, a bar, what it is at, and the seconds that are left."""
    share = "" if stage.total is None else f' value="{stage.done / stage.total:.3f}"'
    left = ""
    if stage.total and 0 < stage.done < stage.total:
        seconds = stage.seconds * (stage.total - stage.done) / stage.done
        left = f", {seconds:.0f} s left"
    words = html.escape(f"{stage.detail} ({stage.seconds:.0f} s{left})".strip())
    return f"{html.escape(stage.name)} <progress{share}></progress> {words}"
