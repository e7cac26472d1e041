"""Read files that users name or may have put into the folder of a run."""

from __future__ import annotations

import errno
from pathlib import Path

__all__ = ["check_regular", "read_whole"]


def check_regular(path: Path) -> None:
    """Check that a file that exists is neither a pipe nor a device, which may never end.

    Raises:
        OSError: if it is one.
    """
    if path.exists() and not (path.is_file() or path.is_dir()):
        raise OSError(errno.EINVAL, "it is a pipe or a device", str(path))


def read_whole(path: Path) -> bytes:
    """Read the bytes of a file.

    Raises:
        OSError: if it cannot be read, or is a pipe or a device.
    """
    check_regular(path)
    return path.read_bytes()
