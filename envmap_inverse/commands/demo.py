"""`envmap-inverse demo`."""

from __future__ import annotations

import enum
import itertools
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from envmap_inverse.bundled import bunny
from envmap_inverse.console.logs import collected_warnings
from envmap_inverse.console.options import Frames, Overwrite, Report, given_settings
from envmap_inverse.console.output import comparison_table, say_table, tell
from envmap_inverse.console.running import run
from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.problem.problem import Problem, View
from envmap_inverse.report import write_comparison
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import load_scene
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage

__all__ = ["demo"]


class DemoOptimizer(enum.StrEnum):
    """Values of the demo's --optimizer."""

    adam = "adam"
    transport = "transport"
    both = "both"


def demo(
    context: typer.Context,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", metavar="DIR", help="Folder; by default bunny-demo."),
    ] = None,
    size: Annotated[int, typer.Option(help="Width and height of the picture.")] = 512,
    iterations: Annotated[int, typer.Option(help="Steps of Adam.")] = 100,
    optimizer: Annotated[
        DemoOptimizer, typer.Option(help="The tutorial's loop, ours, or one after the other.")
    ] = DemoOptimizer.both,
    frames: Frames = True,
    report: Report = True,
    overwrite: Overwrite = False,
) -> None:
    """Recover the light of a museum from a picture of a metal bunny.

    Runs the tutorial's job (Adam) and, by default, then ours (transport), in the folder transport.

    Examples:
        envmap-inverse demo
        envmap-inverse demo -o small --size 128 --optimizer transport
    """
    adam = Adam(iterations=iterations)
    starting, begun = seconds_since_start(), time.perf_counter()
    with stage("Rendering the picture"):
        scene = load_scene(bunny())
        scene.set_film_size(size)
        truth, view = scene.envmap.texels, View(render(scene, spp=16, seed=2**30))
    loading = time.perf_counter() - begun
    folder = output or _free_folder("bunny-demo")
    names = ["adam", "transport"] if optimizer == DemoOptimizer.both else [optimizer.value]
    runs: list[dict[str, Any]] = []
    for name in names:
        chosen = adam if name == "adam" else Transport()
        path = folder / name if runs else folder
        settings = {**given_settings(context), "optimizer": name, "output": str(path)}
        problem = Problem.create(
            scene,
            view,
            loss=chosen.default_loss,
            priors=chosen.default_priors,
            ground_truth=truth,
        )
        run_folder = RunFolder(path, settings, overwrite=overwrite, frames=frames)
        with collected_warnings() as notes:
            runs.append(
                run(
                    run_folder,
                    problem,
                    chosen,
                    starting=starting,
                    loading=loading,
                    notes=notes,
                    report=report,
                    can_resume=False,
                )
            )
    if len(runs) > 1:
        say_table(comparison_table(dict(zip(names, runs, strict=True))))
        if report:
            page = write_comparison([folder, folder / names[1]], folder / "compare.html")
            tell(f"comparison in {page}")


def _free_folder(name: str) -> Path:
    numbered = (Path(name if k == 1 else f"{name}-{k}") for k in itertools.count(1))
    return next(path for path in numbered if not path.exists())
