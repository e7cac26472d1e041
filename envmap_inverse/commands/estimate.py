"""`envmap-inverse estimate`."""

from __future__ import annotations

import time
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Any

import typer

from envmap_inverse.console.cameras import Cameras
from envmap_inverse.console.config import read_config
from envmap_inverse.console.live import (
    LOOPBACK,
    Live,
    LiveHost,
    LivePort,
    check_live,
    live_view,
)
from envmap_inverse.console.meshes import (
    CameraSpecs,
    MaterialSpec,
    MeshChoice,
    SaveScene,
    save_scene_of,
)
from envmap_inverse.console.optimizers import (
    Iterations,
    LearningRate,
    OptimizerChoice,
    OptimizerSpec,
    ParameterizationSpec,
    PathsOrSamples,
    RayAddress,
    Recording,
    Robust,
    Seconds,
    SeedOfOptimizer,
    Workers,
    optimizer_settings,
)
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    Frames,
    Overwrite,
    Report,
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
    CropOfEach,
    ExposureOfEach,
    FullSize,
    Gamma,
    Layer,
    MaskOfEach,
    NoiseOfPictures,
    PictureSize,
    RegisterPictures,
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
    Register,
    say_who_took_what,
)
from envmap_inverse.console.problems import Goal, Wish, stated
from envmap_inverse.console.refining import RefineSpecs
from envmap_inverse.console.running import run
from envmap_inverse.console.scenes import (
    LightDistance,
    MapSize,
    SceneChoice,
    film_size_of,
)
from envmap_inverse.console.sequences import Sequence_, Tie, first_of, follow, tie_of
from envmap_inverse.console.shots import Shots
from envmap_inverse.images.response import AUTO
from envmap_inverse.losses import LOSSES, Censored
from envmap_inverse.priors import PRIORS
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.capacity import check_room
from envmap_inverse.run.folder import RunFolder, check_free
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.run.sequence import SequenceFolder
from envmap_inverse.run.session import CHECKPOINT_EVERY
from envmap_inverse.solving.result import MAX_SAMPLES
from envmap_inverse.solving.sequence import check_sequence
from envmap_inverse.system.process import seconds_since_start

__all__ = ["estimate"]


Initial = Annotated[
    str | None,
    panelled(
        "Light",
        metavar="X|FILE",
        help="Start map: one number, or an image, which fills what the pictures do not see. By "
        "default the pictures' mean, 1 for adam.",
    ),
]


def estimate(
    context: typer.Context,
    scene: Annotated[
        Path,
        typer.Argument(
            metavar="SCENE",
            help="Mitsuba scene (XML); or a mesh (.obj, .ply, .serialized), with --material and "
            "--camera.",
        ),
    ],
    reference: Annotated[
        list[Path],
        typer.Argument(
            metavar="REFERENCE...",
            help="Pictures: EXR, HDR, PNG or JPEG files, folders of them, or patterns; or a video, "
            "with --sequence.",
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
    seconds: Seconds = None,
    seed: SeedOfOptimizer = 0,
    recording: Recording = None,
    size: PictureSize = None,
    full_size: FullSize = False,
    noise: NoiseOfPictures = "auto",
    map_size: MapSize = None,
    sensor: SensorOfEach = None,
    mask: MaskOfEach = None,
    crop: CropOfEach = None,
    sequence: Sequence_ = False,
    register: RegisterPictures = Register.auto,
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
    camera: CameraSpecs = None,
    material: MaterialSpec = None,
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
    temporal: Tie = None,
    initial: Initial = None,
    distance: LightDistance = None,
    ground_truth: Annotated[
        Path | None,
        panelled("Light", help="The true map, if known, to measure the errors."),
    ] = None,
    frames: Frames = False,
    report: Report = True,
    save_scene: SaveScene = False,
    samples: Annotated[
        int,
        panelled(
            "Output",
            min=0,
            max=MAX_SAMPLES,
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
            max=1024,
            help="Cores for rendering; by default all. With 1, Adam repeats itself bit by bit.",
        ),
    ] = None,
    workers: Workers = None,
    ray: RayAddress = None,
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
        envmap-inverse estimate scene.xml views/*.exr -o run --cameras transforms.json
        envmap-inverse estimate teapot.obj photo.jpg -o run --material chrome --camera fov:40
        envmap-inverse estimate scene.xml evening.mp4 -o run --sequence
        envmap-inverse estimate --config run/run.toml -o again --prior Smoothness:weight=0.001
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    faults = faults_of(context)
    with collected_warnings() as notes, ExitStack() as held:
        steps: dict[str, Any] = {"iterations": iterations, "learning_rate": learning_rate}
        steps |= {"spp": spp, "seconds": seconds, "seed": seed}
        method = OptimizerChoice.parse(
            *(faults, optimizer),
            robust=robust,
            parameterization=parameterization,
            recording=recording,
            workers=workers,
            ray=ray,
            **steps,
        )
        place = SceneChoice.parse(
            *(faults, scene, map_size), envmap_name=envmap_name, define=define, distance=distance
        )
        mesh = MeshChoice.parse(faults, scene, material, camera, cameras, save_scene)
        goal = Goal.parse(faults, loss, prior, refine, initial, ground_truth)
        levels = {"white": white, "black": black, "censoring": censoring}
        stored = {"orientation": orientation, "alpha": alpha, "layer": layer}
        reading = Reading.parse(
            faults, response=response, gamma=gamma, noise=noise, **levels, **stored
        )
        films = faults.attempt(film_size_of, size, full_size=full_size) or {}
        faults.attempt(check_live, live=live, host=live_host, port=live_port)
        taken = Shots.parse(faults, reference, exposure, mask, crop, sensor, videos=sequence)
        tie = faults.attempt(tie_of, temporal, sequence=sequence)
        shots = first_of(faults, taken, context.params) if sequence else taken
        report_if_incomplete(context)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        wish = Wish(
            *(place, mesh, method, goal, shots, reading, films),
            *(register == Register.auto, cameras, samples, trust_input),
        )
        watched: Any = {"live": live, "host": live_host, "port": live_port}
        view = held.enter_context(live_view(output, **watched))
        problem, spec, terms, made = stated(faults, wish)
        check_room(problem, terms, output, frames=frames)
        settings = {**_settings(context, problem, wish), **optimizer_settings(spec, terms)}
        kept = {"overwrite": overwrite, "resume": resume}
        going: dict[str, Any] = {"starting": starting, "notes": notes, "report": report}
        going |= {"checkpoint_every": checkpoint_every, "threads": threads}

        def begin() -> float:
            say_who_took_what(problem.scene, problem.views)
            save_scene_of(output, made if save_scene else None)
            return time.perf_counter() - begun

        if tie is not None:
            check_sequence(terms, tie)
            maps = SequenceFolder(output, settings, **kept)
            follow(maps, problem, terms, tie, taken, wish, loading=begin(), live=view, **going)
            return
        folder = RunFolder(output, settings, frames=frames, samples=samples, **kept)
        run(folder, problem, terms, loading=begin(), live=view, refine=goal.refine, **going)


def _settings(context: typer.Context, problem: Problem, wish: Wish) -> dict[str, Any]:
    """The options that state the problem again, defaults included."""
    settings = {
        **given_settings(context),
        **resolved_settings(problem),
        "mask": wish.shots.named_masks,
    }
    if isinstance(wish.goal.loss, Censored):
        settings["loss"] = context.params["loss"]  # without the levels of the views
    return settings
