"""The command `envmap-inverse`: says that it starts, before it imports the package.

That takes a second or more, in which a terminal would show nothing. The package cannot say so
itself, as importing any part of it imports all.
"""

import sys

__all__ = ["main"]

STARTING = "Starting ..."


def main() -> None:
    """Run the command line."""
    is_shown = sys.stderr is not None and sys.stderr.isatty() and not _is_quiet(sys.argv[1:])
    if is_shown:
        sys.stderr.write(STARTING)
        sys.stderr.flush()
    try:
        from envmap_inverse.cli import main as run  # noqa: PLC0415 - this takes the time
    except KeyboardInterrupt:
        if sys.stderr is not None:
            sys.stderr.write(("\n" if is_shown else "") + "error: interrupted\n")
        sys.exit(130)
    if is_shown:
        sys.stderr.write(f"\r{'':{len(STARTING)}}\r")
        sys.stderr.flush()
    run()


def _is_quiet(words: list[str]) -> bool:
    return not {"-q", "--quiet"}.isdisjoint(words)
