"""Error against seconds: how good a map there is at any moment of a run, and of each setting's."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import LOOP, Case, bundled_case, loop
from benchmarks.settings import Settings
from benchmarks.tables import Spread, Table
from envmap_inverse.bundled import MATERIALS
from envmap_inverse.metrics import angular_error, log_rmse, sum_of_squared_errors

DEFAULT = "Transport()"

HAND_SET = {
    "spp=1": ei.Transport(spp=1),
    "spp=4": ei.Transport(spp=4),
    "spp=16": ei.Transport(spp=16),
    "spp=64": ei.Transport(spp=64),
    "spp=1, warm_up=2, rounds=1, iterations=1": ei.Transport(
        spp=1, warm_up=2, rounds=1, iterations=1
    ),
    "warm_up=8, rounds=3, iterations=16": ei.Transport(warm_up=8, rounds=3, iterations=16),
}

ITERATIONS = 10, 30, 100

Points = list[tuple[float, NDArray[np.float32]]]
"""Seconds from the start, and the map there was then."""


def anytime(settings: Settings) -> Table:
    """Every step of the default and of hand-set settings, and the plain loop's."""
    return Table(
        name="anytime",
        title="Error at any moment",
        note="The bunny in the museum. Each step of a run by its seconds from the call of "
        f"`estimate` on; of the plain loop runs of {', '.join(map(str, ITERATIONS))} iterations. "
        "SSE and seconds also over those of its last.",
        columns={
            "material": "",
            "film": "",
            "method": "",
            "seconds": ".2f",
            "times sooner": ".1f",
            "SSE": ",.0f",
            "of the loop's": ".3f",
            "colour angle": ".2f",
            "log RMSE": ".3f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    sizes = settings.pick((64, 256), (64, 256, 512, 1024))
    for material, size in product(MATERIALS, map(settings.film, sizes)):
        case = bundled_case(size, material=material)
        runs = _measured(case, settings.repeats(1, 3))
        (loop_seconds, loops_map) = runs[LOOP][-1]
        loops_error = sum_of_squared_errors(loops_map, case.truth)
        for method, points in runs.items():
            for seconds, texels in points:
                error = sum_of_squared_errors(texels, case.truth)
                yield (
                    material,
                    f"{size}^2",
                    method,
                    seconds,
                    loop_seconds.median / seconds.median,
                    error,
                    error / loops_error,
                    angular_error(texels, case.truth),
                    log_rmse(texels, case.truth),
                )


def _measured(case: Case, repeats: int) -> dict[str, list[tuple[Spread, NDArray[np.float32]]]]:
    """The points of each method; all methods in turn, again and again, after a first time."""
    methods: dict[str, Callable[[Case], Points]] = {LOOP: _loop, DEFAULT: _steps_of(ei.Transport())}
    methods |= {name: _steps_of(optimizer) for name, optimizer in HAND_SET.items()}
    loop(2)(case)
    for name in list(methods)[1:]:
        methods[name](case)
    runs = [{name: method(case) for name, method in methods.items()} for _ in range(repeats)]
    return {
        name: [
            (Spread.of(seconds for seconds, _ in points), points[0][1])
            for points in zip(*(run[name] for run in runs), strict=True)
        ]
        for name in methods
    }


def _steps_of(optimizer: ei.Transport) -> Callable[[Case], Points]:
    def points(case: Case) -> Points:
        told: list[tuple[float, ei.Iteration]] = []
        begun = time.perf_counter()
        result = ei.estimate(
            case.scene,
            case.references[0],
            optimizer=optimizer,
            on_iteration=lambda iteration: told.append((time.perf_counter() - begun, iteration)),
        )
        end = time.perf_counter() - begun
        steps = [(seconds, iteration.texels) for seconds, iteration in told[:-1]]
        return [*steps, (end, result.texels)]

    return points


def _loop(case: Case) -> Points:
    points = []
    for count in ITERATIONS:
        begun = time.perf_counter()
        texels = loop(count)(case)
        points.append((time.perf_counter() - begun, texels))
    return points


def draw(table: Table) -> bytes:
    """A PNG: a panel for each material and film, one curve a method."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter  # noqa: PLC0415

    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    materials, films = (
        list(dict.fromkeys(row[key] for row in rows)) for key in ("material", "film")
    )
    shape = len(films), len(materials)
    figure = Figure(figsize=(3 * shape[1] + 0.5, 2.6 * shape[0] + 1), dpi=110, layout="constrained")
    panels = figure.subplots(*shape, squeeze=False)
    for (down, film), (across, material) in product(enumerate(films), enumerate(materials)):
        panel = panels[down, across]
        here = [row for row in rows if (row["material"], row["film"]) == (material, film)]
        for method in dict.fromkeys(row["method"] for row in here):
            own = [row for row in here if row["method"] == method]
            panel.loglog(
                [row["seconds"].median for row in own],
                [row["log RMSE"] for row in own],
                **_look(method),
            )
        panel.set_title(f"{material}, {film}", fontsize=9)
        panel.grid(which="both", alpha=0.25)
        panel.tick_params(which="both", labelsize=7)
        panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5, 7)))
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    for panel in panels[-1]:
        panel.set_xlabel("seconds", fontsize=8)
    for panel in panels[:, 0]:
        panel.set_ylabel("log RMSE", fontsize=8)
    figure.legend(
        *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3, fontsize=8
    )
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _look(method: str) -> dict[str, Any]:
    """The default stands out."""
    if method == DEFAULT:
        return {"label": method, "color": "black", "linewidth": 2.2, "marker": "o", "zorder": 5}
    return {"label": method, "linewidth": 1, "marker": ".", "alpha": 0.8}
