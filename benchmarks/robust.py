"""`Adam.robust()` against the plain `Adam()` over many iterations.

    python -m benchmarks.robust [--quick] [--size N] [--plot FILE]

Two scenes of 256 x 256 pixels, 1,600 iterations: the museum in the mirror-like copper bunny, a sun
in the rough one. Prints the error of the map at the end and the lowest on the way, as sum of
squared errors (SSE) and as log RMSE, and how far the end is above the lowest. `--plot` draws the
errors over the iterations (needs matplotlib: `pip install '.[plot]'`).
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import Case, bundled_case
from envmap_inverse.metrics import log_rmse

SCENES = {"museum, mirror": ("mirror", "museum"), "sun, rough": ("rough", "sun")}
ERRORS = {"SSE": ",.0f", "log RMSE": ".3f"}
COLOURS = {"Adam()": "tab:red", "Adam.robust()": "tab:blue"}


@dataclass(frozen=True)
class Curve:
    """Errors of the map that a run would have given after some of its iterations."""

    steps: NDArray[np.int64]
    errors: dict[str, NDArray[np.float64]]
    num_steps: int


def run(case: Case, adam: ei.Adam) -> Curve:
    """Errors at about a hundred iterations, evenly spread on a logarithmic scale."""
    truth = case.truth
    chosen = set(np.geomspace(5, adam.iterations, 100).round().astype(int).tolist())
    rows: list[tuple[int, float, float]] = []

    def on_iteration(iteration: ei.Iteration) -> None:
        if iteration.index + 1 in chosen and iteration.error is not None:
            rows.append((iteration.index + 1, iteration.error, log_rmse(iteration.texels, truth)))

    result = ei.estimate(
        case.scene,
        case.references,
        optimizer=adam,
        ground_truth=truth,
        on_iteration=on_iteration,
    )
    rows.append((len(result.history), result.history[-1].error, log_rmse(result.texels, truth)))
    steps, squares, logs = (np.array(column) for column in zip(*rows, strict=True))
    return Curve(steps, {"SSE": squares, "log RMSE": logs}, len(result.history))


def draw(path: Path, curves: dict[str, dict[str, Curve]]) -> None:
    """A panel for each scene and error."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - an extra

    figure = Figure(figsize=(7.5, 5), layout="constrained")
    panels: Any = figure.subplots(2, len(curves), sharex=True)
    for column, (scene, by_name) in enumerate(curves.items()):
        for row, error in enumerate(ERRORS):
            panel = panels[row, column]
            for name, curve in by_name.items():
                panel.plot(curve.steps, curve.errors[error], label=name, color=COLOURS[name])
            panel.set(xscale="log", title=scene if row == 0 else "")
            panel.set_ylabel(error if column == 0 else "")
            panel.grid(alpha=0.3)
        panels[1, column].set_xlabel("iterations")
    panels[0, 0].legend(frameon=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)


def main() -> None:
    """Print the table, and draw it if asked."""
    parser = argparse.ArgumentParser(description="Adam.robust() against the plain Adam().")
    parser.add_argument("--quick", action="store_true", help="fewer pixels and iterations")
    parser.add_argument("--size", type=int, help="pixels of a side of the pictures")
    parser.add_argument("--plot", type=Path, help="picture of the errors, e.g. robust.png")
    arguments = parser.parse_args()
    size, iterations = (64, 200) if arguments.quick else (256, 1600)
    size = arguments.size or size
    curves: dict[str, dict[str, Curve]] = {}
    write = sys.stdout.write
    write("| scene | optimizer | iterations | SSE: end, lowest (above) ")
    write("| log RMSE: end, lowest (above) |\n|---|---|---|---|---|\n")
    for title, (material, name) in SCENES.items():
        case = bundled_case(size, material=material, light=name)
        optimizers = (ei.Adam(iterations=iterations), ei.Adam.robust(iterations=iterations))
        for label, adam in zip(COLOURS, optimizers, strict=True):
            curve = run(case, adam)
            curves.setdefault(title, {})[label] = curve
            cells = []
            for error, style in ERRORS.items():
                end, lowest = curve.errors[error][-1], curve.errors[error].min()
                cells.append(f"{end:{style}}, {lowest:{style}} ({end / lowest - 1:.1%})")
            write(f"| {title} | {label} | {curve.num_steps} | " + " | ".join(cells) + " |\n")
            sys.stdout.flush()
    if arguments.plot is not None:
        draw(arguments.plot, curves)


if __name__ == "__main__":
    main()
