"""Free memory of this machine, within the limits of the process."""

from __future__ import annotations

import contextlib
import re
import resource
import sys
from pathlib import Path

__all__ = ["free_memory", "gibibytes"]

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


def gibibytes(num_bytes: float) -> str:
    """Format bytes for people."""
    return f"{num_bytes / 2**30:.3g} GiB"
