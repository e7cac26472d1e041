"""Compare a graphics card with the processor, phase by phase, beside the plain loop.

Run it with `python -m benchmarks --only gpu`. Without a card that Mitsuba can use, the processor's
rows are all there is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any
from unittest.mock import patch

import envmap_inverse as ei
from benchmarks.methods import LOOP, Case, bundled_case, estimate, loop
from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.timing import Timed, interleaved, timed
from envmap_inverse import backend
from envmap_inverse.backend import dr, mi
from envmap_inverse.backend.card import library_of_variant
from envmap_inverse.backend.libcuda import cuda_works
from envmap_inverse.metrics import log_rmse
from envmap_inverse.system.arrays import HOST, Library

SPP, ITERATIONS = 16, 100


def gpu(settings: Settings) -> Table:
    """Seconds of each phase on the card and on the processor, and the card's memory."""
    return Table(
        name="gpu",
        title="On a graphics card",
        note=f"Seconds, on the card ({_card()}) and on the processor, to render the mirror-like "
        f"bunny at {SPP} samples per pixel, to record as many paths, of the whole of "
        f"Transport(spp={SPP}) and of its solve, the same with the solve on the processor, and of "
        f"{ITERATIONS} iterations of Adam and of the plain loop; how much faster both are than the "
        "loop; log RMSE of the two maps of Transport and of the loop's; and the most memory that "
        "Dr.Jit and CuPy took for arrays: the card's in the rows of the card.",
        columns={
            "variant": "",
            "film": "",
            "render s": ".3f",
            "record s": ".3f",
            "Transport s": ".3f",
            "solve s": ".3f",
            "on processor: Transport s": ".3f",
            "solve s ": ".3f",
            "Adam s": ".2f",
            "loop s": ".2f",
            "loop / Transport": ".1f",
            "loop / Adam": ".1f",
            "log RMSE": ".3f",
            "on processor": ".3f",
            "loop": ".3f",
            "MB": ".0f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    variants = ["cuda_ad_rgb"] if cuda_works() else []
    if dr.has_backend(dr.JitBackend.LLVM):
        variants.append("llvm_ad_rgb")
    for variant in variants:
        backend.select_variant(variant)
        for size in map(settings.film, (256, 512, 1024)):
            dr.detail.malloc_clear_statistics()
            case = bundled_case(size)
            runs = interleaved(
                _phases(case, ITERATIONS), settings.repeats(3, 5), warm_up=_phases(case, 2)
            )
            here, there = runs.results["Transport"], runs.results["on processor"]
            yield (
                variant,
                f"{size}^2",
                *(runs.spread(name) for name in ("render", "record", "Transport")),
                here.phases["solve"],
                runs.spread("on processor"),
                there.phases["solve"],
                *(runs.spread(name) for name in ("Adam", LOOP)),
                *(runs.ratio(LOOP, name) for name in ("Transport", "Adam")),
                *(
                    float(log_rmse(texels, case.truth))
                    for texels in (here.texels, there.texels, runs.results[LOOP])
                ),
                _megabytes(),
            )


def _phases(case: Case, iterations: int) -> dict[str, Timed]:
    def solved(optimizer: ei.Adam | ei.Transport, library: Library) -> tuple[float, ei.Estimate]:
        with patch("envmap_inverse.optimizers.transport.library_of_variant", lambda: library):
            result = estimate(case, optimizer)
        return result.phases["optimize"], result

    def record() -> ei.LightTransport:
        transport = ei.LightTransport.record(case.scene, spp=SPP, library=library)
        library.finish()
        return transport

    library = library_of_variant()
    return {
        "render": lambda: timed(ei.render, case.scene, spp=SPP),
        "record": lambda: timed(record),
        "Transport": lambda: solved(ei.Transport(spp=SPP), library),
        "on processor": lambda: solved(ei.Transport(spp=SPP), HOST),
        "Adam": lambda: solved(ei.Adam(iterations=iterations), HOST),
        LOOP: lambda: timed(loop(iterations), case),
    }


def _megabytes() -> float:
    """Most bytes that Dr.Jit took for arrays, and those that CuPy keeps for its own."""
    found = dr.detail.malloc_watermark(dr.backend_v(mi.Float))
    library = library_of_variant()
    if library.is_on_card:
        found += library.numpy.get_default_memory_pool().total_bytes()
    return float(found / 1e6)


def _card() -> str:
    """The card's name, as the driver's tool has it."""
    if shutil.which("nvidia-smi") is None or not cuda_works():
        return "none here"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
