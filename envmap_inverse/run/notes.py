"""The warnings of one run."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["collected_warnings"]


@contextmanager
def collected_warnings() -> Iterator[list[str]]:
    """Collect the warnings of one run, and show them as well.

    Warnings that an earlier run has shown are shown again.

    Yields:
        The messages so far, in order.
    """
    met: list[str] = []
    with warnings.catch_warnings():
        show = warnings.showwarning

        def keep(message: Warning | str, *rest: Any, **named: Any) -> None:
            met.append(str(message))
            show(message, *rest, **named)

        warnings.showwarning = keep
        yield met
