"""`envmap-inverse estimate`."""

from __future__ import annotations

import enum
import time
import tomllib
import warnings
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse.console.cameras import Cameras, choose_sensors
from envmap_inverse.console.live import LOOPBACK, Live, LiveHost, LivePort, live_view
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    Frames,
    Overwrite,
    Report,
    SceneFile,
    Seed,
    Size,
    TrustInput,
    definitions,
    given_files,
    given_settings,
    make_choice,
    make_optimizer,
    make_priors,
    names_of,
    number_or_image,
    read_map,
    resolved_settings,
)
from envmap_inverse.console.pictures import (
    find_masks,
    find_pictures,
    flat_options,
    read_views,
)
from envmap_inverse.console.running import CHECKPOINT_EVERY, check_room, run
from envmap_inverse.errors import InputError
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.losses import LOSSES, Censored
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS
from envmap_inverse.problem.plausibility import checked
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.sphere.latlong import resample

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
    if "view" in values:
        values |= flat_options(values.pop("view"), f"--config {path}")
    known = {parameter.name for parameter in context.command.params} - {"trust_input"}
    unknown = sorted(set(values) - known)
    if unknown:
        raise InputError(f"--config {path}: unknown option {unknown[0]!r}")
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _read_ground_truth(path: Path, scene: Scene) -> NDArray[np.floating[Any]]:
    """The true map, at the size of the scene's map, which the estimate has."""
    texels = read_map(path)
    width, height = scene.envmap.resolution
    if texels.shape[:2] == (height, width):
        return texels
    warnings.warn(
        f"--ground-truth {path}: is {texels.shape[1]} x {texels.shape[0]}; resampled to the "
        f"scene's {width} x {height} ('envmap-inverse evaluate' measures at its own size)",
        stacklevel=1,
    )
    return resample(texels, height, width)


def estimate(
    context: typer.Context,
    scene: SceneFile,
    reference: Annotated[
        list[Path],
        typer.Argument(
            metavar="REFERENCE...",
            help="Pictures: EXR, HDR, PNG or JPEG files, folders of them, or patterns.",
        ),
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
            help=f"What Adam changes: one of {names_of(PARAMETERIZATIONS)}; by default "
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
    mask: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE,...",
            help="Mask of all pictures, or of each; white counts, black does not.",
        ),
    ] = None,
    exposure: Annotated[
        str | None,
        typer.Option(
            metavar="X,...",
            help="Factor from radiance to the values of all pictures, or of each: a number, three "
            "(1:0.9:0.8), auto or auto-rgb. Unknown ones are found relative to the first.",
        ),
    ] = None,
    gamma: Annotated[
        float | None, typer.Option(help="Exponent that linearizes 8-bit pictures; sRGB by default.")
    ] = None,
    white: Annotated[
        float | None,
        typer.Option(help="Linear value from which pictures are clipped; 8-bit ones: the highest."),
    ] = None,
    black: Annotated[float | None, typer.Option(help="The same at the bottom.")] = None,
    censoring: Annotated[
        bool, typer.Option(help="Take clipped values for bounds, not for exact.")
    ] = True,
    cameras: Cameras = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    loss: Annotated[
        str | None,
        typer.Option(
            help=f"One of {names_of(LOSSES)}; by default MSE for Adam, QuasiLikelihood for "
            "transport."
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME[:key=value,...]",
            help=f"Of {names_of(PRIORS)}, or none; may be given several times; by default "
            "none for Adam; TotalVariation, Tikhonov and Chromaticity for transport.",
        ),
    ] = None,
    initial: Annotated[
        str, typer.Option(metavar="X|FILE", help="Start map: one number, or an image.")
    ] = "1.0",
    ground_truth: Annotated[
        Path | None, typer.Option(help="The true map, if known, to measure the errors.")
    ] = None,
    frames: Frames = False,
    report: Report = True,
    config: Annotated[  # noqa: ARG001 - takes effect in its callback
        Path | None,
        typer.Option(
            callback=_read_config, is_eager=True, help="TOML file with values for these options."
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        typer.Option("--resume", help="Go on with the run in the folder, or begin it."),
    ] = False,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, help="Seconds between two checkpoints.")
    ] = CHECKPOINT_EVERY,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Cores for rendering; by default all. With 1, Adam repeats itself bit by bit.",
        ),
    ] = None,
    live: Live = False,
    live_port: LivePort = 0,
    live_host: LiveHost = LOOPBACK,
    trust_input: TrustInput = False,
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
    pictures, masks, defined = find_pictures(reference), find_masks(mask), definitions(define)
    if not trust_input:
        images = [*pictures, *given_files(ground_truth, initial)]
        files = [Path(name) for name in masks if name != "none"]
        read_apart(scene, images, files, cameras=cameras, envmap=envmap_name, define=defined)
    loaded = load_scene(scene, envmap=envmap_name, define=defined)
    sensors = choose_sensors(loaded, cameras, sensor, pictures)
    if size is not None:
        for index in set(sensors):
            loaded.set_film_size(size, index)
    wanted = chosen.default_loss if loss is None else make_choice(LOSSES, "--loss", loss)
    problem = Problem.create(
        loaded,
        read_views(
            pictures,
            sensors,
            masks=masks,
            exposures=exposure,
            gamma=gamma,
            white=white,
            black=black,
            censoring=censoring,
        ),
        loss=wanted,
        priors=make_priors(prior, chosen.default_priors),
        initial=number_or_image(initial),
        ground_truth=None if ground_truth is None else _read_ground_truth(ground_truth, loaded),
    )
    problem = checked(problem)
    check_room(problem, chosen, output, frames=frames)
    settings = {**given_settings(context), **resolved_settings(problem, chosen), "mask": masks}
    if isinstance(wanted, Censored):  # whose levels have gone to the views
        settings["loss"] = loss
    with live_view(output, problem, chosen, live=live, host=live_host, port=live_port) as view:
        run_folder = RunFolder(output, settings, overwrite=overwrite, frames=frames, resume=resume)
        run(
            run_folder,
            problem,
            chosen,
            loading=time.perf_counter() - begun,
            report=report,
            live=view,
            checkpoint_every=checkpoint_every,
            threads=threads,
        )
