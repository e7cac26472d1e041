"""Read files of cameras; every error names its place."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.system.reading import read_whole

__all__ = ["naming_place", "read_bytes", "read_text"]


def read_text(path: Path) -> str:
    """Read a file of UTF-8 text.

    Raises:
        InputError: if it is not UTF-8 text.
    """
    try:
        return read_bytes(path).decode("utf-8")
    except UnicodeDecodeError:
        raise InputError(f"{path}: not a text file") from None


def read_bytes(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        InputError: if it cannot be read.
    """
    try:
        return read_whole(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


@contextmanager
def naming_place(place: str) -> Iterator[None]:
    """Make errors name the place in a file where they arose."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{place}: has no {error.args[0]}") from None
    except OverflowError:
        raise InputError(f"{place}: a number is too large") from None
    except (TypeError, ValueError) as error:
        raise InputError(f"{place}: {error}") from None
