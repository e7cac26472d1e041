"""A recording larger than the memory that a process may have."""

from __future__ import annotations

import multiprocessing
import resource
import time
import tracemalloc
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
    size = settings.film(settings.pick(512, SIZE))
    views, spp, limit = settings.pick((4, 8, 3 * 2**28), (VIEWS, SPP, LIMIT))
    return Table(
        name="on-disk",
        title="Larger than memory",
        note=f"{views} views of {size} x {size} of the rough bunny, {spp} paths per pixel, in a "
        f"process that may have {limit / 2**30:.3g} GiB of memory of its own (`ulimit -d`); mapped "
        "files do not count. Seconds to record, of T x and of a solution without outliers. Bytes "
        "a pixel are the most that NumPy's arrays take, the recording's own left out, while a map "
        "is solved for with the search for outliers, judged and given its deviation.",
        columns={
            "recording GiB": ".2f",
            "on the disk": "",
            "shards": "",
            "record s": ".1f",
            "T x s": ".2f",
            "solve s": ".1f",
            "bytes a pixel": ".0f",
        },
        rows=_rows(size, views, spp, limit),
    )


def _rows(size: int, views: int, spp: int, limit: int) -> Iterator[tuple[Any, ...]]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, context) as child:
        yield child.submit(measure, size, views, spp, limit).result()


def measure(size: int, views: int, spp: int, limit: int) -> tuple[Any, ...]:
    """Record and solve in this process, whose memory is limited from now on."""
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
    scene = bunny_from_around(size, views)
    pictures = [ei.View(ei.render(scene, spp=16, seed=k, sensor=k), sensor=k) for k in range(views)]
    begun = time.perf_counter()
    recorded = ei.LightTransport.record(scene, range(views), spp=spp)
    recording = time.perf_counter() - begun
    begun = time.perf_counter()
    recorded.matvec(np.ones((recorded.shape[1], 3), np.float32))
    product = time.perf_counter() - begun
    optimizer = ei.Transport(recording=recorded, max_outliers=0)
    seconds = ei.estimate(scene, pictures, optimizer=optimizer).seconds
    where = "no" if recorded.channels[0].data.flags.writeable else "yes"
    size_gib = recorded.nbytes / 2**30
    per_pixel = _bytes_of_solving(scene, pictures, recorded) / recorded.shape[0]
    return (size_gib, where, len(recorded.ends), recording, product, seconds, per_pixel)


def _bytes_of_solving(
    scene: ei.Scene, pictures: list[ei.View], recorded: ei.LightTransport
) -> float:
    """The most bytes that are traced meanwhile, and those of the pictures, which were before."""
    tracemalloc.start()
    try:
        result = ei.estimate(scene, pictures, optimizer=ei.Transport(recording=recorded))
        assert result.fit is not None
        assert result.deviation is not None
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    return peak + sum(view.image.nbytes for view in pictures)
