"""Error against time: how good a map each method has after how long."""

from __future__ import annotations

import io
from collections.abc import Iterator
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import LOOP, Method, bundled_case, loop, ours
from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.timing import interleaved, timed
from envmap_inverse.metrics import angular_error, log_rmse, sum_of_squared_errors


def curves(settings: Settings) -> Table:
    """Seconds and errors of each method with more and more iterations or paths."""
    size = settings.film(settings.pick(256, 512))
    return Table(
        name="curves",
        title="Error against time",
        note=f"The mirror-like bunny, {size} x {size}. Every row is a run of its own.",
        columns={
            "method": "",
            "with": "",
            "seconds": ".2f",
            "SSE": ",.0f",
            "colour angle": ".2f",
            "log RMSE": ".3f",
        },
        rows=_rows(settings, size),
    )


def _rows(settings: Settings, size: int) -> Iterator[tuple[Any, ...]]:
    case = bundled_case(size)
    iterations = settings.steps((2, 4), (10, 30, 100), (10, 30, 100, 300, 1000))
    paths = settings.steps((1, 4), (1, 4, 16, 64), (1, 4, 16, 64, 256))
    methods = _methods(iterations, paths)
    runs = interleaved(
        {key: lambda m=method: timed(m, case) for key, method in methods.items()},
        settings.pick(1, 3),
        warm_up={key: lambda m=m: timed(m, case) for key, m in _methods((2,), paths).items()},
    )
    for key in methods:
        maps = runs.results[key], case.truth
        errors = (metric(*maps) for metric in (sum_of_squared_errors, angular_error, log_rmse))
        yield (*key, runs.spread(key), *errors)


def _methods(iterations: tuple[int, ...], paths: tuple[int, ...]) -> dict[tuple[str, str], Method]:
    """Methods by name and effort."""
    loops = {
        LOOP: loop,
        "Adam()": lambda n: ours(ei.Adam(iterations=n)),
        "Adam(recorded_spp=16)": lambda n: ours(ei.Adam(iterations=n, recorded_spp=16)),
    }
    made = {(name, f"{n} iterations"): make(n) for name, make in loops.items() for n in iterations}
    return made | {("Transport()", f"spp={n}"): ours(ei.Transport(spp=n)) for n in paths}


def draw(table: Table) -> bytes:
    """A PNG of the table's errors against its seconds, one curve a method."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    from matplotlib.ticker import LogLocator, NullFormatter, StrMethodFormatter  # noqa: PLC0415

    figure = Figure(figsize=(9, 4.4), dpi=120, layout="constrained")
    rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
    for panel, error in zip(figure.subplots(1, 2), ("log RMSE", "colour angle"), strict=True):
        for method in dict.fromkeys(row["method"] for row in rows):
            points = [
                (row["seconds"].median, row[error]) for row in rows if row["method"] == method
            ]
            panel.loglog(*zip(*points, strict=True), marker="o", label=method)
        panel.set_xlabel("seconds")
        panel.set_ylabel("mean colour angle in degrees" if error == "colour angle" else error)
        panel.grid(which="both", alpha=0.25)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            axis.set_major_formatter(StrMethodFormatter("{x:g}"))
            axis.set_minor_formatter(NullFormatter())
    figure.legend(*panel.get_legend_handles_labels(), loc="outside lower center", ncols=4)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
