"""`envmap-inverse estimate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

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
    OptimizerSpec,
    ParameterizationSpec,
    PathsOrSamples,
    Robust,
    SeedOfOptimizer,
    default_spec,
    make_optimizer,
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
    definitions,
    given_files,
    given_settings,
    make_loss,
    make_priors,
    names_of,
    number_or_image,
    panelled,
    resolved_settings,
    sensor_numbers,
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
    SensorOfEach,
    Turn,
    UseOfAlpha,
    White,
)
from envmap_inverse.console.pictures import (
    Alpha,
    Orientation,
    exposures_of,
    find_masks,
    find_pictures,
    noise_of,
    one_each,
    read_views,
    say_who_took_what,
)
from envmap_inverse.console.refining import RefineSpecs, make_refine
from envmap_inverse.console.running import run
from envmap_inverse.console.scenes import (
    MapSize,
    add_unknown_map,
    film_size_of,
    load_with_map,
    map_size_of,
    read_ground_truth,
)
from envmap_inverse.errors import InputError, counted
from envmap_inverse.guard.reader import read_apart
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


def estimate(  # noqa: PLR0915 - each option once
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
    given: dict[str, Any] = {
        "robust": robust,
        "parameterization": parameterization,
        "iterations": iterations,
        "learning_rate": learning_rate,
        "spp": spp,
        "seed": seed,
    }
    spec = "robust" if robust and optimizer is None else optimizer
    faults = faults_of(context)
    with collected_warnings() as notes:
        defined = faults.attempt(definitions, define) or {}
        chosen = None if spec is None else faults.attempt(make_optimizer, spec, **given)
        wanted = faults.attempt(make_loss, loss)
        wanted_priors = faults.attempt(make_priors, prior)
        refined = faults.attempt(make_refine, refine)
        film_size = faults.attempt(film_size_of, size, full_size=full_size)
        texels = faults.attempt(map_size_of, map_size)
        of_pictures = faults.attempt(noise_of, noise)
        faults.attempt(check_live, live=live, host=live_host, port=live_port)
        faults.attempt(sensor_numbers, sensor or "0")
        pictures = faults.attempt(find_pictures, reference or []) or []
        count = len(pictures)
        exposures = faults.attempt(exposures_of, exposure, count) or []
        masks = find_masks(mask)
        mask_of_each = faults.attempt(one_each, "--mask", masks or ["none"], count) or []
        report_if_incomplete(context)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        files = given_files(ground_truth, initial)
        with stage(f"Reading {scene.name} and {counted(count, 'picture')}"):
            is_readable = trust_input or read_apart(
                faults,
                scene,
                [*pictures, *files],
                [Path(name) for name in masks if name != "none"],
                cameras=cameras,
                layers=dict.fromkeys(pictures, layer),
                envmap=envmap_name,
                define=defined,
            )
            loaded, has_unknown_map = faults.need(
                load_with_map, scene, texels, envmap_name=envmap_name, define=defined
            )
            if spec is None:
                spec = default_spec(loaded)
                chosen = faults.attempt(make_optimizer, spec, **given)
            # Transport() stands in, so that more faults can be found.
            terms = faults.attempt(_sampling, chosen, samples) or Transport()
            wanted = wanted or terms.default_loss
            sensors: list[int] = []
            if is_readable or cameras is None:
                sensors = faults.attempt(choose_sensors, loaded, cameras, sensor, pictures) or []
            if not (is_readable and pictures and sensors and mask_of_each and exposures):
                faults.report()
            read = faults.need(
                read_views,
                pictures,
                sensors,
                masks=mask_of_each,
                exposures=exposures,
                gamma=gamma,
                white=white,
                black=black,
                censoring=censoring,
                noise=of_pictures or "auto",
                sizes=[loaded.film_size(index) for index in sensors],
                orientation=orientation,
                alpha=alpha,
                layer=layer,
            )
            views = faults.need(fit_films, loaded, as_views(read, wanted), **(film_size or {}))
            if has_unknown_map:
                add_unknown_map(loaded, texels or map_size_for(views))
            truth = faults.attempt(read_ground_truth, ground_truth, loaded)
            problem = faults.need(
                Problem.create,
                loaded,
                views,
                loss=wanted,
                priors=terms.default_priors if wanted_priors is None else wanted_priors,
                initial=terms.default_initial if initial is None else number_or_image(initial),
                ground_truth=truth,
            )
            faults.report()
            check_sight(problem)
        check_room(problem, terms, output, frames=frames)
        settings = {
            **given_settings(context),
            **optimizer_settings(spec, terms),
            **resolved_settings(problem),
            "mask": masks,
            **({"loss": loss} if isinstance(wanted, Censored) else {}),  # its levels are the views'
        }
        with live_view(output, terms, live=live, host=live_host, port=live_port) as view:
            folder = RunFolder(
                output,
                settings,
                overwrite=overwrite,
                frames=frames,
                resume=resume,
                samples=samples,
            )
            say_who_took_what(loaded, problem.views)
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
                refine=refined,
            )


def _sampling(optimizer: Optimizer | None, samples: int) -> Optimizer | None:
    """The optimizer, if it can draw the samples that are asked for."""
    if samples and optimizer and not isinstance(optimizer, Transport):
        raise InputError("--samples: only the transport optimizer can draw maps; leave it out")
    return optimizer
