"""`envmap-inverse estimate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any, NamedTuple

import typer

from envmap_inverse.console.brackets import developed
from envmap_inverse.console.cameras import Cameras, choose_sensors
from envmap_inverse.console.config import read_config
from envmap_inverse.console.live import (
    LOOPBACK,
    Live,
    LiveHost,
    LivePort,
    check_live,
    live_view,
)
from envmap_inverse.console.optimizers import (
    Iterations,
    LearningRate,
    OptimizerChoice,
    OptimizerSpec,
    ParameterizationSpec,
    PathsOrSamples,
    Robust,
    SeedOfOptimizer,
    optimizer_settings,
)
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    Frames,
    Overwrite,
    Report,
    SceneFile,
    TrustInput,
    given_settings,
    names_of,
    panelled,
    resolved_settings,
)
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.picture_options import (
    Black,
    Censoring,
    ExposureOfEach,
    FullSize,
    Gamma,
    Layer,
    MaskOfEach,
    NoiseOfPictures,
    PictureSize,
    ResponseOfCamera,
    SensorOfEach,
    Turn,
    UseOfAlpha,
    White,
)
from envmap_inverse.console.pictures import (
    Alpha,
    Orientation,
    Reading,
    noise_of,
    read_views,
    response_of,
    say_who_took_what,
)
from envmap_inverse.console.problems import Goal
from envmap_inverse.console.refining import RefineSpecs
from envmap_inverse.console.running import run
from envmap_inverse.console.scenes import (
    MapSize,
    SceneChoice,
    add_unknown_map,
    film_size_of,
)
from envmap_inverse.console.shots import Shots
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images.response import AUTO
from envmap_inverse.losses import LOSSES, Censored
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.priors import PRIORS
from envmap_inverse.problem.fitting import fit_films, map_size_for
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.view import as_views
from envmap_inverse.run.capacity import check_room
from envmap_inverse.run.folder import RunFolder, check_free
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.run.session import CHECKPOINT_EVERY
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage

__all__ = ["estimate"]


Initial = Annotated[
    str | None,
    panelled(
        "Light",
        metavar="X|FILE",
        help="Start map: one number, or an image. By default the pictures' mean, 1 for adam.",
    ),
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
    optimizer: OptimizerSpec = None,
    iterations: Iterations = None,
    learning_rate: LearningRate = None,
    robust: Robust = False,
    parameterization: ParameterizationSpec = None,
    spp: PathsOrSamples = None,
    seed: SeedOfOptimizer = 0,
    size: PictureSize = None,
    full_size: FullSize = False,
    noise: NoiseOfPictures = "auto",
    map_size: MapSize = None,
    sensor: SensorOfEach = None,
    mask: MaskOfEach = None,
    exposure: ExposureOfEach = None,
    response: ResponseOfCamera = AUTO,
    gamma: Gamma = None,
    white: White = None,
    black: Black = None,
    censoring: Censoring = True,
    orientation: Turn = Orientation.auto,
    alpha: UseOfAlpha = Alpha.mask,
    layer: Layer = None,
    cameras: Cameras = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    refine: RefineSpecs = None,
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
    initial: Initial = None,
    ground_truth: Annotated[
        Path | None,
        panelled("Light", help="The true map, if known, to measure the errors."),
    ] = None,
    frames: Frames = False,
    report: Report = True,
    samples: Annotated[
        int,
        panelled(
            "Output",
            min=0,
            metavar="N",
            help="Also write N maps drawn at random that explain the pictures as well: what they "
            "have in common is known.",
        ),
    ] = 0,
    config: Annotated[  # noqa: ARG001 - takes effect in its callback
        Path | None,
        panelled(
            "Running",
            callback=read_config,
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
        envmap-inverse estimate scene.xml photo.jpg -o run --optimizer robust --size 512
        envmap-inverse estimate scene.xml views/*.exr -o run --cameras transforms.json
        envmap-inverse estimate --config run/run.toml -o again --prior Smoothness:weight=0.001
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    faults = faults_of(context)
    with collected_warnings() as notes:
        method = OptimizerChoice.parse(
            faults,
            optimizer,
            robust=robust,
            parameterization=parameterization,
            iterations=iterations,
            learning_rate=learning_rate,
            spp=spp,
            seed=seed,
        )
        place = SceneChoice.parse(faults, scene, map_size, envmap_name=envmap_name, define=define)
        goal = Goal.parse(faults, loss, prior, refine, initial, ground_truth)
        reading = Reading(
            response=faults.attempt(response_of, response, gamma) or AUTO,
            white=white,
            black=black,
            censoring=censoring,
            orientation=orientation,
            alpha=alpha,
            layer=layer,
            noise=faults.attempt(noise_of, noise) or "auto",
        )
        films = faults.attempt(film_size_of, size, full_size=full_size) or {}
        faults.attempt(check_live, live=live, host=live_host, port=live_port)
        shots = Shots.parse(faults, reference, exposure=exposure, mask=mask, sensor=sensor)
        report_if_incomplete(context)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        wish = _Wish(place, method, goal, shots, reading, films, cameras, samples, trust_input)
        problem, spec, terms = _stated(faults, wish)
        check_room(problem, terms, output, frames=frames)
        settings = {**_settings(context, problem, wish), **optimizer_settings(spec, terms)}
        with live_view(output, terms, live=live, host=live_host, port=live_port) as view:
            folder = RunFolder(
                output, settings, overwrite=overwrite, frames=frames, resume=resume, samples=samples
            )
            say_who_took_what(problem.scene, problem.views)
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
                refine=goal.refine,
            )


class _Wish(NamedTuple):
    """What a command line asks for, apart from how the run goes."""

    place: SceneChoice
    method: OptimizerChoice
    goal: Goal
    shots: Shots
    reading: Reading
    films: dict[str, Any]
    cameras: Path | None
    samples: int
    trust_input: bool


def _stated(faults: Faults, wish: _Wish) -> tuple[Problem, str, Optimizer]:
    """Load the scene, read the pictures and state the problem.

    Returns:
        The problem, and the optimizer as a spec and as an object.

    Raises:
        InputError: if anything is wrong; reports all faults.
    """
    shots = wish.shots
    with stage(f"Reading {wish.place.path.name} and {shots.count}"):
        is_readable = wish.trust_input or _survive(faults, wish)
        scene, has_unknown_map = faults.need(wish.place.load)
        made = faults.attempt(wish.method.make, scene)
        spec, terms = made or ("transport", Transport())  # stands in: more faults can be found
        faults.attempt(_check_sampling, terms, wish.samples)
        sensors: list[int] = []
        if is_readable or wish.cameras is None:
            sensors = (
                faults.attempt(choose_sensors, scene, wish.cameras, shots.sensor, shots.pictures)
                or []
            )
        if not (is_readable and shots.is_whole and sensors):
            faults.report()
        read = faults.need(
            read_views,
            shots.pictures,
            sensors,
            masks=shots.masks,
            exposures=shots.exposures,
            reading=wish.reading,
            sizes=[scene.film_size(index) for index in sensors],
        )
        taken = developed(read, is_exposure_given=shots.is_exposure_given)
        loss = wish.goal.loss or terms.default_loss
        views = faults.need(fit_films, scene, as_views(taken, loss), **wish.films)
        if has_unknown_map:
            add_unknown_map(scene, wish.place.map_size or map_size_for(views))
        problem = wish.goal.problem(faults, scene, views, terms)
        faults.report()
        check_sight(problem)
    return problem, spec, terms


def _survive(faults: Faults, wish: _Wish) -> bool:
    """Whether a child process survives the files, so that they can be read."""
    return read_apart(
        faults,
        wish.place.path,
        [*wish.shots.pictures, *wish.goal.files],
        wish.shots.mask_files,
        cameras=wish.cameras,
        layers=wish.shots.layers(wish.reading.layer),
        envmap=wish.place.envmap_name,
        define=wish.place.define,
    )


def _settings(context: typer.Context, problem: Problem, wish: _Wish) -> dict[str, Any]:
    """The options that state the problem again, defaults included."""
    settings = {
        **given_settings(context),
        **resolved_settings(problem),
        "mask": wish.shots.named_masks,
    }
    if isinstance(wish.goal.loss, Censored):
        settings["loss"] = context.params["loss"]  # without the levels of the views
    return settings


def _check_sampling(optimizer: Optimizer, samples: int) -> None:
    """Check that the optimizer can draw the samples that are asked for."""
    if samples and not isinstance(optimizer, Transport):
        raise InputError("--samples: only the transport optimizer can draw maps; leave it out")
