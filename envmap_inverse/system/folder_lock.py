"""One writer per folder."""

from __future__ import annotations

import atexit
import fcntl
import os
from pathlib import Path

from envmap_inverse.errors import InputError

__all__ = ["FolderLock"]


class FolderLock:
    """Holds a folder for this process until `release`, or until the process ends in any way.

    The lock is the operating system's, on a file `.lock`; such a file alone means nothing.
    """

    def __init__(self, folder: Path) -> None:
        """Take the lock.

        Args:
            folder: exists.

        Raises:
            InputError: if another process holds it.
            OSError: if the file cannot be made, or the file system has no locks.
        """
        self._path = folder / ".lock"
        self._descriptor, self._is_held = -1, False
        atexit.register(self.release)  # a signal may end the process first
        while not self._taken():
            os.close(self._descriptor)
        self._is_held = True

    def release(self) -> None:
        """Let other processes take the folder; a second call does nothing."""
        atexit.unregister(self.release)
        if self._is_held:
            self._is_held = False
            self._path.unlink(missing_ok=True)
            os.close(self._descriptor)

    def _taken(self) -> bool:
        """Lock the file; False if another process has removed it meanwhile."""
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return self._path.stat().st_ino == os.fstat(self._descriptor).st_ino
        except FileNotFoundError:
            return False
        except BlockingIOError:
            os.close(self._descriptor)
            raise InputError(
                f"{self._path.parent}: another run is writing into it; wait until it ends, or name "
                "another folder with -o"
            ) from None
