"""The command `envmap-inverse`: says that it starts, before it imports the package.

That takes a second or more, in which a terminal would show nothing. The package cannot say so
itself, as importing any part of it imports all.
"""

import os
import re
import resource
import sys

from envmap_inverse_supervisor import Pulse, supervise

__all__ = ["main"]

STARTING = "Starting ..."
LEAST_MEMORY = {resource.RLIMIT_AS: 384 * 2**20, resource.RLIMIT_DATA: 192 * 2**20}
"""Limits in which libraries load; in less, OpenBLAS asks for memory again and again for ever."""
TOO_LITTLE = "out of memory: 0.5 GiB are needed; end other programs or raise the limit (ulimit)"


def main() -> None:
    """Run the command line, in a process that this one watches over."""
    _run(supervise())


def _run(pulse: Pulse | None) -> None:
    is_shown = sys.stderr is not None and sys.stderr.isatty() and not _is_quiet(sys.argv[1:])
    if is_shown:
        sys.stderr.write(STARTING)
        sys.stderr.flush()
    # Its small products gain nothing from more, and idle threads of it spin beside ours.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        _check_limits()
        from envmap_inverse.cli import main as run  # noqa: PLC0415 - this takes the time
        from envmap_inverse.system.pulse import report_to  # noqa: PLC0415
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write(("\n" if is_shown else "") + "error: interrupted\n")
        sys.exit(130)
    except (MemoryError, ImportError) as error:
        words = "map segment|allocate|out of memory"
        if not isinstance(error, MemoryError) and re.search(words, str(error)) is None:
            raise
        sys.stderr.write(("\n" if is_shown else "") + f"error: {TOO_LITTLE}\n")
        sys.exit(1)
    if is_shown:
        sys.stderr.write(f"\r{'':{len(STARTING)}}\r")
        sys.stderr.flush()
    if pulse is not None:
        report_to(pulse)
    run()


def _is_quiet(words: list[str]) -> bool:
    return not {"-q", "--quiet"}.isdisjoint(words)


def _check_limits() -> None:
    for kind, least in LEAST_MEMORY.items():
        if 0 <= resource.getrlimit(kind)[0] < least:
            raise MemoryError
