"""A recording larger than the memory that a process may have."""

from __future__ import annotations

import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np

import envmap_inverse as ei
from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.workers import bunny_from_around

SIZE, VIEWS, SPP, LIMIT = 1024, 16, 32, 8 * 2**30


def on_disk(settings: Settings) -> Table:
    """Seconds and bytes of recording and solving with less memory than the recording takes."""
    size = settings.film(settings.pick(256, SIZE))
    views, limit = settings.pick((4, 5 * 2**27), (VIEWS, LIMIT))
    return Table(
        name="on-disk",
        title="Larger than memory",
        note=f"{views} views of {size} x {size} of the rough bunny, {SPP} paths per pixel, in a "
        f"process that may have {limit / 2**30:.3g} GiB of memory of its own (`ulimit -d`); mapped "
        "files do not count. Seconds to record, of T x and of a solution without outliers.",
        columns={
            "recording GiB": ".2f",
            "on the disk": "",
            "shards": "",
            "record s": ".1f",
            "T x s": ".2f",
            "solve s": ".1f",
        },
        rows=_rows(size, views, limit),
    )


def _rows(size: int, views: int, limit: int) -> Iterator[tuple[Any, ...]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as child:
        yield child.submit(measure, size, views, limit).result()


def measure(size: int, views: int, limit: int) -> tuple[Any, ...]:
    """Record and solve in this process, whose memory is limited from now on."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    scene = bunny_from_around(size, views)
    pictures = [ei.View(ei.render(scene, spp=16, seed=k, sensor=k), sensor=k) for k in range(views)]
    begun = time.perf_counter()
    recorded = ei.LightTransport.record(scene, range(views), spp=SPP)
    recording = time.perf_counter() - begun
    begun = time.perf_counter()
    recorded.matvec(np.ones((recorded.shape[1], 3), np.float32))
    product = time.perf_counter() - begun
    optimizer = ei.Transport(recording=recorded, max_outliers=0)
    result = ei.estimate(scene, pictures, optimizer=optimizer)
    where = "no" if recorded.channels[0].data.flags.writeable else "yes"
    size_gib = recorded.nbytes / 2**30
    return (size_gib, where, len(recorded.ends), recording, product, result.seconds)
