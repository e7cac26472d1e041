"""Trace the paths of all sensors, chunk by chunk, and assemble them beside the tracing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.recording.assembly import Earlier, Pairs, assemble, joined
from envmap_inverse.recording.blocks import num_cores
from envmap_inverse.recording.tracing import Paths, PathTracer
from envmap_inverse.scene.integrators import PathSettings
from envmap_inverse.scene.refusing import refusing
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import HOST, Library
from envmap_inverse.system.memory import free_memory, gibibytes
from envmap_inverse.system.progress import stage

__all__ = ["record_matrices"]

BYTES_PER_PATH = 24
"""Bytes of a path in flight: throughput 12, texel 4, position between four texels 8."""

MAX_CHUNK = 2**20
PIECE = 2**16
"""Paths that are assembled at a time."""

_LOGGER = logging.getLogger(__name__)


def record_matrices(
    scene: Scene,
    settings: PathSettings,
    pixels: Mapping[int, NDArray[np.uint32]],
    *,
    spp: int,
    seed: int,
    budget: int,
    on_progress: Callable[[float], None],
    library: Library = HOST,
    earlier: Earlier | None = None,
) -> tuple[Any, Any, Any, Any, float]:
    """Record the light transport; see `LightTransport.record` for the other arguments.

    Args:
        scene: what to trace.
        settings: how the scene's integrator follows paths.
        pixels: numbers of the pixels to record of each sensor, by its index.
        spp: paths per pixel.
        seed: of the samples.
        budget: bytes that paths in flight may take.
        on_progress: told the share that is done.
        library: whose matrices to make.
        earlier: a recording of the first paths, which are not traced again.

    Returns:
        The matrices of red, green, blue and squares, and the seconds in which no path was traced.
    """
    begun, tracing = time.perf_counter(), 0.0
    num_rows = sum(map(len, pixels.values()))
    chunks: list[list[Future[Pairs]]] = []
    num_done, measured = 0, np.zeros(2)
    piece = MAX_CHUNK if library.is_on_card else PIECE
    with stage("Recording paths", 1.0) as shown, ThreadPoolExecutor(num_cores()) as pool:
        first = earlier.spp if earlier else 0
        traced = _traced(scene, settings, pixels, (first, spp), seed, budget, library)
        for paths, num_pixels, seconds in traced:
            tracing += seconds
            if len(chunks) > 1:  # two in flight
                measured += _measure(chunks[-2])
                _check_room(measured, num_rows, library)
            chunks.append(
                [
                    pool.submit(_assembled, paths, rows, num_done, spp, earlier, scene)
                    for rows in _ranges(num_pixels, max(piece // (spp - first), 1))
                ]
            )
            num_done += num_pixels
            shown.advance(num_done / num_rows)
            on_progress(num_done / num_rows)
        red_green, blue_squares = zip(
            *(done.result() for chunk in chunks for done in chunk), strict=True
        )
    chunks.clear()
    red, green = joined(red_green)
    del red_green  # it is large
    blue, squares = joined(blue_squares)
    _LOGGER.info("recorded %d paths as %d entries", num_rows * (spp - first), red.nnz)
    return red, green, blue, squares, time.perf_counter() - begun - tracing


def _assembled(
    paths: Paths, rows: range, start: int, spp: int, earlier: Earlier | None, scene: Scene
) -> Pairs:
    """Assemble rows of a chunk of paths that begins with row `start` of all."""
    count = spp - (earlier.spp if earlier else 0)
    before = range(start + rows.start, start + rows.stop)
    return assemble(
        paths.of(range(rows.start * count, rows.stop * count)),
        len(rows),
        scene.envmap.resolution,
        earlier.pairs(before, spp) if earlier else None,
    )


def _traced(
    scene: Scene,
    settings: PathSettings,
    pixels: Mapping[int, NDArray[np.uint32]],
    paths: tuple[int, int],
    seed: int,
    budget: int,
    library: Library,
) -> Iterator[tuple[Paths, int, float]]:
    """Yield the paths of chunk after chunk, its number of pixels, and the seconds it took."""
    first, spp = paths
    per_chunk = max(min(budget // (2 * BYTES_PER_PATH), MAX_CHUNK) // (spp - first), 1)
    for number, (sensor, recorded) in enumerate(pixels.items()):
        own_seed = seed * len(pixels) + number
        with refusing("record", "; use the Adam optimizer"):
            tracer = PathTracer(scene, settings, sensor, spp, own_seed, library, first=first)
        for chunk in _ranges(len(recorded), per_chunk):
            begun = time.perf_counter()
            with refusing("record", "; use the Adam optimizer"):
                traced = tracer.trace(recorded[chunk.start : chunk.stop])
            yield traced, len(chunk), time.perf_counter() - begun


def _measure(chunk: Sequence[Future[Pairs]]) -> NDArray[np.float64]:
    """Rows and bytes of a chunk's matrices, which it waits for."""
    pairs = [future.result() for future in chunk]
    matrices = [matrix for pair in pairs for matrix in pair]
    num_bytes = sum(
        getattr(matrix, name).nbytes
        for matrix in matrices
        for name in ("data", "indices", "indptr")
    )
    return np.array([sum(first.shape[0] for first, _ in pairs), num_bytes], np.float64)


def _check_room(measured: NDArray[np.float64], num_rows: int, library: Library) -> None:
    """Refuse a recording that would not fit into memory, going by what is recorded of it."""
    done, num_bytes = measured
    needed = num_bytes * num_rows / done * 44 / 24  # one of two pairs, and all in one piece each
    free, where = free_memory(), "memory"
    if library.free_memory is not None:
        free, where = library.free_memory(), "the graphics card's memory"
    if needed - num_bytes > free:
        raise InputError(
            f"the recorded light transport takes about {gibibytes(needed)} of {where} and "
            f"{gibibytes(free)} are free; a smaller --spp or --size takes less"
        )


def _ranges(count: int, length: int) -> list[range]:
    return [range(start, min(start + length, count)) for start in range(0, count, length)]
