"""The two errors that the package raises on purpose. Their messages are one line each."""

import errno
import math
import re

__all__ = [
    "BackendError",
    "InputError",
    "cannot_write",
    "check_positive",
    "check_seed",
    "is_out_of_memory",
    "tells_of_memory",
]

_OUT_OF_MEMORY = re.compile("bad_alloc|out of memory|allocate|MemoryError", re.IGNORECASE)


class InputError(ValueError):
    """Something the caller gave cannot be used; the message says what, why, and the remedy.

    Example:
        >>> try:
        ...     ei.render(scene, spp=0)
        ... except ei.InputError as error:
        ...     print(error)
        spp must be at least 1; found 0
    """


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install.

    Example:
        >>> try:
        ...     scene = ei.load_scene("scene.xml")
        ... except ei.BackendError as error:
        ...     print(error)
    """


def check_positive(**values: float) -> None:
    """Check numbers given by their names.

    Raises:
        InputError: if one is not above 0, or not finite.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive; found {value}")


def check_seed(seed: int) -> None:
    """Check that a seed is one.

    Raises:
        InputError: if it is negative or takes more than 32 bits.
    """
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be from 0 to 2^32 - 1; found {seed}")


def cannot_write(name: str, error: OSError) -> Exception:
    """What to raise where a file or folder that the caller named cannot be written.

    Args:
        name: the file or folder, as the caller named it.
        error: what happened. A full or broken disk stays an `OSError`: another name mends the rest.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return OSError(error.errno, error.strerror, name)
    return InputError(f"{name}: cannot be written: {error.strerror}")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is a lack of memory."""
    while error is not None:
        if isinstance(error, MemoryError) or tells_of_memory(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def tells_of_memory(words: str) -> bool:
    """Whether a library's words are of a lack of memory."""
    return _OUT_OF_MEMORY.search(words) is not None
