"""How the time grows with pixels, samples, texels and views; with cores, see `processes.py`.

Each row changes one of them; the others stay at a film of 256 x 256, 1 spp for the loops and 16
for the transport, 250 x 125 texels and one view.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import envmap_inverse as ei
from benchmarks.methods import LOOP, Case, bundled_case, lit_case, loop, ours
from benchmarks.settings import Settings
from benchmarks.tables import Table
from benchmarks.timing import Timed, interleaved, timed
from envmap_inverse.sphere.latlong import resample

SIZE, SPP, ITERATIONS = 256, 16, 10


def scaling(settings: Settings) -> Table:
    """Seconds of the plain loop, of Adam and of the transport, one quantity changed at a time."""
    return Table(
        name="scaling",
        title="Scaling",
        note=f"Seconds of {ITERATIONS} iterations of the plain loop and of Adam, and of the whole "
        f"of Transport(spp={SPP}), on a film of {settings.film(SIZE)} x {settings.film(SIZE)} with "
        "one view, 250 x 125 texels and 1 sample per pixel and iteration, but for what the row "
        "changes (spp: samples per pixel of all three).",
        columns={
            "changed": "",
            "to": "",
            "loop s": ".2f",
            "Adam s": ".2f",
            "Transport s": ".2f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    repeats, size = settings.pick(2, 5), settings.film(SIZE)
    for side in map(settings.film, settings.pick((128, 512), (64, 128, 256, 512, 1024))):
        yield ("pixels", f"{side}^2", *_seconds(bundled_case(side), repeats))
    base = bundled_case(size)
    for spp in settings.pick((1, 4), (1, 4, 16, 64)):
        yield ("spp", spp, *_seconds(base, repeats, loop_spp=spp, transport_spp=spp))
    for height in settings.pick((63, 250), (63, 125, 250, 500)):
        texels = resample(base.truth, height, 2 * height).astype(np.float32)
        case = lit_case(bundled_case(size).scene, texels)
        yield ("texels", f"{2 * height} x {height}", *_seconds(case, repeats))
    for num_views in settings.pick((1, 2), (1, 2, 4, 8)):
        yield ("views", num_views, *_seconds(seen_from(num_views, base), repeats))


def _seconds(case: Case, repeats: int, loop_spp: int = 1, transport_spp: int = SPP) -> list[Any]:
    def calls(iterations: int) -> dict[str, Timed]:
        methods = {
            LOOP: loop(iterations, loop_spp),
            "Adam": ours(ei.Adam(iterations=iterations, spp=loop_spp)),
            "Transport": ours(ei.Transport(spp=transport_spp)),
        }
        return {name: lambda m=method: timed(m, case) for name, method in methods.items()}

    runs = interleaved(calls(ITERATIONS), repeats, warm_up=calls(2))
    return [runs.spread(name) for name in runs.seconds]


def seen_from(num_views: int, case: Case, material: str = "mirror") -> Case:
    """The bunny of a material in a case's light, from cameras on a circle round it."""
    side, _ = case.scene.film_size()
    scene = bundled_case(side, material=material).scene
    scene.set_sensors(cameras_round(num_views, side))
    return lit_case(scene, case.truth)


def cameras_round(num_views: int, side: int) -> list[ei.Camera]:
    """Cameras on a circle round the bunny, of side x side pixels."""
    camera = ei.Camera(
        name="",
        width=side,
        height=side,
        focal_lengths=(side, side),
        principal_point=(side / 2, side / 2),
        to_world=np.eye(4),
    )
    cameras = []
    for k in range(num_views):
        c, s = np.cos(2 * np.pi * k / num_views), np.sin(2 * np.pi * k / num_views)
        turn = np.array([[c, 0, s, 2.6 * s], [0, 1, 0, 0], [-s, 0, c, 2.6 * c], [0, 0, 0, 1]])
        cameras.append(replace(camera, name=f"view {k}", to_world=turn))
    return cameras
