"""One thread at a time in Mitsuba, and none in a process that was forked off."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import ParamSpec, TypeVar

from envmap_inverse.backend.modules import check_process

__all__ = ["exclusive"]

_P = ParamSpec("_P")
_T = TypeVar("_T")

_LOCK = threading.RLock()


def exclusive(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A function that waits until no other thread is in a function of this kind.

    Scenes are not made for several threads, and Dr.Jit ends the process. A thread may call further
    functions of this kind, e.g. in `on_iteration`.

    Raises:
        BackendError: if Mitsuba was started before this process was forked off.
    """

    @functools.wraps(function)
    def alone(*args: _P.args, **kwargs: _P.kwargs) -> _T:
        check_process()
        with _LOCK:
            return function(*args, **kwargs)

    return alone
