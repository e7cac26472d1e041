"""The transport optimizer against the tutorial's plain Mitsuba loop, in one process.

    python -m benchmarks.transport [--quick] [--pictures DIR]

Prints three tables: time and error on the bundled bunny at 512 x 512; error at 256 x 256 for three
materials under four maps, no setting touched; cost against a render of as many paths. `--pictures`
also writes each recovered map beside the true one.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import (
    LOOP,
    Case,
    Method,
    bundled_case,
    estimate,
    lit_case,
    loop,
    ours,
    usual_methods,
)
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from benchmarks.timing import Timed, interleaved, timed
from envmap_inverse.bundled import MAPS, bundled_scene, map_file
from envmap_inverse.images import display_exposure, encode_png, read_image, tonemap
from envmap_inverse.metrics import angular_error, log_rmse, sum_of_squared_errors

GOALS = {"mirror": (0.3, 0.5), "rough": (0.5, 0.7), "plastic": (0.6, 0.9)}
FASTEST = "Transport(spp=1, warm_up=2, rounds=1, iterations=1)"
THOROUGH = "Transport(spp=64, warm_up=12, rounds=1)"


@dataclass(frozen=True)
class Versus:
    """An error of the loop's map and of ours, and the ratio that we aimed for."""

    loop: float
    ours: float
    ratio: float
    goal: float

    def __format__(self, spec: str) -> str:
        """Both, their ratio, and "!" where it misses the goal."""
        missed = " !" if self.ratio > self.goal else ""
        return f"{self.loop:{spec}}, {self.ours:{spec}} ({self.ratio:.2f}{missed})"


def one_scene(settings: Settings, pictures: Path | None = None) -> Table:
    """Time and error at 512 x 512."""
    size = settings.film(512)
    return Table(
        name="bunny",
        title=f"One picture, {size} x {size}",
        note="The mirror-like bunny in the museum. Every iterative method has 100 iterations.",
        columns={
            "method": "",
            "seconds": ".2f",
            "times faster": ".1f",
            "SSE": ",.0f",
            "of the loop's": ".3f",
            "colour angle": ".2f",
            "log RMSE": ".3f",
        },
        rows=_one_scene(size, settings.repeats(2, 5), pictures),
    )


def _one_scene(size: int, repeats: int, pictures: Path | None) -> Iterator[tuple[Any, ...]]:
    case = bundled_case(size)
    methods = _methods(100)
    runs = interleaved(_timed(methods, case), repeats, warm_up=_timed(_methods(2), case))
    if pictures is not None:
        write_pictures(pictures / "reference.png", case.references[0])
        maps = (case.truth, runs.results[LOOP], runs.results["Transport()"])
        write_pictures(pictures / "museum_512.png", *maps)
    loops_error = sum_of_squared_errors(runs.results[LOOP], case.truth)
    for name in methods:
        maps = runs.results[name], case.truth
        error = sum_of_squared_errors(*maps)
        yield (
            name,
            runs.spread(name),
            runs.ratio(LOOP, name),
            error,
            error / loops_error,
            angular_error(*maps),
            log_rmse(*maps),
        )


def _methods(iterations: int) -> dict[str, Method]:
    return {
        **usual_methods(iterations),
        FASTEST: ours(ei.Transport(spp=1, warm_up=2, rounds=1, iterations=1)),
        THOROUGH: ours(ei.Transport(spp=64, warm_up=12, rounds=1)),
    }


def _timed(methods: dict[str, Method], case: Case) -> dict[str, Timed]:
    return {name: lambda method=method: timed(method, case) for name, method in methods.items()}


def many_scenes(settings: Settings, pictures: Path | None = None) -> Table:
    """Errors at 256 x 256, ours at defaults and the loop's."""
    size = settings.film(256)
    return Table(
        name="scenes",
        title=f"Twelve scenes, {size} x {size}",
        note="The loop's 100 iterations, `Transport()` with no setting touched, and the ratio of "
        "their errors; ! marks a ratio above what we aimed for ("
        + "; ".join(f"{name} {a} and {b}" for name, (a, b) in GOALS.items())
        + "). The last columns are the errors of a white map.",
        columns={
            "material": "",
            "map": "",
            "loop s": ".1f",
            "ours s": ".1f",
            "colour angle: loop, ours (ratio)": ".2f",
            "log RMSE: loop, ours (ratio)": ".2f",
            "white: colour angle": ".1f",
            "white: log RMSE": ".2f",
        },
        rows=_many_scenes(size, pictures),
    )


def _many_scenes(size: int, pictures: Path | None) -> Iterator[tuple[Any, ...]]:
    for material, goals in GOALS.items():
        scene = bundled_scene("bunny", material)
        scene.set_film_size(size)
        for light in MAPS:
            case = lit_case(scene, read_image(map_file(light)))
            methods = {LOOP: loop(100), "ours": ours(ei.Transport())}
            runs = interleaved(
                _timed(methods, case),
                1,
                warm_up=_timed({LOOP: loop(2), "ours": methods["ours"]}, case),
            )
            maps = [runs.results[name] for name in methods]
            white = np.ones_like(case.truth)
            yield (
                material,
                light,
                *(runs.spread(name) for name in methods),
                *map(_versus, (angular_error, log_rmse), [maps] * 2, [case.truth] * 2, goals),
                angular_error(white, case.truth),
                log_rmse(white, case.truth),
            )
            if pictures is not None:
                write_pictures(pictures / f"{material}_{light}.png", case.truth, *maps)


def _versus(metric: Any, maps: list[NDArray[Any]], truth: NDArray[Any], goal: float) -> Versus:
    a, b = (metric(texels, truth) for texels in maps)
    return Versus(a, b, b / a, goal)


def write_pictures(path: Path, *texels: NDArray[Any]) -> None:
    """Maps one below the other, at the first one's exposure."""
    exposure = display_exposure(texels[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(tonemap(np.concatenate(texels), exposure)))


def cost(settings: Settings) -> Table:
    """Recording and solving against a render of as many paths."""
    return Table(
        name="cost",
        title="Cost of a recording",
        note="Seconds to render, to record as many paths, and to record and solve; and the size of "
        "the recording.",
        columns={
            "film": "",
            "spp": "",
            "million paths": ".1f",
            "render s": ".2f",
            "record s": ".2f",
            "record / render": ".2f",
            "all / render": ".2f",
            "MB": ".0f",
        },
        rows=_cost(settings),
    )


def _cost(settings: Settings) -> Iterator[tuple[Any, ...]]:
    sizes = settings.pick([(256, 16), (512, 16)], [(256, 16), (512, 16), (512, 64), (1024, 64)])
    for full_size, spp in sizes:
        size = settings.film(full_size)
        case = bundled_case(size)
        phases = _cost_of(case, spp)
        runs = interleaved(phases, settings.repeats(3, 5), warm_up=phases)
        transport = ei.LightTransport.record(case.scene, spp=spp)
        yield (
            f"{size}^2",
            spp,
            size * size * spp / 1e6,
            runs.spread("render"),
            runs.spread("record"),
            runs.ratio("record", "render"),
            runs.ratio("all", "render"),
            transport.nbytes / 1e6,
        )


def _cost_of(case: Case, spp: int) -> dict[str, Timed]:
    def solved() -> tuple[float, None]:
        return estimate(case, ei.Transport(spp=spp)).phases["optimize"], None

    return {
        "render": lambda: timed(ei.render, case.scene, spp=spp),
        "record": lambda: timed(ei.LightTransport.record, case.scene, spp=spp),
        "all": solved,
    }


def main() -> None:
    """Print the tables."""
    options = parser(__doc__)
    options.add_argument("--pictures", type=Path, help="folder for pictures of the maps")
    arguments = options.parse_args()
    settings = settings_of(arguments)
    for table in (
        one_scene(settings, arguments.pictures),
        many_scenes(settings, arguments.pictures),
        cost(settings),
    ):
        print_table(table, "python -m benchmarks.transport")


if __name__ == "__main__":
    main()
