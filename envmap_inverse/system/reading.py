"""Read files that users name or may have put into the folder of a run."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["check_regular", "is_endless", "read_whole"]


def is_endless(path: Path) -> bool:
    """Whether there is a pipe or a device, which may never end."""
    return path.exists() and not (path.is_file() or path.is_dir())


def check_regular(path: Path) -> None:
    """Check that a file is neither a pipe nor a device; there need not be one.

    Raises:
        OSError: if it is one.
    """
    if is_endless(path):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))


def read_whole(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        OSError: if it cannot be read, or is a pipe or a device.
    """
    check_regular(path)
    return path.read_bytes()
