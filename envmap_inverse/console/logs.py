"""Output besides results: warnings, and with -v or --log-file a log of what is done."""

from __future__ import annotations

import functools
import logging
import os
import re
import sys
from pathlib import Path
from typing import Any

from envmap_inverse.console import output as console
from envmap_inverse.errors import cannot_write

__all__ = ["show_warning", "start_logging"]

_LOGGER = logging.getLogger("envmap_inverse")
_OF_NUMPY = re.compile(r"(overflow|underflow|invalid value|divide by zero) encountered in ")
_LEVELS = (logging.WARNING, logging.INFO, logging.DEBUG)


def start_logging(verbose: int, *, quiet: bool, log_file: Path | None) -> None:
    """Write log records to standard error, and all of them to a file if one is named.

    Args:
        verbose: 0 for warnings, 1 for information, 2 for everything.
        quiet: whether runs are silent.
        log_file: file to append to.

    Raises:
        InputError: if the file cannot be written.
    """
    console.set_quiet(quiet)
    _warn_of_overflow.cache_clear()
    logging.raiseExceptions = False  # a full disk loses lines of the log, not the run
    terminal = _StandardError()
    terminal.setLevel(_LEVELS[min(verbose, 2)])
    terminal.setFormatter(_OneLine())
    handlers: list[logging.Handler] = [terminal]
    if log_file is not None:
        try:
            if log_file.is_fifo():  # opening one that nobody reads takes for ever
                os.close(os.open(log_file, os.O_WRONLY | os.O_NONBLOCK))
            file = logging.FileHandler(log_file, encoding="utf-8")
        except OSError as error:
            raise cannot_write(f"--log-file {log_file}", error) from None
        file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        handlers.append(file)
    _LOGGER.handlers = handlers
    _LOGGER.setLevel(logging.DEBUG)


def show_warning(message: Warning | str, *_: Any, **__: Any) -> None:
    """Write a warning as one line; NumPy's words about overflows are explained, once."""
    if _OF_NUMPY.match(str(message)) is None:
        _LOGGER.warning("%s", message)
        return
    _LOGGER.debug("%s", message)
    _warn_of_overflow()


@functools.cache
def _warn_of_overflow() -> None:
    _LOGGER.warning(
        "numbers became too large or too small to compute with: look at the result with care, and "
        "at options and files for numbers unlike those of other runs"
    )


class _StandardError(logging.Handler):
    """Writes to the current standard error, which a live display may have replaced."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        try:
            sys.stderr.write(f"{self.format(record)}\n")
            sys.stderr.flush()
        except (OSError, ValueError):
            self.handleError(record)


class _OneLine(logging.Formatter):
    """Formats records like this program's messages: "warning: ..."."""

    def format(self, record: logging.LogRecord) -> str:
        """Format a record."""
        return f"{record.levelname.lower()}: {' '.join(record.getMessage().split())}"
