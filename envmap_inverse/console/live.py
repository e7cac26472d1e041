"""The options of `estimate` for a live view."""

from __future__ import annotations

import warnings
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

from envmap_inverse.console.options import panelled
from envmap_inverse.console.output import say
from envmap_inverse.errors import InputError
from envmap_inverse.report.live import LOOPBACK, LiveView

__all__ = ["LOOPBACK", "Live", "LiveHost", "LivePort", "check_live", "live_view"]

Live = Annotated[
    bool,
    panelled("Running", help="Serve a page that follows the run; print its address."),
]
LivePort = Annotated[
    int,
    panelled("Running", min=0, max=65535, help="Port of the page; by default a free one."),
]
LiveHost = Annotated[
    str,
    panelled(
        "Running",
        metavar="ADDRESS",
        help="Address to serve the page at; any but the default opens it to a network.",
    ),
]


def check_live(*, live: bool, host: str, port: int) -> None:
    """Refuse an address or a port without --live."""
    if not live and (host, port) != (LOOPBACK, 0):
        raise InputError("--live-host and --live-port: need --live")


def live_view(
    folder: Path, *, live: bool, host: str, port: int
) -> AbstractContextManager[LiveView | None]:
    """Open the live view of a run and print its address, if one is wanted.

    Raises:
        InputError: if its port cannot be opened.
    """
    if not live:
        return nullcontext()
    view = LiveView(folder, host=host, port=port)
    if not view.is_loopback:
        warnings.warn(
            f"--live-host {host}: anyone who can reach this address and knows its token can watch, "
            "and nothing is encrypted",
            stacklevel=1,
        )
    say(f"live view at {view.address}")
    return view
