"""`envmap-inverse doctor`."""

from __future__ import annotations

import typer

from envmap_inverse.backend.doctor import examine
from envmap_inverse.backend.modules import check_working_folder
from envmap_inverse.console.output import console, say

__all__ = ["doctor"]


def doctor() -> None:
    """Report what is missing and how to get it, and which backend is used and why.

    Examples:
        envmap-inverse doctor
    """
    check_working_folder()
    with console.status("Looking at this machine"):
        findings = list(examine())
    missing = [
        f"missing: {finding.name}: {finding.remedy}" for finding in findings if finding.remedy
    ]
    verdict = "\n".join(missing) or "Nothing is missing."
    say(verdict)
    say("")
    for finding in findings:
        say(f"{finding.name:22}{finding.found}")
    say("")
    say(verdict)
    if missing:
        raise typer.Exit(1)
