"""`envmap-inverse demo`."""

from __future__ import annotations

import enum
import itertools
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from envmap_inverse.bundled import bunny
from envmap_inverse.console.options import Frames, Overwrite, Report, given_settings, panelled
from envmap_inverse.console.output import (
    WHY_ERRORS_DISAGREE,
    comparison_table,
    errors_disagree,
    phases_in_words,
    say_table,
    tell,
)
from envmap_inverse.console.running import run
from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.report import write_comparison
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import load_scene
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage

__all__ = ["demo"]

TUTORIAL = "tutorial"
"""Folder of the tutorial's run, inside the folder of our run."""


class DemoOptimizer(enum.StrEnum):
    """Values of the demo's --optimizer."""

    adam = "adam"
    transport = "transport"
    both = "both"


def demo(
    context: typer.Context,
    output: Annotated[
        Path | None,
        panelled("Output", "-o", "--output", metavar="DIR", help="Folder; by default bunny-demo."),
    ] = None,
    size: Annotated[int, typer.Option(help="Width and height of the picture.")] = 512,
    iterations: Annotated[int, typer.Option(help="Steps of Adam.")] = 100,
    optimizer: Annotated[
        DemoOptimizer, typer.Option(help="The tutorial's loop, ours, or both in turn.")
    ] = DemoOptimizer.both,
    frames: Frames = True,
    report: Report = True,
    overwrite: Overwrite = False,
) -> None:
    """Recover the light of a museum from a picture of a metal bunny.

    By default it runs our optimizer (transport) in the folder, and the tutorial's (Adam), with a
    picture of each step and a video, in the folder tutorial inside it.

    Examples:
        envmap-inverse demo
        envmap-inverse demo -o small --size 128 --optimizer transport
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    with stage("Rendering the picture"):
        scene = load_scene(bunny())
        scene.set_film_size(size)
        truth, view = scene.envmap.texels, View(render(scene, spp=16, seed=2**30))
    loading = time.perf_counter() - begun
    seconds = {"start": starting, "picture": loading}
    folder = output or _free_folder("bunny-demo")

    def solved(chosen: Optimizer, name: str, path: Path, *, frames: bool) -> dict[str, Any]:
        settings = {**given_settings(context), "optimizer": name, "output": str(path)}
        problem = Problem.create(
            scene,
            view,
            loss=chosen.default_loss,
            priors=chosen.default_priors,
            ground_truth=truth,
        )
        run_folder = RunFolder(path, settings, overwrite=overwrite, frames=frames)
        began = time.perf_counter()
        with collected_warnings() as notes:
            summary = run(
                run_folder,
                problem,
                chosen,
                starting=starting,
                loading=loading,
                notes=notes,
                report=report,
                is_all=False,
            )
        seconds[name] = time.perf_counter() - began
        return summary

    adam = Adam(iterations=iterations)
    if optimizer == DemoOptimizer.adam:
        solved(adam, "adam", folder, frames=frames)
        _say_what_to_open(folder, report=report)
        tell(phases_in_words(seconds_since_start(), seconds))
        return
    is_alone = optimizer == DemoOptimizer.transport
    ours = solved(Transport(), "transport", folder, frames=frames and is_alone)
    if not is_alone:
        tell(f"now the tutorial's loop, into {folder / TUTORIAL}/")
        tutorial = solved(adam, "adam", folder / TUTORIAL, frames=frames)
        _compare(folder, ours, tutorial, report=report)
    _say_what_to_open(folder, report=report, is_compared=not is_alone, has_video=frames)
    tell(phases_in_words(seconds_since_start(), seconds))


def _compare(folder: Path, ours: dict[str, Any], tutorial: dict[str, Any], *, report: bool) -> None:
    """Compare both runs in a table and on a page."""
    say_table(comparison_table(ours, tutorial))
    theirs, own = ((run["error"], run["metrics"]["log_rmse"]) for run in (tutorial, ours))
    if errors_disagree(theirs, own):
        sizes = ("larger", "smaller") if own[0] > theirs[0] else ("smaller", "larger")
        tell(
            f"our map has the {sizes[0]} sum of squared errors and the {sizes[1]} log RMSE: "
            f"{WHY_ERRORS_DISAGREE}"
        )
    if report:
        write_comparison([folder, folder / TUTORIAL], folder / "compare.html")


def _say_what_to_open(
    folder: Path, *, report: bool, is_compared: bool = False, has_video: bool = False
) -> None:
    """Print which files to look at first."""
    tell("open")
    if report:
        page, words = ("compare.html", "both maps") if is_compared else ("report.html", "the map")
        tell(f"  {folder / page}  {words} beside the true one, in a browser")
    whose = "our map" if is_compared else "the map"
    tell(f"  {folder / 'envmap.png'}  {whose} (envmap.exr has its radiance)")
    if is_compared:
        tell(f"  {folder / TUTORIAL / 'envmap.png'}  the tutorial's")
        if has_video:
            tell(f"  {folder / TUTORIAL / 'convergence.mp4'}  its steps, as a video")


def _free_folder(name: str) -> Path:
    numbered = (Path(name if k == 1 else f"{name}-{k}") for k in itertools.count(1))
    return next(path for path in numbered if not path.exists())
