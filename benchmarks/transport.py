"""The transport optimizer against the tutorial's plain Mitsuba loop, in one process.

    python -m benchmarks.transport [--quick] [--pictures DIR]

Prints three tables: time and error on the bundled bunny at 512 x 512; error at 256 x 256 for three
materials under four maps, no setting touched; cost against a render of as many paths. Everything is
run once before it is timed. `--pictures` also writes each recovered map beside the true one.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.peer import plain_loop
from envmap_inverse.bundled import MAPS, bundled_scene, map_file
from envmap_inverse.images import display_exposure, encode_png, read_image, tonemap
from envmap_inverse.metrics import angular_error, log_rmse, sum_of_squared_errors

GOALS = {"mirror": (0.3, 0.5), "rough": (0.5, 0.7), "plastic": (0.6, 0.9)}
FASTEST = ei.Transport(spp=2, warm_up=3, rounds=1, iterations=1)
THOROUGH = ei.Transport(spp=64, warm_up=16, rounds=1)

write = sys.stdout.write


def timed(function: Callable[..., Any], *args: Any, **options: Any) -> tuple[float, Any]:
    """Seconds and result of a call."""
    start = time.perf_counter()
    result = function(*args, **options)
    return time.perf_counter() - start, result


def one_scene(repeats: int, pictures: Path | None) -> None:
    """Time and error at 512 x 512."""
    scene = bundled_scene("bunny", "mirror")
    truth, reference = scene.envmap.texels, ei.render(scene, spp=16, seed=12345)
    methods: dict[str, Callable[[], NDArray[Any]]] = {
        "plain loop, 100 iterations": lambda: plain_loop(scene, [reference]),
    }
    optimizers = {
        "Adam(), 100 iterations": ei.Adam(),
        "Adam(recorded_spp=16)": ei.Adam(recorded_spp=16),
        "Transport(spp=2, warm_up=3, rounds=1, iterations=1)": FASTEST,
        "Transport()": ei.Transport(),
        "Transport(spp=64, warm_up=16, rounds=1)": THOROUGH,
    }
    for name, optimizer in optimizers.items():
        methods[name] = lambda o=optimizer: ei.estimate(scene, reference, optimizer=o).texels
    write("| method | seconds | times faster | SSE | of the loop's | angle | log RMSE |\n")
    write("|---|---|---|---|---|---|---|\n")
    runs: dict[str, list[float]] = {name: [] for name in methods}
    found = {}
    for _ in range(repeats + 1):
        for name, method in methods.items():
            seconds, found[name] = timed(method)
            runs[name].append(seconds)
    first = next(iter(methods))
    if pictures is not None:
        write_pictures(pictures / "reference.png", reference)
        write_pictures(pictures / "museum_512.png", truth, found[first], found["Transport()"])
    for name, texels in found.items():
        seconds = statistics.median(runs[name][1:])
        faster = statistics.median(
            a / b for a, b in zip(runs[first][1:], runs[name][1:], strict=True)
        )
        error = sum_of_squared_errors(texels, truth)
        share = error / sum_of_squared_errors(found[first], truth)
        write(
            f"| {name} | {seconds:.2f} | {faster:.1f} | {error:,.0f} | {share:.3f} "
            f"| {angular_error(texels, truth):.2f} | {log_rmse(texels, truth):.3f} |\n"
        )


def many_scenes(pictures: Path | None) -> None:
    """Errors at 256 x 256, ours at defaults and the loop's."""
    write("| material | map | seconds: loop, ours | angle: loop, ours (ratio) ")
    write("| log RMSE: loop, ours (ratio) | start: angle, log RMSE |\n|---|---|---|---|---|---|\n")
    for material, goals in GOALS.items():
        scene = bundled_scene("bunny", material)
        scene.set_film_size(256)
        for name in MAPS:
            truth = read_image(map_file(name))
            scene.set_envmap(truth)
            reference = ei.render(scene, spp=16, seed=12345)
            plain_loop(scene, [reference], 2)
            ei.estimate(scene, reference, optimizer=ei.Transport())
            theirs_seconds, theirs = timed(plain_loop, scene, [reference])
            seconds, result = timed(ei.estimate, scene, reference, optimizer=ei.Transport())
            cells = []
            for metric, goal in zip((angular_error, log_rmse), goals, strict=True):
                a, b = metric(theirs, truth), metric(result.texels, truth)
                cells.append(f"{a:.2f}, {b:.2f} ({b / a:.2f}{'' if b / a <= goal else ' !'})")
            white = np.ones_like(truth)
            cells.append(f"{angular_error(white, truth):.1f}, {log_rmse(white, truth):.2f}")
            write(f"| {material} | {name} | {theirs_seconds:.1f}, {seconds:.1f} | ")
            write(" | ".join(cells) + " |\n")
            if pictures is not None:
                write_pictures(pictures / f"{material}_{name}.png", truth, theirs, result.texels)


def write_pictures(path: Path, *texels: NDArray[Any]) -> None:
    """Maps one below the other, at the first one's exposure."""
    exposure = display_exposure(texels[0])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(tonemap(np.concatenate(texels), exposure)))


def cost(quick: bool) -> None:
    """Recording and solving against a render of as many paths."""
    write("| film, spp | paths | render s | record s | record / render | all / render | MB |\n")
    write("|---|---|---|---|---|---|---|\n")
    sizes = [(256, 16), (512, 16)] if quick else [(256, 16), (512, 16), (512, 64), (1024, 64)]
    for size, spp in sizes:
        scene = bundled_scene("bunny", "mirror")
        scene.set_film_size(size)
        reference = ei.render(scene, spp=spp, seed=12345)
        optimizer = ei.Transport(spp=spp)
        rows = []
        for seed in range(2 if size == 1024 else 6):
            render_seconds, _ = timed(ei.render, scene, spp=spp, seed=seed)
            result = ei.estimate(scene, reference, optimizer=optimizer)
            rows.append((render_seconds, result.phases["record"], result.phases["optimize"]))
        render, record, both = (statistics.median(column) for column in zip(*rows[1:], strict=True))
        transport = ei.LightTransport.record(scene, spp=spp)
        write(
            f"| {size}^2, {spp} | {size * size * spp / 1e6:.1f} M | {render:.2f} | {record:.2f} "
            f"| {record / render:.2f} | {both / render:.2f} | {transport.nbytes / 1e6:.0f} |\n"
        )


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description="The transport optimizer against the plain loop.")
    parser.add_argument("--quick", action="store_true", help="fewer repeats and sizes")
    parser.add_argument("--pictures", type=Path, help="folder for pictures of the maps")
    arguments = parser.parse_args()
    write("## One picture, 512 x 512\n\n")
    one_scene(1 if arguments.quick else 3, arguments.pictures)
    write("\n## Twelve scenes, 256 x 256, defaults (! misses the goal)\n\n")
    many_scenes(arguments.pictures)
    write("\n## Cost\n\n")
    cost(arguments.quick)


if __name__ == "__main__":
    main()
