"""Write files so that none ever appears unfinished under its own name."""

from __future__ import annotations

import errno
import logging
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

from envmap_inverse.errors import in_one_line
from envmap_inverse.system.reading import is_endless

__all__ = [
    "append_line",
    "naming_file",
    "new_file",
    "temporary_name",
    "unfinished_files",
    "write_bytes",
]

_LOGGER = logging.getLogger(__name__)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that it appears under its own name complete or not at all.

    Args:
        path: the file to write.
        data: its content.
        sync: whether it must survive a power failure; worth its cost for results, not for one
            frame of many.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    with new_file(path, sync=sync) as file:
        file.write(data)


@contextmanager
def new_file(path: Path, *, sync: bool = True) -> Iterator[BinaryIO]:
    """Open a file that appears under its own name when the context ends without an error.

    Args:
        path: the file to write.
        sync: see `write_bytes`.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    temporary = temporary_name(path)
    with naming_file(path):
        if is_endless(path):
            raise OSError(errno.EINVAL, "is a device or a pipe; name a file")
        try:
            with temporary.open("x+b") as file:
                yield file
                file.flush()
                if sync:
                    os.fsync(file.fileno())
                size = file.seek(0, os.SEEK_END)
            temporary.replace(path)
            if sync:
                _sync_folder(path.parent)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    _LOGGER.debug("wrote %s, %d bytes", path, size)


def append_line(file: FileIO, line: str) -> None:
    """Append a line to an unbuffered file, completely or not at all.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    end = file.tell()
    data = line.encode() + b"\n"
    with naming_file(file.name):
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            file.seek(end)
            raise


@contextmanager
def naming_file(path: object) -> Iterator[None]:
    """Make an `OSError` name the file that is being written, not a temporary one or none."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or in_one_line(error)
        raise OSError(error.errno, reason, str(path)) from None


def temporary_name(path: Path) -> Path:
    """An unused name for a file that is renamed to `path` when it is complete.

    Knowing the name beforehand, the caller can remove the file whenever a signal arrives.
    """
    return path.parent / f".{path.name}.{secrets.token_hex(4)}"  # "." has no name


def unfinished_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """Temporary files that a killed process left for paths whose names match."""
    files = folder.iterdir() if folder.is_dir() else ()
    found = ((file, re.fullmatch(r"\.(.+)\.\w{8}", file.name)) for file in files)
    return [file for file, match in found if match and names.fullmatch(match[1])]


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder survive a power failure."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
