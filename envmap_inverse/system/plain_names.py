"""Names of files for libraries that take UTF-8 alone."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["is_utf8", "plain_name"]


def is_utf8(path: Path) -> bool:
    """Whether the bytes of a name are UTF-8."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        return False
    return True


@contextmanager
def plain_name(path: Path) -> Iterator[str]:
    """The name of a file, or of a temporary link to it if its own is no UTF-8."""
    if is_utf8(path):
        yield str(path)
        return
    with tempfile.TemporaryDirectory() as folder:
        ending = path.suffix if is_utf8(Path(path.suffix)) else ""
        link = Path(folder, f"link{ending}")
        link.symlink_to(path.absolute())
        yield str(link)
