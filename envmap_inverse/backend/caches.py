"""Folders in which this package and Dr.Jit keep what they found out."""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import stat
import tempfile
import warnings
from pathlib import Path

import platformdirs

__all__ = ["cache_folder", "choose_kernel_cache"]

BYTES_OF_KERNELS = 2**22

_LOGGER = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The folder in which this package remembers what it found out about the machine."""
    folder = Path(platformdirs.user_cache_dir("envmap-inverse"))
    return folder if _is_writable(folder) else _temporary_folder()


def choose_kernel_cache() -> None:
    """Choose a folder in which Dr.Jit, not imported yet, can cache its kernels.

    It would do without a cache where the folder is missing, read-only or full, and say so at
    length.
    """
    chosen, home = os.environ.get("DRJIT_CACHE_DIR"), os.environ.get("HOME")
    if chosen and _is_writable(Path(chosen)):
        return
    if chosen:
        warnings.warn(
            f"DRJIT_CACHE_DIR={chosen} is not used: it cannot be written or is full", stacklevel=2
        )
    elif home and _is_writable(Path(home, ".drjit")):
        return
    os.environ["DRJIT_CACHE_DIR"] = str(_temporary_folder() / "drjit")
    if not _is_writable(Path(os.environ["DRJIT_CACHE_DIR"])):
        warnings.warn(
            f"{tempfile.gettempdir()}: cannot be written or is full; without a cache, each start "
            "compiles anew",
            stacklevel=2,
        )


def _is_writable(folder: Path) -> bool:
    """Whether a few files can be made in a folder, which is made if need be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder) as file:
            os.posix_fallocate(file.fileno(), 0, BYTES_OF_KERNELS)
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
