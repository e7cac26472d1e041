"""The two errors that the package raises on purpose. Their messages are one line each."""

import errno

__all__ = ["BackendError", "InputError", "cannot_write"]


class InputError(ValueError):
    """Something the caller gave cannot be used; the message says what, why, and the remedy."""


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install."""


def cannot_write(name: str, error: OSError) -> Exception:
    """What to raise where a file or folder that the caller named cannot be written.

    Args:
        name: the file or folder, as the caller named it.
        error: what happened. A full or broken disk stays an `OSError`: another name mends the rest.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return OSError(error.errno, error.strerror, name)
    return InputError(f"{name}: cannot be written: {error.strerror}")
