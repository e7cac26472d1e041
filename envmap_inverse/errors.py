"""The two errors that the package raises on purpose. Their messages are one line each."""

import errno
import math

__all__ = ["BackendError", "InputError", "cannot_write", "check_positive"]


class InputError(ValueError):
    """Something the caller gave cannot be used; the message says what, why, and the remedy."""


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install."""


def check_positive(**values: float) -> None:
    """Check numbers given by their names.

    Raises:
        InputError: if one is not above 0, or not finite.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive; found {value}")


def cannot_write(name: str, error: OSError) -> Exception:
    """What to raise where a file or folder that the caller named cannot be written.

    Args:
        name: the file or folder, as the caller named it.
        error: what happened. A full or broken disk stays an `OSError`: another name mends the rest.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return OSError(error.errno, error.strerror, name)
    return InputError(f"{name}: cannot be written: {error.strerror}")
