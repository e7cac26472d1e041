"""Write files so that whatever happens, none stands under its name unfinished."""

from __future__ import annotations

import errno
import logging
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path

__all__ = ["append_line", "naming", "publish", "temporary_file", "unfinished_files", "write_bytes"]

_LOGGER = logging.getLogger(__name__)


def write_bytes(path: Path, data: bytes, *, sync: bool = True) -> None:
    """Write a file so that it stands under its name complete or not at all.

    Args:
        path: where.
        data: what.
        sync: also before a power failure; worth its cost for results, not for a frame of many.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    with naming(path):
        _write_bytes(path, data, sync=sync)
    _LOGGER.debug("wrote %s, %d bytes", path, len(data))


def append_line(file: FileIO, line: str) -> None:
    """Append a line to an unbuffered file, all of it or nothing.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    end = file.tell()
    data = line.encode() + b"\n"
    with naming(file.name):
        try:
            if file.write(data) != len(data):
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            file.seek(end)
            raise


@contextmanager
def naming(path: object) -> Iterator[None]:
    """Have an `OSError` name a file that is being written, and not a temporary one or none."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or " ".join(str(error).split())
        raise OSError(error.errno, reason, str(path)) from None


def temporary_file(path: Path) -> tuple[int, Path]:
    """A new file, as a descriptor and a path, that is to be renamed to `path` when complete."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    return descriptor, Path(name)


def publish(temporary: Path, path: Path) -> None:
    """Give a complete temporary file its name, and the permissions of any new file."""
    temporary.chmod(0o666 & ~_umask())
    temporary.replace(path)


def unfinished_files(folder: Path, names: re.Pattern[str]) -> list[Path]:
    """Temporary files of a process that was killed, for paths whose names match."""
    found = ((file, re.fullmatch(r"\.(.+)\.\w{8}", file.name)) for file in folder.iterdir())
    return [file for file, match in found if match and names.fullmatch(match[1])]


def _write_bytes(path: Path, data: bytes, *, sync: bool) -> None:
    descriptor, temporary = temporary_file(path)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if sync:
                os.fsync(file.fileno())
        publish(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
