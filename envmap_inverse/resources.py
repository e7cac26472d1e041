"""How much memory and disk is free, and whether it suffices."""

from __future__ import annotations

import contextlib
import re
import shutil
from pathlib import Path

from envmap_inverse.errors import InputError

__all__ = ["check_disk", "check_memory", "free_memory"]

BYTES_PER_PIXEL = 450
"""Peak of an optimizer, measured with 1024 x 1024 pixels: 125 for Adam, 450 for Transport."""

BYTES_PER_TEXEL = 400
"""The same with 4096 x 2048 texels: 280 for Adam, 340 for Transport."""

_CGROUP = Path("/sys/fs/cgroup")
_UNKNOWN = 2**31


def free_memory() -> int:
    """Bytes of memory that this process can use without harm, in a container too."""
    try:
        text = Path("/proc/meminfo").read_text()
    except OSError:
        return _UNKNOWN
    match = re.search(r"MemAvailable:\s*(\d+) kB", text)
    machine = int(match[1]) * 1024 if match else _UNKNOWN
    with contextlib.suppress(OSError, ValueError):  # no control group, or one without a limit
        limit = int((_CGROUP / "memory.max").read_text())
        used = int((_CGROUP / "memory.current").read_text())
        cached = re.search(
            r"^inactive_file (\d+)", (_CGROUP / "memory.stat").read_text(), re.MULTILINE
        )
        return min(machine, limit - used + (int(cached[1]) if cached else 0))
    return machine


def check_memory(num_pixels: int, num_texels: int) -> None:
    """Refuse a run that would not fit into memory.

    A recorded light transport comes on top; its recording measures itself.

    Args:
        num_pixels: of all pictures.
        num_texels: of the map.

    Raises:
        InputError: if it would not.
    """
    needed, free = BYTES_PER_PIXEL * num_pixels + BYTES_PER_TEXEL * num_texels, free_memory()
    if needed > free:
        raise InputError(
            f"{num_pixels} pixels and {num_texels} texels take about {gibibytes(needed)} of memory "
            f"and {gibibytes(free)} are free; a smaller --size takes less"
        )


def check_disk(folder: Path, num_bytes: int) -> None:
    """Refuse a run whose files would not fit onto the disk.

    Args:
        folder: where they are to be; it need not exist.
        num_bytes: that they may take.

    Raises:
        InputError: if they would not.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise InputError(
            f"{folder}: the files may take {gibibytes(num_bytes)} and {gibibytes(free)} are free; "
            "name another folder with -o, or drop --frames"
        )


def gibibytes(num_bytes: float) -> str:
    """Bytes for people."""
    return f"{num_bytes / 2**30:.3g} GiB"
