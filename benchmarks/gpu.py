"""Compare a graphics card with the processor, phase by phase, beside the plain loop.

Run it with `python -m benchmarks --only gpu`. Without a card that Mitsuba can use, the processor's
rows are all there is.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import LOOP, Case, bundled_case, estimate, loop
from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.timing import Timed, interleaved, timed
from envmap_inverse import backend
from envmap_inverse.backend import dr, mi
from envmap_inverse.backend.libcuda import cuda_works

SPP, ITERATIONS = 16, 100


def gpu(settings: Settings) -> Table:
    """Seconds of each phase on the card and on the processor, and the card's memory."""
    return Table(
        name="gpu",
        title="On a graphics card",
        note=f"Seconds, on the card ({_card()}) and on the processor, to render the mirror-like "
        f"bunny at {SPP} samples per pixel, to record as many paths, to solve, of the whole of "
        f"Transport(spp={SPP}), and of {ITERATIONS} iterations of Adam and of the plain loop; "
        "how much faster Adam is than the loop; and the most memory that Dr.Jit took for arrays: "
        "the card's in the rows of the card.",
        columns={
            "variant": "",
            "film": "",
            "render s": ".3f",
            "record s": ".3f",
            "solve s": ".3f",
            "Transport s": ".3f",
            "Adam s": ".2f",
            "loop s": ".2f",
            "loop / Adam": ".2f",
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
                _phases(case, ITERATIONS), settings.repeats(2, 5), warm_up=_phases(case, 2)
            )
            yield (
                variant,
                f"{size}^2",
                runs.spread("render"),
                runs.spread("record"),
                runs.results["Transport"].phases["solve"],
                *(runs.spread(name) for name in ("Transport", "Adam", LOOP)),
                runs.ratio(LOOP, "Adam"),
                dr.detail.malloc_watermark(dr.backend_v(mi.Float)) / 1e6,
            )


def _phases(case: Case, iterations: int) -> dict[str, Timed]:
    def solved(optimizer: ei.Adam | ei.Transport) -> tuple[float, ei.Estimate]:
        result = estimate(case, optimizer)
        return result.phases["optimize"], result

    return {
        "render": lambda: timed(ei.render, case.scene, spp=SPP),
        "record": lambda: timed(ei.LightTransport.record, case.scene, spp=SPP),
        "Transport": lambda: solved(ei.Transport(spp=SPP)),
        "Adam": lambda: solved(ei.Adam(iterations=iterations)),
        LOOP: lambda: timed(loop(iterations), case),
    }


def _card() -> str:
    """The card's name, as the driver's tool has it."""
    if shutil.which("nvidia-smi") is None or not cuda_works():
        return "none here"
    command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
