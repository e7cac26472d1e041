"""Facts of this process."""

from __future__ import annotations

import os
import time
from pathlib import Path

__all__ = ["seconds_since_start"]

_IMPORTED = time.perf_counter()


def seconds_since_start() -> float:
    """Seconds since this process was started: how long its user has waited.

    Linux reports it to a hundredth (proc(5): field 22 of `/proc/self/stat`); elsewhere it is the
    time since this module was imported.
    """
    try:
        fields = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begun = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.clock_gettime(time.CLOCK_BOOTTIME) - begun
    except (OSError, ValueError, IndexError, AttributeError):
        return time.perf_counter() - _IMPORTED
