"""Folders in which this package and Dr.Jit keep what they found out."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import stat
import tempfile
from pathlib import Path

import platformdirs

__all__ = ["cache_folder", "choose_kernel_cache"]

_LOGGER = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder in which this package remembers what it found out about the machine."""
    folder = Path(platformdirs.user_cache_dir("envmap-inverse"))
    return folder if _is_writable(folder) else _temporary_folder()


def choose_kernel_cache() -> None:
    """Choose a folder in which Dr.Jit, not imported yet, can cache its kernels.

    It would do without a cache where the home folder is missing or read-only.
    """
    home = os.environ.get("HOME")
    if "DRJIT_CACHE_DIR" not in os.environ and not (home and _is_writable(Path(home, ".drjit"))):
        folder = _temporary_folder() / "drjit"
        folder.mkdir(exist_ok=True)
        os.environ["DRJIT_CACHE_DIR"] = str(folder)


def _is_writable(folder: Path) -> bool:
    """Whether files can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return True
    except OSError:
        return False


@functools.cache
def _temporary_folder() -> Path:
    """A folder for caches in place of one at home; only this user can write into it."""
    folder = Path(tempfile.gettempdir(), f"envmap-inverse-{os.getuid()}")
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o022:
        # Someone else's: what lies there may be run as machine code.
        folder = Path(tempfile.mkdtemp(prefix="envmap-inverse-"))
    _LOGGER.info("the home folder cannot be written; caches are in %s", folder)
    return folder
