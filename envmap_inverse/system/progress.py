"""Report what a long call is doing to whoever watches: a terminal, a notebook, or nobody.

Code that takes time opens a `stage` and advances it, without knowing who watches. An `Observer`
watches for the length of a `watched_by` context. Stages of other threads are not reported.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol

from envmap_inverse.system.pulse import beat

__all__ = ["Observer", "Stage", "innermost", "is_watched", "stage", "watched_by"]


class Observer(Protocol):
    """Receives the progress of stages; a stage may begin and end inside another."""

    def begin(self, stage: Stage) -> None:
        """Called when a stage begins."""

    def update(self, stage: Stage) -> None:
        """Called when a stage has advanced, to `stage.done`."""

    def end(self, stage: Stage) -> None:
        """Called when a stage has ended, perhaps by an error."""


_LOGGER = logging.getLogger(__name__)

_open: list[Stage] = []
"""Stages that have begun and not ended, the innermost last."""

_observer: ContextVar[Observer | None] = ContextVar("observer", default=None)


class Stage:
    """A part of a long call.

    Attributes:
        name: what is done, to be read as "Recording ...".
        total: `done` at the end; None if that is not known, 1.0 for shares.
        done: progress so far.
        detail: what it is working on.
        line: a line that reports the progress, for an observer that writes lines; "" for none.
        seconds: seconds since it began.
    """

    def __init__(self, name: str, total: float | None) -> None:
        """Begin the stage; see `stage`."""
        self.name = name
        self.total = total
        self.done = 0.0
        self.detail = self.line = ""
        self._begun = time.perf_counter()
        self._observer = _observer.get()
        _LOGGER.info("%s", name)
        _open.append(self)
        beat(doing=name)
        if self._observer is not None:
            self._observer.begin(self)

    @property
    def seconds(self) -> float:
        """Seconds since the stage began."""
        return time.perf_counter() - self._begun

    def advance(self, done: float, detail: str = "", line: str = "") -> None:
        """Report progress; the arguments are attributes of the stage."""
        self.done, self.detail, self.line = done, detail, line
        beat(doing=f"{self.name} ({detail})" if detail else self.name)
        if self._observer is not None:
            self._observer.update(self)

    def end(self) -> None:
        """Report that the stage has ended."""
        if self in _open:
            _open.remove(self)
        beat(doing=_open[-1].name if _open else "")
        if self._observer is not None:
            self._observer.end(self)


@contextmanager
def stage(name: str, total: float | None = None) -> Iterator[Stage]:
    """Open a stage that ends with the context.

    Args:
        name: what is done, e.g. "Recording".
        total: what `done` will be at the end; None if that is not known, 1.0 for shares.
    """
    begun = Stage(name, total)
    try:
        yield begun
    finally:
        begun.end()


@contextmanager
def watched_by(observer: Observer | None) -> Iterator[None]:
    """Report the stages of this context to an observer, or to nobody."""
    token = _observer.set(observer)
    try:
        yield
    finally:
        _observer.reset(token)


def innermost() -> Stage | None:
    """The stage that is open, of several the one that began last; asked from any thread."""
    return next(iter(_open[-1:]), None)


def is_watched() -> bool:
    """Whether an observer is watching."""
    return _observer.get() is not None
