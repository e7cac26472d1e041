"""Our Adam loop against the tutorial's plain Mitsuba loop, in turn in one process.

    python benchmarks/adam.py [--sizes 64,256] [--iterations 100] [--repeats 5]

Both start white, use the same seeds, 1 spp, learning rate 0.02 and `prb`, and see the same 16 spp
reference of the bundled bunny. Prints a Markdown table: medians over the repeats after a warm-up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi
from envmap_inverse.bundled import bunny


def plain_loop(scene: ei.Scene, reference: NDArray[np.float32], iterations: int) -> NDArray[Any]:
    """The tutorial in Mitsuba 3: `mi.render`, `mi.ad.Adam`, nothing else."""
    params, key = mi.traverse(scene.mi_scene), f"{scene.envmap.name}.data"
    params.keep([key])
    integrator = mi.load_dict({"type": "prb", "max_depth": 6})
    target = mi.TensorXf(reference)
    optimizer = mi.ad.Adam(lr=0.02)
    optimizer[key] = mi.TensorXf(np.ones(params[key].shape, np.float32))
    params.update(optimizer)
    for index in range(iterations):
        image = mi.render(scene.mi_scene, params, integrator=integrator, spp=1, seed=index)
        dr.backward(dr.mean(dr.square(image - target)))
        optimizer.step()
        params.update(optimizer)
    return np.array(params[key])[:, 1:-1]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", default="64,256")
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    write = sys.stdout.write
    write("| film | plain s | ours s | ratio (min to max) | plain SSE | ours SSE |\n")
    write("|---|---|---|---|---|---|\n")
    for size in map(int, arguments.sizes.split(",")):
        scene = ei.load_scene(bunny())
        scene.set_film_size(size)
        truth, reference = scene.envmap.texels, ei.render(scene, spp=16, seed=12345)
        adam = ei.Adam(iterations=arguments.iterations)
        plain, ours = [], []
        for _ in range(arguments.repeats + 1):
            start = time.perf_counter()
            theirs = plain_loop(scene, reference, arguments.iterations)
            plain.append(time.perf_counter() - start)
            result = ei.estimate(scene, reference, optimizer=adam)
            ours.append(result.phases["optimize"])
        del plain[0], ours[0]
        ratios = [a / b for a, b in zip(plain, ours, strict=True)]
        sse = [float(((m - truth) ** 2).sum()) for m in (theirs, result.texels)]
        write(
            f"| {size}^2 | {statistics.median(plain):.2f} | {statistics.median(ours):.2f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {sse[0]:.0f} | {sse[1]:.0f} |\n"
        )


if __name__ == "__main__":
    main()
