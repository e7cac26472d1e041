"""Check sizes before decoding, and keep decoders off the terminal."""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from envmap_inverse.errors import InputError

__all__ = ["MAX_PIXELS", "check_size", "quiet"]

MAX_PIXELS = 2**27
"""Larger images (11585 x 11585) are refused before they are decoded; 1.5 GiB as float32 RGB."""


def check_size(path: Path, width: int, height: int) -> None:
    """Check a size that a header gives.

    Raises:
        InputError: if there are no pixels, or more than `MAX_PIXELS`.
    """
    if width < 1 or height < 1:
        raise InputError(f"{path}: damaged: its header gives {width} x {height} pixels")
    if width * height > MAX_PIXELS:
        raise InputError(
            f"{path}: {width} x {height} pixels are more than the {MAX_PIXELS} that can be read"
        )


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep what a C library writes to stdout and stderr, or to Python's, off the terminal."""
    with (
        tempfile.TemporaryFile() as sink,
        contextlib.redirect_stdout(io.StringIO()),
        contextlib.redirect_stderr(io.StringIO()),
    ):
        saved = [os.dup(1), os.dup(2)]
        try:
            for number in (1, 2):
                os.dup2(sink.fileno(), number)
            yield
        finally:
            for number, descriptor in enumerate(saved, start=1):
                os.dup2(descriptor, number)
                os.close(descriptor)
