"""`envmap-inverse estimate`."""

from __future__ import annotations

import enum
import time
import tomllib
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse.console.cameras import Cameras, choose_sensors
from envmap_inverse.console.live import LOOPBACK, Live, LiveHost, LivePort, live_view
from envmap_inverse.console.logs import collected_warnings
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
    make_loss,
    make_optimizer,
    make_priors,
    names_of,
    number_or_image,
    panelled,
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
from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.losses import LOSSES, Censored
from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS
from envmap_inverse.problem.plausibility import checked
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.run.folder import RunFolder, check_free
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.sphere.latlong import resample
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage

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
    faults = Faults()
    for name in sorted(set(values) - known):
        near = did_you_mean(name, known)
        faults.keep(InputError(f"--config {path}: unknown option {name!r}{near}"))
    faults.report()
    context.default_map = {**(context.default_map or {}), **values}
    return path


def _read_ground_truth(path: Path | None, scene: Scene) -> NDArray[np.floating[Any]] | None:
    """The true map, if one is named, at the size of the scene's map, which the estimate has."""
    if path is None:
        return None
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


Initial = Annotated[
    str, panelled("Light", metavar="X|FILE", help="Start map: one number, or an image.")
]


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
    output: Annotated[
        Path, panelled("Output", "-o", "--output", metavar="DIR", help="Folder for the results.")
    ],
    optimizer: Annotated[
        OptimizerName,
        panelled("Optimizer", help="Adam renders at each step; transport traces paths once."),
    ] = OptimizerName.adam,
    iterations: Annotated[
        int | None,
        panelled(
            "Optimizer",
            help="Steps: 100 of Adam (400 if robust), 10 per round of transport.",
        ),
    ] = None,
    learning_rate: Annotated[
        float | None,
        panelled("Optimizer", help="Step size of Adam: 0.02; if robust, 0.4 / sqrt(steps)."),
    ] = None,
    robust: Annotated[
        bool,
        panelled(
            "Optimizer",
            "--robust",
            help="Adam that does not diverge: positive maps, a falling step size, an average.",
        ),
    ] = False,
    parameterization: Annotated[
        str | None,
        panelled(
            "Optimizer",
            metavar="NAME[:key=value,...]",
            help=f"What Adam changes: {names_of(PARAMETERIZATIONS)} ('envmap-inverse "
            "parameterizations' explains them); by default Direct, Pyramid if robust.",
        ),
    ] = None,
    spp: Annotated[
        int | None,
        panelled("Optimizer", help="Samples per pixel: 1 for Adam, from 16 for transport."),
    ] = None,
    seed: Seed = 0,
    size: Size = None,
    sensor: Annotated[
        str | None,
        panelled(
            "Pictures",
            metavar="K,...",
            help="Sensor of each picture, e.g. 0 or 0,1; by default in order.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        panelled(
            "Pictures",
            metavar="FILE,...",
            help="Mask of all pictures, or of each; white counts, black does not.",
        ),
    ] = None,
    exposure: Annotated[
        str | None,
        panelled(
            "Pictures",
            metavar="X,...",
            help="Factor from radiance to the values of all pictures, or of each: a number, three "
            "(1:0.9:0.8), auto or auto-rgb. Unknown ones are found relative to the first.",
        ),
    ] = None,
    gamma: Annotated[
        float | None,
        panelled("Pictures", help="Exponent that linearizes 8-bit pictures; sRGB by default."),
    ] = None,
    white: Annotated[
        float | None,
        panelled(
            "Pictures",
            help="Linear value from which pictures are clipped; 8-bit ones: the highest.",
        ),
    ] = None,
    black: Annotated[
        float | None,
        panelled("Pictures", help="Linear value down to which pictures are clipped."),
    ] = None,
    censoring: Annotated[
        bool, panelled("Pictures", help="Take clipped values for bounds, not for exact.")
    ] = True,
    cameras: Cameras = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    loss: Annotated[
        str | None,
        panelled(
            "Loss and priors",
            metavar="NAME[:key=value,...]",
            help=f"{names_of(LOSSES)} ('envmap-inverse losses' explains them); by default "
            "MSE for Adam, QuasiLikelihood for transport.",
        ),
    ] = None,
    prior: Annotated[
        list[str] | None,
        panelled(
            "Loss and priors",
            metavar="NAME[:key=value,...]",
            help=f"{names_of(PRIORS)} ('envmap-inverse priors' explains them), or none; "
            "may be given several times; by default none for Adam; TotalVariation, Tikhonov and "
            "Chromaticity for transport.",
        ),
    ] = None,
    initial: Initial = "1.0",
    ground_truth: Annotated[
        Path | None,
        panelled("Light", help="The true map, if known, to measure the errors."),
    ] = None,
    frames: Frames = False,
    report: Report = True,
    config: Annotated[  # noqa: ARG001 - takes effect in its callback
        Path | None,
        panelled(
            "Running",
            callback=_read_config,
            is_eager=True,
            help="TOML file with values for these options, e.g. the run.toml of another run.",
        ),
    ] = None,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        panelled("Running", "--resume", help="Go on with the run in the folder, or begin it."),
    ] = False,
    checkpoint_every: Annotated[
        float, panelled("Running", min=0, help="Seconds between two checkpoints.")
    ] = CHECKPOINT_EVERY,
    threads: Annotated[
        int | None,
        panelled(
            "Running",
            min=1,
            help="Cores for rendering; by default all. With 1, Adam repeats itself bit by bit.",
        ),
    ] = None,
    live: Live = False,
    live_port: LivePort = 0,
    live_host: LiveHost = LOOPBACK,
    trust_input: TrustInput = False,
) -> None:
    """Recover the environment map from pictures of a scene.

    The pictures are linear radiance; 8-bit files are linearized. Each was taken by a sensor of the
    scene, whose shapes and materials must be those of the real one.

    Examples:
        envmap-inverse estimate scene.xml photo.exr -o run
        envmap-inverse estimate scene.xml photo.jpg -o run --optimizer transport --size 512
        envmap-inverse estimate scene.xml views/*.exr -o run --cameras transforms.json
        envmap-inverse estimate --config run/run.toml -o again --prior Smoothness:weight=0.001
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    faults = Faults()
    with collected_warnings() as notes:
        defined = faults.attempt(definitions, define) or {}
        chosen = faults.attempt(
            make_optimizer,
            optimizer,
            robust=robust,
            parameterization=parameterization,
            iterations=iterations,
            learning_rate=learning_rate,
            spp=spp,
            seed=seed,
        )
        terms = chosen or Adam()  # in whose place faults will be reported
        wanted = faults.attempt(make_loss, loss, terms.default_loss)
        wanted_priors = faults.attempt(make_priors, prior, terms.default_priors)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        pictures = faults.attempt(find_pictures, reference) or []
        masks = find_masks(mask)
        files = given_files(ground_truth, initial)
        with stage(f"Reading {scene.name} and {len(pictures)} picture(s)"):
            if not trust_input:
                named = [Path(name) for name in masks if name != "none"]
                faults.need(
                    read_apart,
                    scene,
                    [*pictures, *files],
                    named,
                    cameras=cameras,
                    envmap=envmap_name,
                    define=defined,
                )
            loaded = faults.need(load_scene, scene, envmap=envmap_name, define=defined)
            if not pictures:
                faults.report()
            sensors = faults.need(choose_sensors, loaded, cameras, sensor, pictures)
            faults.attempt(_set_sizes, loaded, sensors, size)
            truth = faults.attempt(_read_ground_truth, ground_truth, loaded)
            views = faults.need(
                read_views,
                pictures,
                sensors,
                masks=masks,
                exposures=exposure,
                gamma=gamma,
                white=white,
                black=black,
                censoring=censoring,
            )
            problem = faults.need(
                Problem.create,
                loaded,
                views,
                loss=wanted or terms.default_loss,
                priors=wanted_priors or (),
                initial=number_or_image(initial),
                ground_truth=truth,
            )
            faults.report()
            problem = checked(problem)
            check_sight(problem)
        check_room(problem, terms, output, frames=frames)
        settings = {**given_settings(context), **resolved_settings(problem, terms), "mask": masks}
        if isinstance(wanted, Censored):  # whose levels have gone to the views
            settings["loss"] = loss
        with live_view(output, problem, terms, live=live, host=live_host, port=live_port) as view:
            folder = RunFolder(output, settings, overwrite=overwrite, frames=frames, resume=resume)
            run(
                folder,
                problem,
                terms,
                starting=starting,
                loading=time.perf_counter() - begun,
                notes=notes,
                report=report,
                live=view,
                checkpoint_every=checkpoint_every,
                threads=threads,
            )


def _set_sizes(scene: Scene, sensors: Sequence[int], size: int | None) -> None:
    """Give the films of some sensors the size of --size."""
    if size is not None:
        for index in set(sensors):
            scene.set_film_size(size, index)
