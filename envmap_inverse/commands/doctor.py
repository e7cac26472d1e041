"""`envmap-inverse doctor`."""

from __future__ import annotations

import typer

from envmap_inverse.backend.doctor import examine
from envmap_inverse.console.output import say

__all__ = ["doctor"]


def doctor() -> None:
    """Print what backend is used and why, what is missing, and how to get it.

    Examples:
        envmap-inverse doctor
    """
    remedies = []
    for finding in examine():
        say(f"{finding.name:22}{finding.found}")
        remedies += [f"missing: {finding.name}: {finding.remedy}"] if finding.remedy else []
    say("\n".join(remedies) or "Nothing is missing.")
    if remedies:
        raise typer.Exit(1)
