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

import sys

import numpy as np

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.metrics import angular_error, log_rmse

SIZE, SPP = 256, 16
MATERIALS = ("mirror", "rough", "plastic")


def main() -> None:
    """Print the table."""
    write = sys.stdout.write
    write("| material | error of a render | of T x | shrinks by | angle: 16, 64 paths ")
    write("| log RMSE: 16, 64 paths |\n|---|---|---|---|---|---|\n")
    for material in MATERIALS:
        scene = bundled_scene("bunny", material)
        scene.set_film_size(SIZE)
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
            ei.estimate(scene, noisy.reshape(SIZE, SIZE, 3), optimizer=ei.Transport(spp=k)).texels
            for k in (SPP, 4 * SPP)
        ]
        angles = ", ".join(f"{angular_error(m, truth):.2f}" for m in maps)
        logs = ", ".join(f"{log_rmse(m, truth):.3f}" for m in maps)
        errors = (np.median(np.abs(image - clean)) for image in (noisy, first))
        cells = [*(f"{error:.2e}" for error in errors), f"{100 * shrinks:.2f} %", angles, logs]
        write(f"| {material} | " + " | ".join(cells) + " |\n")


if __name__ == "__main__":
    main()
