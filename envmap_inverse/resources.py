"""How much memory and disk is free, and whether it suffices."""

from __future__ import annotations

import contextlib
import re
from pathlib import Path

__all__ = ["free_memory"]

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
