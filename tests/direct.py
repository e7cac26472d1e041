"""Commands called as functions, without a command line."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from envmap_inverse.console import parsing
from envmap_inverse.errors import Faults


def called(command: Callable[..., None]) -> Callable[..., None]:
    """A command that takes only its options, and reads files directly."""
    reads = "trust_input" in inspect.signature(command).parameters
    trusting = {"trust_input": True} if reads else {}

    def call(*args: Any, **options: Any) -> None:
        context = SimpleNamespace(meta={parsing.__name__: (Faults(), True)})
        command(context, *args, **{**trusting, **options})

    return call
