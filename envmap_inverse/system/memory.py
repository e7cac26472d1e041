"""Free memory of this machine, within the limits of the process."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

__all__ = ["free_addresses", "free_memory", "gibibytes", "mebibytes"]

_CGROUP = Path("/sys/fs/cgroup")
_UNKNOWN = 2**31


def free_memory() -> int:
    """Bytes of memory that this process can safely use, within the limits set on it."""
    return max(min(_free_on_machine(), _free_of_limits()), 0)


def _free_of_limits() -> int:
    """Bytes that `ulimit -v` and `ulimit -d` still allow this process."""
    return min(free_addresses(), _free_of("VmData", resource.RLIMIT_DATA))


def free_addresses() -> int:
    """Bytes of addresses that `ulimit -v` still allows this process, mapped files among them."""
    return _free_of("VmSize", resource.RLIMIT_AS)


def _free_of(name: str, limit: int) -> int:
    """What a limit allows besides the use that /proc reports by a name."""
    most, _ = resource.getrlimit(limit)
    if most == resource.RLIM_INFINITY:
        return sys.maxsize
    with contextlib.suppress(OSError):
        found = re.search(rf"{name}:\s*(\d+) kB", Path("/proc/self/status").read_text())
        return most - 1024 * int(found[1]) if found else sys.maxsize
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


def gibibytes(num_bytes: float) -> str:
    """Format bytes for people."""
    return f"{num_bytes / 2**30:.3g} GiB"


def mebibytes(num_bytes: float) -> str:
    """Format bytes for people, few ones too."""
    return f"{num_bytes / 2**20:.3g} MiB" if num_bytes < 2**30 else gibibytes(num_bytes)
