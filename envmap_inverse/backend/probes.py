"""Try in a child process what could end this one, and remember the answers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from envmap_inverse.backend.caches import cache_folder

__all__ = ["probe", "remembered"]


def probe(code: str, **environment: str) -> str | None:
    """Run code in a child process; returns what went wrong, None if nothing did."""
    with tempfile.TemporaryDirectory() as empty_cache:
        child = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "DRJIT_CACHE_DIR": empty_cache, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    if child.returncode == 0:
        return None
    if child.returncode < 0:
        return f"a test kernel ended with signal {-child.returncode}"
    last = child.stderr.strip().splitlines()[-1:] or ["no message"]
    return f"a test kernel failed: {last[0]}"


def remembered(
    key: str, find_out: Callable[[], str | None], *, with_failures: bool = True
) -> str | None:
    """Return the answer stored under a key; find it out and store it if there is none.

    Args:
        key: everything the answer depends on.
        find_out: returns what is wrong, None if nothing is; see `probe`.
        with_failures: False stores only that nothing is wrong, and finds out the rest each time.
    """
    path = cache_folder() / "probes.json"
    known = _read(path)
    if key in known and (with_failures or known[key] is None):
        return known[key]
    answer = find_out()
    if answer is None or with_failures:
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
                json.dump({**known, key: answer}, file)
            Path(file.name).replace(path)
    return answer


def _read(path: Path) -> dict[str, str | None]:
    """Read the stored answers; a file that is missing or damaged has none."""
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}
