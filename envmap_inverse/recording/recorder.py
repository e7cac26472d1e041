"""Trace the paths of all sensors, chunk by chunk, and assemble them beside the tracing."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.recording.assembly import Earlier, Matrices, Pairs, assemble, joined
from envmap_inverse.recording.blocks import num_cores
from envmap_inverse.recording.on_disk import BYTES_PER_ENTRY, MatricesOnDisk, check_disk
from envmap_inverse.scene.integrators import PathSettings
from envmap_inverse.scene.refusing import refusing
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.tracing import Paths, PathTracer
from envmap_inverse.system.arrays import HOST, Library
from envmap_inverse.system.memory import free_memory, gibibytes
from envmap_inverse.system.progress import stage

__all__ = ["Source", "cut_at", "record_matrices", "sources_of"]

BYTES_PER_PATH = 24
"""Bytes of a path in flight: throughput 12, texel 4, position between four texels 8."""

MOST_OF_MEMORY = 0.7
"""Share of the free memory above which a recording goes on the disk: solving takes memory, too."""

MAX_CHUNK = 2**20
PIECE = 2**16
"""Paths that are assembled at a time."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Source:
    """Pixels of one sensor to record.

    Attributes:
        sensor: its index.
        pixels: their numbers, ascending.
        seed: of their samples, which depend on it and on the pixel alone.
        block: pixels on a side of the squares to record, whose upper left pixels these are.
    """

    sensor: int
    pixels: NDArray[np.uint32]
    seed: int
    block: int = 1


def sources_of(pixels: Mapping[int, NDArray[np.uint32]], seed: int, block: int = 1) -> list[Source]:
    """All pixels to record, by the index of their sensor, as sources whose samples differ."""
    return [
        Source(sensor=sensor, pixels=recorded, seed=seed * len(pixels) + number, block=block)
        for number, (sensor, recorded) in enumerate(pixels.items())
    ]


def cut_at(ends: Sequence[int], sources: Sequence[Source]) -> list[Source]:
    """Sources of shards that end at these rows, none of which has rows of two sources."""
    found, start, rest = [], 0, iter(ends)
    for source in sources:
        last = start + len(source.pixels)
        begin = start
        while begin < last:
            end = next(rest)
            pixels = source.pixels[begin - start : end - start]
            found.append(replace(source, pixels=pixels))
            begin = end
        start = last
    return found


def record_matrices(
    scene: Scene,
    settings: PathSettings,
    sources: Sequence[Source],
    *,
    spp: int,
    budget: int,
    on_progress: Callable[[float], None] = lambda _: None,
    library: Library = HOST,
    share: int = 1,
    earlier: Earlier | None = None,
) -> tuple[Matrices, float]:
    """Record the light transport; see `LightTransport.record` for the other arguments.

    Args:
        scene: what to trace.
        settings: how the scene's integrator follows paths.
        sources: what to record, one below the other.
        spp: paths per pixel.
        budget: bytes that paths in flight may take.
        on_progress: told the share that is done.
        library: whose matrices to make.
        share: number of processes that share the free memory.
        earlier: a recording of the first paths, which are not traced again.

    Returns:
        The matrices of red, green, blue and squares, and the seconds in which no path was traced.
    """
    begun, tracing = time.perf_counter(), 0.0
    num_rows = sum(len(source.pixels) for source in sources)
    chunks: list[list[Future[Pairs]]] = []
    disk: MatricesOnDisk | None = None
    num_done, measured = 0, np.zeros(2)
    piece = MAX_CHUNK if library.is_on_card else PIECE
    with stage("Recording paths", 1.0) as shown, ThreadPoolExecutor(num_cores()) as pool:
        first = earlier.spp if earlier else 0
        traced = _traced(scene, settings, sources, (first, spp), budget, library)
        for paths, num_pixels, seconds in traced:
            tracing += seconds
            if len(chunks) > 1:  # two in flight
                measured += _measure(chunks[-2])
                if disk is None and not _has_room(measured, num_rows, library, share):
                    disk = MatricesOnDisk()
                if disk is not None:
                    _write(disk, chunks, chunks[:-1])
            assembled = partial(_assembled, scene, spp, earlier, paths, num_done)
            pieces = _ranges(num_pixels, max(piece // (spp - first), 1))
            chunks.append([pool.submit(assembled, rows) for rows in pieces])
            num_done += num_pixels
            shown.advance(num_done / num_rows, "on the disk" if disk else "")
            on_progress(num_done / num_rows)
        matrices = _in_memory(chunks) if disk is None else _write(disk, chunks, [*chunks]).finish()
    _LOGGER.info("recorded %d paths as %d entries", num_rows * (spp - first), matrices[0].nnz)
    return matrices, time.perf_counter() - begun - tracing


def _assembled(
    scene: Scene, spp: int, earlier: Earlier | None, paths: Paths, start: int, rows: range
) -> Pairs:
    """Assemble some rows of a chunk of paths, of which the first is row `start` of all."""
    num_new = spp - (earlier.spp if earlier else 0)
    return assemble(
        paths.of(range(rows.start * num_new, rows.stop * num_new)),
        len(rows),
        scene.envmap.resolution,
        earlier.pairs(range(start + rows.start, start + rows.stop), spp) if earlier else None,
    )


def _in_memory(chunks: list[list[Future[Pairs]]]) -> Matrices:
    """The matrices of all chunks, which are let go."""
    red_green, blue_squares = zip(
        *(done.result() for chunk in chunks for done in chunk), strict=True
    )
    chunks.clear()
    return joined(red_green, blue_squares)


def _write(
    disk: MatricesOnDisk, chunks: list[list[Future[Pairs]]], first: list[list[Future[Pairs]]]
) -> MatricesOnDisk:
    """Write the first chunks, and let them go."""
    for chunk in first:
        disk.append([future.result() for future in chunk])
    del chunks[: len(first)]
    return disk


def _traced(
    scene: Scene,
    settings: PathSettings,
    sources: Sequence[Source],
    between: tuple[int, int],
    budget: int,
    library: Library,
) -> Iterator[tuple[Paths, int, float]]:
    """Yield the paths of chunk after chunk, its number of pixels, and the seconds it took."""
    first, spp = between
    per_chunk = max(min(budget // (2 * BYTES_PER_PATH), MAX_CHUNK) // (spp - first), 1)
    for source in sources:
        with refusing("record", "; use the Adam optimizer"):
            tracer = PathTracer(
                *(scene, settings, source.sensor, spp, source.seed, library),
                first=first,
                block=source.block,
            )
        for chunk in _ranges(len(source.pixels), per_chunk):
            begun = time.perf_counter()
            with refusing("record", "; use the Adam optimizer"):
                paths = tracer.trace(source.pixels[chunk.start : chunk.stop])
            yield paths, len(chunk), time.perf_counter() - begun


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


def _has_room(measured: NDArray[np.float64], num_rows: int, library: Library, share: int) -> bool:
    """Whether a recording fits into memory with room to spare, going by what is recorded of it.

    Raises:
        InputError: if it does not, and has to go on the disk, but does not fit there either; or not
            onto the graphics card.
    """
    done, num_bytes = measured
    all_parts = num_bytes * num_rows / done
    if library.free_memory is None:
        free = free_memory() // share
        # The parts, and all in one piece each that shares its numbers of texels with the others.
        if all_parts * (24 + BYTES_PER_ENTRY) / 24 - num_bytes <= MOST_OF_MEMORY * free:
            return True
        check_disk(all_parts * BYTES_PER_ENTRY / 24, free)
        return False
    needed, free = all_parts * 44 / 24, library.free_memory()  # one of two pairs, and all whole
    if needed - num_bytes > free:
        raise InputError(
            f"the recorded light transport takes about {gibibytes(needed)} of the graphics card's "
            f"memory and {gibibytes(free)} are free; a smaller --spp or --size takes less"
        )
    return True


def _ranges(count: int, length: int) -> list[range]:
    return [range(start, min(start + length, count)) for start in range(0, count, length)]
