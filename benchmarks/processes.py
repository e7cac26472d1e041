"""Measure in new processes: the time to start, the memory, and the gain of a second core."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.child import Measured, spawn
from benchmarks.methods import LOOP, bundled_case, usual_methods
from benchmarks.settings import Settings
from benchmarks.tables import Spread, Table

SIZE, ITERATIONS = 256, 10
METHODS = (LOOP, "Adam()", "Transport()")


def startup(settings: Settings) -> Table:
    """Seconds of import, of load, and of the first and the second run."""
    size = settings.film(SIZE)
    return Table(
        name="startup",
        title="Start",
        note="Seconds in a new process, with Dr.Jit's kernel cache empty or filled: to import "
        "envmap_inverse, to import Mitsuba and load the scene, and of the first and the second "
        f"run of each method, {ITERATIONS} iterations at {size} x {size}.",
        columns={
            "method": "",
            "kernel cache": "",
            "import s": ".2f",
            "load s": ".2f",
            "first run s": ".2f",
            "second run s": ".2f",
        },
        rows=_startup(size, settings.pick(1, 5)),
    )


def _startup(size: int, repeats: int) -> Iterator[tuple[Any, ...]]:
    with _reference(size) as picture:
        for cold in (True, False):
            measured: dict[str, list[Measured]] = {name: [] for name in METHODS}
            for _ in range(repeats):
                for name in METHODS:
                    one = spawn(name, picture, iterations=ITERATIONS, cold=cold)
                    measured[name].append(one)
            for name, found in measured.items():
                yield (
                    name,
                    "empty" if cold else "filled",
                    *(
                        Spread.of(getattr(one, phase) for one in found)
                        for phase in ("importing", "loading", "first", "warm")
                    ),
                )


def memory(settings: Settings) -> Table:
    """Peak memory of each method."""
    return Table(
        name="memory",
        title="Memory",
        note="Most memory resident in a new process, in MB: when the scene is loaded, and in all.",
        columns={"method": "", "film": "", "loaded MB": ".0f", "peak MB": ".0f"},
        rows=_memory([settings.film(s) for s in settings.pick((512,), (256, 512, 1024))]),
    )


def _memory(sizes: list[int]) -> Iterator[tuple[Any, ...]]:
    for size in sizes:
        with _reference(size) as picture:
            for name in usual_methods():
                found = spawn(name, picture, iterations=2)
                yield (name, f"{size}^2", found.loaded_bytes / 1e6, found.peak_bytes / 1e6)


def threads(settings: Settings) -> Table:
    """Seconds with one core, two, four and so on."""
    size = settings.film(SIZE)
    return Table(
        name="threads",
        title="Cores",
        note="Seconds of a warm run in a process that is bound to so many cores, "
        f"{ITERATIONS} iterations at {size} x {size}; and how much faster than with one core.",
        columns={"method": "", "cores": "", "seconds": ".2f", "times faster": ".2f"},
        rows=_threads(size, settings.pick(1, 5)),
    )


def _threads(size: int, repeats: int) -> Iterator[tuple[Any, ...]]:
    available = len(os.sched_getaffinity(0))
    counts = [2**k for k in range(available.bit_length()) if 2**k <= available]
    with _reference(size) as picture:
        for name in METHODS:
            seconds: dict[int, list[float]] = {cores: [] for cores in counts}
            for _ in range(repeats):
                for cores in counts:
                    measured = spawn(name, picture, iterations=ITERATIONS, cores=cores)
                    seconds[cores].append(measured.warm)
            for cores, found in seconds.items():
                faster = Spread.of(a / b for a, b in zip(seconds[1], found, strict=True))
                yield name, cores, Spread.of(found), faster


@contextmanager
def _reference(size: int) -> Iterator[Path]:
    """A file of what the bundled bunny looks like, so that a child need not render it."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "reference.npy"
        np.save(path, bundled_case(size).references[0])
        yield path
