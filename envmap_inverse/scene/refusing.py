"""Refuse scenes that Mitsuba loads, and cannot compute with."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from envmap_inverse.errors import BackendError, InputError, in_one_line, is_out_of_memory

__all__ = ["refusing", "root_cause"]


@contextmanager
def refusing(verb: str, remedy: str = "") -> Iterator[None]:
    """Turn what Mitsuba raises while it computes into an `InputError`.

    A lack of memory and a signal, which Dr.Jit wraps too, go on as they are.

    Args:
        verb: what Mitsuba is asked to do with the scene.
        remedy: what the user can do instead, after a semicolon.
    """
    try:
        yield
    except (RuntimeError, TypeError) as error:
        cause = root_cause(error)
        is_ours = isinstance(cause, BackendError | InputError) or not isinstance(cause, Exception)
        if is_ours or is_out_of_memory(error):
            raise
        reason = in_one_line(cause)
        raise InputError(f"Mitsuba cannot {verb} the scene ({reason}){remedy}") from None


def root_cause(error: BaseException) -> BaseException:
    """The error that led to another one; Dr.Jit's outer errors only say where they passed."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error
