"""Cost of the process that watches over the command.

    python -m benchmarks --only parent

The same commands in one process (as with ENVMAP_INVERSE_DEBUG) and under their parent, in turn.
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.timing import interleaved

ALONE, WATCHED = "in one process", "under its parent"
CODE = "from envmap_inverse_command import main; main()"


def parent(settings: Settings) -> Table:
    """Seconds of commands with and without a parent, and its memory."""
    return Table(
        name="parent",
        title="The parent",
        note="Seconds of a whole command in one process and under the parent that watches over "
        "it, and the ratio of each turn's two; the memory of the parent in MB, and its share of "
        "what it shares with the worker (proportional set size).",
        columns={
            "command": "",
            f"{ALONE} s": ".2f",
            f"{WATCHED} s": ".2f",
            "ratio": ".3f",
            "parent MB": ".1f",
            "its share MB": ".1f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    size = settings.film(64)
    with tempfile.TemporaryDirectory() as folder:
        demo = ("demo", "--size", size, "--iterations", 5, "--no-report", "--overwrite", "-o")
        for words in (("estimate", "--help"), (*demo, Path(folder, "run"))):
            command = [str(word) for word in words]
            alone, watched = (partial(_timed, command, is_alone=flag) for flag in (True, False))
            runs = interleaved({ALONE: alone, WATCHED: watched}, settings.repeats(3, 10))
            yield (
                " ".join(command[:3]).replace(folder, "DIR"),
                runs.spread(ALONE),
                runs.spread(WATCHED),
                runs.ratio(WATCHED, ALONE),
                *runs.results[WATCHED],
            )


def _timed(command: Sequence[str], *, is_alone: bool) -> tuple[float, tuple[float, float]]:
    """Seconds, and the megabytes of the process that is started and of its share."""
    environment = {**os.environ, **({"ENVMAP_INVERSE_DEBUG": "1"} if is_alone else {})}
    begun, memory = time.perf_counter(), (0.0, 0.0)
    with subprocess.Popen(
        [sys.executable, "-c", CODE, *command],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while process.poll() is None:
            with contextlib.suppress(OSError, TypeError):  # it has just ended
                text = Path(f"/proc/{process.pid}/smaps_rollup").read_text()
                memory = _megabytes(text, "Rss"), _megabytes(text, "Pss")
            time.sleep(0.02)
    return time.perf_counter() - begun, memory


def _megabytes(text: str, name: str) -> float:
    found = re.search(rf"^{name}:\s*(\d+) kB", text, re.MULTILINE)
    if found is None:
        raise TypeError(text)
    return 1024 * int(found[1]) / 1e6
