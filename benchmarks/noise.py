"""How noisy a recording is, and whether its noise biases the map.

    python -m benchmarks.noise

At 256 x 256 and 16 paths per pixel, under the museum's map x. The first columns compare T x, whose
paths are stratified, with a render of as many independent paths: the median over the pixels of the
absolute error. Least squares with a noisy T is biased towards 0 (errors in variables); of two
independent recordings T1 and T2, 1 - <T1 x, T2 x> / <T1 x, T1 x>, weighted as the loss weighs, is
the share by which it shrinks a map. The last columns show what four times as many paths, which
make that share a fourth, change in the map.
"""

from __future__ import annotations

from typing import Any

import numpy as np

import envmap_inverse as ei
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.metrics import angular_error, log_rmse

SIZE, SPP = 256, 16
MATERIALS = ("mirror", "rough", "plastic")


def noise(settings: Settings) -> Table:
    """Errors of recordings, and of the maps that they lead to."""
    return Table(
        name="noise",
        title="Noise of a recording, and the bias that comes of it",
        note="Median error of a pixel in a render and in T x, of 16 paths per pixel each; the "
        "share by which the noise shrinks a map; and the map with 16 and with 64 paths per pixel.",
        columns={
            "material": "",
            "error of a render": ".2e",
            "of T x": ".2e",
            "shrinks by": ".2%",
            "angle: 16 paths": ".2f",
            "angle: 64 paths": ".2f",
            "log RMSE: 16 paths": ".3f",
            "log RMSE: 64 paths": ".3f",
        },
        rows=(_row(material, settings.film(SIZE)) for material in MATERIALS),
    )


def _row(material: str, size: int) -> tuple[Any, ...]:
    scene = bundled_scene("bunny", material)
    scene.set_film_size(size)
    truth = scene.envmap.texels
    clean = ei.render(scene, spp=1024, seed=7).reshape(-1, 3)
    noisy = ei.render(scene, spp=SPP, seed=8).reshape(-1, 3)
    first, second = (
        ei.LightTransport.record(scene, spp=SPP, seed=k).matvec(truth.reshape(-1, 3))
        for k in range(2)
    )
    weights = ei.RelativeMSE().weight(clean, clean)
    shrinks = 1 - np.sum(weights * first * second) / np.sum(weights * first * first)
    maps = [
        ei.estimate(scene, noisy.reshape(size, size, 3), optimizer=ei.Transport(spp=k)).texels
        for k in (SPP, 4 * SPP)
    ]
    return (
        material,
        *(np.median(np.abs(image - clean)) for image in (noisy, first)),
        shrinks,
        *(angular_error(texels, truth) for texels in maps),
        *(log_rmse(texels, truth) for texels in maps),
    )


if __name__ == "__main__":
    print_table(noise(settings_of(parser(__doc__).parse_args())), "python -m benchmarks.noise")
