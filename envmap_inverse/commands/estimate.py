"""`envmap-inverse estimate`."""

from __future__ import annotations

import enum
import time
import tomllib
from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse import losses, parameterizations, priors
from envmap_inverse.artifacts import RunFolder
from envmap_inverse.commands.options import (
    Frames,
    Overwrite,
    SceneFile,
    Seed,
    Size,
    given_settings,
    make_choice,
    make_optimizer,
    make_priors,
    number_or_image,
    parse_sensors,
    resolved_settings,
)
from envmap_inverse.commands.running import run
from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.problem import Problem, View
from envmap_inverse.scene import load_scene

__all__ = ["estimate"]


class OptimizerName(enum.StrEnum):
    """Values of --optimizer."""

    adam = "adam"
    transport = "transport"


def _read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Make a TOML file's values the defaults; what the command line says overrides them."""
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not TOML: {error}") from None
    known = {parameter.name for parameter in context.command.params}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"--config {path}: unknown option {unknown[0]!r}")
    context.default_map = {**(context.default_map or {}), **values}
    return path


def estimate(
    context: typer.Context,
    scene: SceneFile,
    reference: Annotated[
        list[Path],
        typer.Argument(metavar="REFERENCE...", help="Pictures: EXR, HDR, PNG or JPEG."),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for the results.")],
    optimizer: Annotated[
        OptimizerName,
        typer.Option(help="Adam renders at each step; transport traces paths once."),
    ] = OptimizerName.adam,
    iterations: Annotated[
        int | None,
        typer.Option(help="Steps: 100 of Adam (400 if robust), 10 per round of transport."),
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="Step size of Adam: 0.02; if robust, 0.4 / sqrt(steps).")
    ] = None,
    robust: Annotated[
        bool,
        typer.Option(
            "--robust",
            help="Adam that does not diverge: positive maps, a falling step size, an average.",
        ),
    ] = False,
    parameterization: Annotated[
        str | None,
        typer.Option(
            metavar="NAME[:key=value,...]",
            help=f"What Adam changes: one of {', '.join(parameterizations.__all__)}; by default "
            "Direct, Pyramid if robust.",
        ),
    ] = None,
    spp: Annotated[
        int | None, typer.Option(help="Samples per pixel: 1 for Adam, 16 for transport.")
    ] = None,
    seed: Seed = 0,
    size: Size = None,
    sensor: Annotated[
        str | None,
        typer.Option(help="Sensor of each picture, e.g. 0 or 0,1; by default in order."),
    ] = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help=f"One of {', '.join(losses.__all__)}; by default MSE for Adam, "
            "RelativeMSE for transport."
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:key=value,...]",
            help=f"Of {', '.join(priors.__all__)}, or none; may be given several times; by default "
            "none for Adam, TotalVariation and Tikhonov for transport.",
        ),
    ] = None,
    initial: Annotated[
        str, typer.Option(metavar="X|FILE", help="Start map: one number, or an image.")
    ] = "1.0",
    ground_truth: Annotated[
        Path | None, typer.Option(help="The true map, if known, to measure the error.")
    ] = None,
    frames: Frames = False,
    config: Annotated[  # noqa: ARG001 - takes effect in its callback
        Path | None,
        typer.Option(
            callback=_read_config, is_eager=True, help="TOML file with values for these options."
        ),
    ] = None,
    overwrite: Overwrite = False,
) -> None:
    """Recover the environment map from pictures of a scene."""
    begun = time.perf_counter()
    chosen = make_optimizer(
        optimizer,
        robust=robust,
        parameterization=parameterization,
        iterations=iterations,
        learning_rate=learning_rate,
        spp=spp,
        seed=seed,
    )
    loaded = load_scene(scene)
    sensors = parse_sensors(sensor, len(reference))
    if size is not None:
        for index in set(sensors):
            loaded.set_film_size(size, index)
    problem = Problem.create(
        loaded,
        [
            View(read_image(p), sensor=k, name=str(p))
            for p, k in zip(reference, sensors, strict=True)
        ],
        loss=chosen.default_loss if loss is None else make_choice(losses, "--loss", loss),
        priors=make_priors(prior, chosen.default_priors),
        initial=number_or_image(initial),
        ground_truth=None if ground_truth is None else read_image(ground_truth),
    )
    settings = {**given_settings(context), **resolved_settings(problem, chosen)}
    run_folder = RunFolder(output, settings, overwrite=overwrite, frames=frames)
    run(run_folder, problem, chosen, loading=time.perf_counter() - begun)
