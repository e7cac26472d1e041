"""One writer per folder."""

from __future__ import annotations

import atexit
import contextlib
import errno
import fcntl
import os
import warnings
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
        self._folder, self._path = folder, folder / ".lock"
        self._descriptor, self._is_held = -1, False
        self._descriptor_of_folder = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        atexit.register(self.release)  # a signal may end the process first
        self._take()

    def release(self) -> None:
        """Let other processes take the folder; a second call does nothing."""
        atexit.unregister(self.release)
        if self._is_held:
            self._is_held = False
            with contextlib.suppress(OSError):
                found = os.stat(".lock", dir_fd=self._descriptor_of_folder)
                if os.path.samestat(found, os.fstat(self._descriptor)):
                    os.unlink(".lock", dir_fd=self._descriptor_of_folder)
            os.close(self._descriptor)
            os.close(self._descriptor_of_folder)

    def check(self) -> None:
        """Check that the folder is still there under its name, and still held.

        If someone has removed the lock's file, the lock is taken again.

        Raises:
            InputError: if another process has taken it meanwhile.
            OSError: if the folder was moved or replaced.
        """
        if not _is_same(self._folder, self._descriptor_of_folder):
            place = self.place
            now = "" if place is None else f"; it is {place} now, where --resume goes on"
            reason = f"was moved, removed or replaced while a run was writing into it{now}"
            raise OSError(errno.ESTALE, reason, str(self._folder))
        if _is_same(self._path, self._descriptor):
            return
        warnings.warn(
            f"{self._path}: was removed while a run was writing; made again", stacklevel=2
        )
        os.close(self._descriptor)
        self._take()

    @property
    def place(self) -> Path | None:
        """Where the folder is now, while it is held and if the system says so."""
        if not self._is_held:
            return None
        try:
            place = Path(f"/proc/self/fd/{self._descriptor_of_folder}").readlink()
        except OSError:
            return None
        return place if _is_same(place, self._descriptor_of_folder) else None

    def _take(self) -> None:
        self._is_held = False
        try:
            while not self._taken():
                os.close(self._descriptor)
        except BaseException:
            os.close(self._descriptor_of_folder)
            raise
        self._is_held = True

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


def _is_same(path: Path, descriptor: int) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except OSError:
        return False
