"""How noisy a recording is, and whether its noise biases the map.

    python -m benchmarks.noise

At 256 x 256 and 16 paths per pixel, under the museum's map x. The first columns are the median over
the pixels of the absolute error: of a render, of T x from paths of independent random numbers, and
of T x from the stratified ones that are used; and the time that stratified paths take, over that of
independent ones. Least squares with a noisy T is biased towards 0 (errors in variables); of two
independent recordings T1 and T2, 1 - <T1 x, T2 x> / <T1 x, T1 x>, weighted as the loss weighs, is
the share by which it shrinks a map. The last columns show what four times as many paths, which
make that share a fourth, change in the map.
"""

from __future__ import annotations

from typing import Any
from unittest import mock

import numpy as np

import envmap_inverse as ei
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from benchmarks.timing import interleaved, timed
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.metrics import angular_error, log_rmse
from envmap_inverse.scene.tracing import Sampler

SIZE, SPP = 256, 16
MATERIALS = ("mirror", "rough", "plastic")


def noise(settings: Settings) -> Table:
    """Errors of recordings, and of the maps that they lead to."""
    return Table(
        name="noise",
        title="Noise of a recording, and the bias that comes of it",
        note="Median error of a pixel, of 16 paths per pixel each, in a render, and in T x with "
        "independent and with stratified random numbers, and the ratio of their times; the share "
        "by which the noise shrinks a map; and the map with 16 and with 64 paths per pixel.",
        columns={
            "material": "",
            "error of a render": ".2e",
            "of T x, independent": ".2e",
            "of T x": ".2e",
            "time": ".2f",
            "shrinks by": ".2%",
            "colour angle: 16 paths": ".2f",
            "colour angle: 64 paths": ".2f",
            "log RMSE: 16 paths": ".3f",
            "log RMSE: 64 paths": ".3f",
        },
        rows=(_row(material, settings.film(SIZE), settings.pick(3, 7)) for material in MATERIALS),
    )


def _row(material: str, size: int, repeats: int) -> tuple[Any, ...]:
    scene = bundled_scene("bunny", material)
    scene.set_film_size(size)
    truth = scene.envmap.texels
    clean = ei.render(scene, spp=1024, seed=7).reshape(-1, 3)
    noisy = ei.render(scene, spp=SPP, seed=8).reshape(-1, 3)
    first, second = (
        ei.LightTransport.record(scene, spp=SPP, seed=k).matvec(truth.reshape(-1, 3))
        for k in range(2)
    )
    phases = {
        "independent": lambda: timed(_independent, scene),
        "stratified": lambda: timed(ei.LightTransport.record, scene, spp=SPP),
    }
    runs = interleaved(phases, repeats, warm_up=phases)
    independent = runs.results["independent"].matvec(truth.reshape(-1, 3))
    weights = ei.RelativeMSE().weight(clean, clean)
    shrinks = 1 - np.sum(weights * first * second) / np.sum(weights * first * first)
    maps = [
        ei.estimate(scene, noisy.reshape(size, size, 3), optimizer=ei.Transport(spp=k)).texels
        for k in (SPP, 4 * SPP)
    ]
    return (
        material,
        *(np.median(np.abs(image - clean)) for image in (noisy, independent, first)),
        runs.ratio("stratified", "independent"),
        shrinks,
        *(angular_error(texels, truth) for texels in maps),
        *(log_rmse(texels, truth) for texels in maps),
    )


def _independent(scene: ei.Scene) -> ei.LightTransport:
    """A recording of which no dimension is stratified."""
    with mock.patch.object(Sampler, "stratified", lambda sampler, _: sampler.next()):
        return ei.LightTransport.record(scene, spp=SPP)


if __name__ == "__main__":
    print_table(noise(settings_of(parser(__doc__).parse_args())), "python -m benchmarks.noise")
