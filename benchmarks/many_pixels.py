"""Large pictures, and many: when the first map comes, and what blocks of pixels are worth."""

from __future__ import annotations

import multiprocessing
import resource
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import bundled_case
from benchmarks.scaling import seen_from
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.metrics import log_rmse

SCENES = ("mirror", "windows"), ("rough", "windows"), ("rough", "museum"), ("plastic", "windows")
PICTURES = (1, 512), (1, 1024), (16, 256)
"""Number of views, and pixels on a side of each."""


def many_pixels(settings: Settings) -> Table:
    """Seconds and errors of the first map and of the last, and of one from all pixels."""
    return Table(
        name="many-pixels",
        title="Many pixels",
        note="`Transport()`, with no setting touched, and with `all_pixels=True`: the first map "
        "and the last, by their seconds and log RMSE, and the memory of the process at its peak. "
        "Views stand in a circle around the bunny.",
        columns={
            "material": "",
            "map": "",
            "pictures": "",
            "first s": ".2f",
            "first log RMSE": ".3f",
            "last s": ".1f",
            "last log RMSE": ".3f",
            "GiB": ".2f",
            "all pixels s": ".1f",
            "all pixels log RMSE": ".3f",
            "all pixels GiB": ".2f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    context = multiprocessing.get_context("spawn")
    for views, size in settings.pick(PICTURES[:1], PICTURES):
        side = settings.film(size)
        for material, light in SCENES:
            found: list[float] = []
            for all_pixels in (False, True):
                with ProcessPoolExecutor(1, context) as child:
                    case = material, light, views, side
                    found += child.submit(measure, *case, all_pixels=all_pixels).result()
            yield (material, light, f"{views} of {side}^2", *found[:5], *found[7:])


def measure(
    material: str, light: str, views: int, side: int, *, all_pixels: bool
) -> tuple[float, ...]:
    """Seconds and log RMSE of the first and of the last map, and GiB, of this process."""
    case = bundled_case(side, material=material, light=light)
    if views > 1:
        case = seen_from(views, case, material)
    pictures = [ei.View(image, sensor=k) for k, image in enumerate(case.references)]
    optimizer = ei.Transport(all_pixels=all_pixels)
    told: list[tuple[float, float]] = []
    for _ in range(2):  # first to compile
        told.clear()
        ei.estimate(
            case.scene,
            pictures,
            optimizer=optimizer,
            on_iteration=lambda each: told.append(
                (each.seconds, log_rmse(each.texels, case.truth))
            ),
        )
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return (*told[0], *told[-1], peak)
