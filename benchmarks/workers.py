"""What workers take: seconds to record and for each product, bytes that cross, memory."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np

import envmap_inverse as ei
from benchmarks.scaling import cameras_round
from benchmarks.settings import Settings
from benchmarks.tables import Spread, Table
from envmap_inverse.bundled import MATERIALS, map_file, scene_file
from envmap_inverse.recording.remote_shards import RemoteShards

SIZE, SPP, VIEWS = 256, 64, 4


def workers(settings: Settings) -> Table:
    """Seconds and bytes with 1, 2 and 4 workers, beside the threads of one process."""
    size = settings.film(SIZE)
    return Table(
        name="workers",
        title="Workers",
        note=f"{VIEWS} views of {size} x {size} of the rough bunny, {SPP} paths per pixel, a shard "
        "each, on this machine; 0 workers are the threads of one process. Seconds until Ray and "
        "the workers have started and recorded, and of T x, T' r, and T' W T x with weights that "
        "are there; megabytes that cross for each, and that the recording takes in all.",
        columns={
            "workers": "",
            "record s": ".2f",
            "T x s": ".3f",
            "T' r s": ".3f",
            "T' W T x s": ".3f",
            "T x MB": ".2f",
            "T' r MB": ".2f",
            "T' W T x MB": ".2f",
            "recording MB": ".0f",
        },
        rows=_rows(size, settings.repeats(3, 9)),
    )


def _rows(size: int, repeats: int) -> Iterator[tuple[Any, ...]]:
    counts = (0, 1, 2, 4) if find_spec("ray") else (0,)
    for count in counts:
        scene = bunny_from_around(size, VIEWS)
        executor = ei.Ray(workers=count) if count else None
        begun = time.perf_counter()
        recorded = ei.LightTransport.record(scene, range(VIEWS), spp=SPP, executor=executor)
        recording = time.perf_counter() - begun
        texels = np.ones((recorded.shape[1], 3), np.float32)
        pixels = np.ones((recorded.shape[0], 3), np.float32)
        weighted = recorded.weighted(pixels)
        products = (
            partial(recorded.matvec, texels),
            partial(recorded.rmatvec, pixels),
            partial(weighted.normal, texels),
        )
        seconds = [_seconds(product, repeats) for product in products]
        yield (count, recording, *seconds, *_crossing(recorded), recorded.nbytes / 1e6)


def _seconds(product: Callable[[], Any], repeats: int) -> Spread:
    def once() -> float:
        begun = time.perf_counter()
        product()
        return time.perf_counter() - begun

    once()
    return Spread.of(once() for _ in range(repeats))


def _crossing(recorded: ei.LightTransport) -> tuple[float, float, float]:
    """Megabytes that the three products send and receive."""
    if not isinstance(recorded.remote, RemoteShards):
        return 0.0, 0.0, 0.0
    pixels, texels = (12 * number / 1e6 for number in recorded.shape)
    sums = recorded.remote.num_sums * texels
    return len(recorded.remote.shares) * texels + pixels, pixels + sums, texels + sums


def bunny_from_around(size: int, num_views: int) -> ei.Scene:
    """A scene that can travel: the bunny, made of rough copper, from cameras on a circle."""
    scene = ei.load_scene(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": 6},
            "bunny": {
                "type": "ply",
                "filename": str(scene_file("bunny").with_name("bunny.ply")),
                "bsdf": MATERIALS["rough"],
            },
            "map": {"type": "envmap", "filename": str(map_file("museum"))},
        }
    )
    scene.set_sensors(cameras_round(num_views, size))
    return scene
