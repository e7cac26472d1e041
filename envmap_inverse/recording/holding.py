"""Record in this process, or let an executor do it elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from envmap_inverse.recording.assembly import Earlier
from envmap_inverse.recording.ray import Executor
from envmap_inverse.recording.recorder import Source, cut_at, record_matrices
from envmap_inverse.scene.integrators import PathSettings
from envmap_inverse.scene.scene import Scene
from envmap_inverse.system.arrays import Library
from envmap_inverse.system.memory import free_memory

__all__ = ["recorded_matrices"]


def recorded_matrices(
    scene: Scene,
    settings: PathSettings,
    sources: Sequence[Source],
    ends: Sequence[int],
    *,
    spp: int,
    memory_budget: int | None,
    on_progress: Callable[[float], None],
    library: Library,
    executor: Executor | None,
    earlier: Any,
) -> tuple[dict[str, Any], float]:
    """Record what a `LightTransport` holds; see `LightTransport.record` for most arguments.

    Args:
        scene: what to record.
        settings: how the scene's integrator follows paths.
        sources: the pixels.
        ends: the rows at which shards end.
        spp: paths per pixel.
        memory_budget: bytes for paths in flight.
        on_progress: told the share that is done.
        library: whose matrices to make here.
        executor: records elsewhere.
        earlier: the `LightTransport` to go on with, or None.

    Returns:
        Its attributes `channels` and `squares`, or `remote`; and the seconds in which no path was
        traced.
    """
    if earlier is not None and earlier.remote is not None:
        return {"remote": earlier.remote.grown(spp, on_progress)}, 0.0
    if executor is not None:
        shards = executor.record(
            *(scene, cut_at(ends, sources)),
            spp=spp,
            memory_budget=memory_budget,
            on_progress=on_progress,
        )
        return {"remote": shards}, 0.0
    (*channels, squares), seconds = record_matrices(
        *(scene, settings, sources),
        spp=spp,
        budget=free_memory() // 4 if memory_budget is None else memory_budget,
        on_progress=on_progress,
        library=library,
        earlier=Earlier.of(earlier.moved_to(library)) if earlier else None,
    )
    return {"channels": tuple(channels), "squares": squares}, seconds
