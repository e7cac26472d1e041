"""`Transport()` with no setting touched, over materials, lights and objects."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import bundled_case, estimate
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.bundled import MAPS, MATERIALS, OBJECTS
from envmap_inverse.metrics import compare_maps
from envmap_inverse.protocols import three_spheres

SPHERES = ("diffuse", "matte", "mirror")


def objects(settings: Settings) -> Table:
    """Errors of every combination; in a full run also of the three spheres."""
    size, spheres = settings.film(256), settings.pick((), SPHERES)
    columns = {
        "object": "",
        "material": "",
        "map": "",
        "seen %": ".0f",
        "colour angle": ".2f",
        "log RMSE": ".3f",
        "seen: log RMSE": ".3f",
        "si-RMSE": ".2f",
        "PSNR dB": ".1f",
    }
    for name in spheres:
        columns |= {f"{name} sphere: RMSE": ".3f", f"{name} sphere: colour angle": ".2f"}
    return Table(
        name="objects",
        title=f"Materials, lights and objects, {size} x {size}",
        note="Errors of the map that `Transport()` recovers, no setting touched; seen is the part "
        "of the sphere from which light came to the picture."
        + (" The three spheres are StyleLight's and DiffusionLight's." if spheres else ""),
        columns=columns,
        rows=_rows(size, settings.pick(OBJECTS[:1], OBJECTS), spheres),
    )


def _rows(
    size: int, models: tuple[str, ...], spheres: tuple[str, ...]
) -> Iterator[tuple[Any, ...]]:
    for model, material, light in product(models, MATERIALS, MAPS):
        case = bundled_case(size, model=model, material=material, light=light)
        found = estimate(case, ei.Transport())
        errors = compare_maps(found.texels, case.truth, found.coverage)
        lit = three_spheres(found.texels, case.truth) if spheres else {}
        yield (
            model,
            material,
            light,
            100 * errors["seen"]["share"],
            errors["angular_mean_deg"],
            errors["log_rmse"],
            errors["seen"]["log_rmse"],
            errors["si_rmse"],
            errors["psnr_db"],
            *(lit[s][metric] for s in spheres for metric in ("rmse_per_pixel", "angular_mean_deg")),
        )
