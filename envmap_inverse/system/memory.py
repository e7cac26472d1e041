"""How much memory and disk space is free, and whether it suffices."""

from __future__ import annotations

import contextlib
import re
import resource
import shutil
import sys
from pathlib import Path

from envmap_inverse.errors import InputError

__all__ = ["check_disk", "check_memory", "free_memory", "gibibytes"]

BYTES_PER_PIXEL = 450
"""Peak of an optimizer, measured with 1024 x 1024 pixels: 125 for Adam, 450 for Transport."""

BYTES_PER_TEXEL = 400
"""Peak measured with 4096 x 2048 texels: 280 for Adam, 340 for Transport; a checkpoint adds 96."""

BYTES_OF_LIBRARIES = 2**27
"""Added for kernels, threads and paths in flight, however small the run."""

_CGROUP = Path("/sys/fs/cgroup")
_UNKNOWN = 2**31


def free_memory() -> int:
    """Bytes of memory that this process can safely use, within the limits set on it."""
    return max(min(_free_on_machine(), _free_of_limits()), 0)


def _free_of_limits() -> int:
    """Bytes that `ulimit -v` and `ulimit -d` still allow this process."""
    with contextlib.suppress(OSError):
        status = Path("/proc/self/status").read_text()
        used = {name: 1024 * int(size) for name, size in re.findall(r"(\w+):\s*(\d+) kB", status)}
        limits = {"VmSize": resource.RLIMIT_AS, "VmData": resource.RLIMIT_DATA}
        soft = {name: resource.getrlimit(limit)[0] for name, limit in limits.items()}
        finite = {name: size for name, size in soft.items() if size != resource.RLIM_INFINITY}
        return min((size - used[name] for name, size in finite.items()), default=sys.maxsize)
    return sys.maxsize


def _free_on_machine() -> int:
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

    A recorded light transport takes more; recording it checks that.

    Args:
        num_pixels: pixels of all pictures.
        num_texels: texels of the map.

    Raises:
        InputError: if the run would not fit.
    """
    needed = BYTES_PER_PIXEL * num_pixels + BYTES_PER_TEXEL * num_texels + BYTES_OF_LIBRARIES
    free = free_memory()
    if needed > free:
        raise InputError(
            f"{num_pixels} pixels and {num_texels} texels take about {gibibytes(needed)} of memory "
            f"and {gibibytes(free)} are free; a smaller --size takes less"
        )


def check_disk(folder: Path, num_bytes: int) -> None:
    """Refuse a run whose files would not fit onto the disk.

    Args:
        folder: where they will be written; it need not exist.
        num_bytes: bytes that they may take.

    Raises:
        InputError: if the files would not fit.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise InputError(
            f"{folder}: the files may take {gibibytes(num_bytes)} and {gibibytes(free)} are free; "
            "name another folder with -o, or drop --frames"
        )


def gibibytes(num_bytes: float) -> str:
    """Format bytes for people."""
    return f"{num_bytes / 2**30:.3g} GiB"
