"""What programs print on stderr, without what short runs always say."""

from __future__ import annotations

__all__ = ["without_unfinished"]


def without_unfinished(stderr: str) -> str:
    """The lines but those that say that a run of few iterations is unfinished."""
    unfinished = "warning: the loss was still falling"
    lines = stderr.splitlines(keepends=True)
    return "".join(line for line in lines if not line.startswith(unfinished))
