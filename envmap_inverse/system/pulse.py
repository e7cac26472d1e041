"""Report to the process that watches over this one, if there is one, that it gets on."""

from __future__ import annotations

from typing import Protocol

__all__ = ["Pulse", "beat", "report_to"]


class Pulse(Protocol):
    """Takes the reports; see `envmap_inverse_supervisor`."""

    def beat(
        self,
        *,
        doing: str | None = None,
        stall_limit: float | None = None,
        can_resume: bool | None = None,
        status: int | None = None,
    ) -> None:
        """Note that this process has got on, and what has changed."""


_pulses: list[Pulse] = []


def report_to(pulse: Pulse) -> None:
    """Report to one more."""
    _pulses.append(pulse)


def beat(
    *,
    doing: str | None = None,
    stall_limit: float | None = None,
    can_resume: bool | None = None,
    status: int | None = None,
) -> None:
    """Report that this process gets on, and what has changed.

    Args:
        doing: what it does now.
        stall_limit: seconds without a report after which it may be ended; 0 for never.
        can_resume: whether `--resume` goes on with the run.
        status: the exit status that it is about to end with.
    """
    for pulse in _pulses:
        pulse.beat(doing=doing, stall_limit=stall_limit, can_resume=can_resume, status=status)
