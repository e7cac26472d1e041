"""Our Adam loop against the tutorial's plain Mitsuba loop, in turn in one process.

    python -m benchmarks.adam [--sizes 64,256] [--iterations 100] [--repeats 5]

Both start white, use the same seeds, 1 spp, learning rate 0.02 and `prb`, and see the same 16 spp
reference of the bundled bunny. Medians over the repeats after a warm-up.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import envmap_inverse as ei
from benchmarks.peer import plain_loop
from envmap_inverse.bundled import bunny
from envmap_inverse.metrics import sum_of_squared_errors


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description="Our Adam loop against the plain Mitsuba loop.")
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
            theirs = plain_loop(scene, [reference], arguments.iterations)
            plain.append(time.perf_counter() - start)
            result = ei.estimate(scene, reference, optimizer=adam)
            ours.append(result.phases["optimize"])
        ratios = [a / b for a, b in zip(plain[1:], ours[1:], strict=True)]
        write(
            f"| {size}^2 | {statistics.median(plain[1:]):.2f} | {statistics.median(ours[1:]):.2f} "
            f"| {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}) "
            f"| {sum_of_squared_errors(theirs, truth):.0f} "
            f"| {sum_of_squared_errors(result.texels, truth):.0f} |\n"
        )


if __name__ == "__main__":
    main()
