"""`envmap-inverse estimate`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from envmap_inverse.console.cameras import Cameras, choose_sensors
from envmap_inverse.console.config import read_config
from envmap_inverse.console.live import LOOPBACK, Live, LiveHost, LivePort, live_view
from envmap_inverse.console.logs import collected_warnings
from envmap_inverse.console.optimizers import (
    OptimizerSpec,
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
    Seed,
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
)
from envmap_inverse.console.pictures import (
    Alpha,
    Orientation,
    find_masks,
    find_pictures,
    read_views,
    say_who_took_what,
)
from envmap_inverse.console.refining import RefineSpecs, make_refine
from envmap_inverse.console.running import CHECKPOINT_EVERY, run
from envmap_inverse.console.scenes import (
    MapSize,
    add_unknown_map,
    film_size_of,
    load_with_map,
    map_size_of,
    read_ground_truth,
)
from envmap_inverse.errors import Faults
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.losses import LOSSES, Censored
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS
from envmap_inverse.problem.fitting import fit_films, map_size_for
from envmap_inverse.problem.plausibility import checked
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.view import as_views
from envmap_inverse.run.capacity import check_room
from envmap_inverse.run.folder import RunFolder, check_free
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
            help="Short for --optimizer robust: Adam that does not diverge.",
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
    size: Annotated[
        str | None,
        panelled(
            "Pictures",
            metavar="N|WxH",
            help="Size in pixels to which pictures are averaged down: longer side, or width and "
            "height. By default they keep their own size up to a megapixel. The films follow, and "
            "keep their horizontal field of view.",
        ),
    ] = None,
    full_size: Annotated[
        bool,
        panelled("Pictures", "--full-size", help="Keep the size of pictures above a megapixel."),
    ] = False,
    noise: Annotated[
        str,
        panelled(
            "Pictures",
            metavar="auto|none|KEY=X,...",
            help="Noise of the pictures' values: estimated, none, or read, shot and relative, e.g. "
            "read=0.01,relative=0.02.",
        ),
    ] = "auto",
    map_size: MapSize = None,
    sensor: Annotated[
        str | None,
        panelled(
            "Pictures",
            metavar="K,...",
            help="Sensor of each picture, e.g. 0 or 0,1; by default the only one, or in order.",
        ),
    ] = None,
    mask: Annotated[
        list[str] | None,
        panelled(
            "Pictures",
            metavar="FILE,...",
            help="Mask for all pictures, or one for each; white counts, black does not.",
        ),
    ] = None,
    exposure: Annotated[
        str | None,
        panelled(
            "Pictures",
            metavar="X,...",
            help="Factor from radiance to values, for all pictures or for each: a number, three "
            "(1:0.9:0.8), auto or auto-rgb. Unknown factors are found relative to the first.",
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
            help="Linear value from which pictures are clipped; for 8-bit ones the highest.",
        ),
    ] = None,
    black: Annotated[
        float | None,
        panelled("Pictures", help="Linear value down to which pictures are clipped."),
    ] = None,
    censoring: Annotated[
        bool, panelled("Pictures", help="Take clipped values as bounds, not as exact.")
    ] = True,
    orientation: Annotated[
        Orientation,
        panelled(
            "Pictures",
            help="Turn pictures upright by EXIF, leave them as stored, or whichever fits the "
            "sensor's shape.",
        ),
    ] = Orientation.auto,
    alpha: Annotated[
        Alpha, panelled("Pictures", help="Mask pixels that are not opaque, or ignore alpha.")
    ] = Alpha.mask,
    layer: Annotated[
        str | None,
        panelled("Pictures", help="Layer of EXR pictures that have several, e.g. V.Combined."),
    ] = None,
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
    faults = Faults()
    with collected_warnings() as notes:
        defined = faults.attempt(definitions, define) or {}
        chosen = None if spec is None else faults.attempt(make_optimizer, spec, **given)
        wanted = faults.attempt(make_loss, loss)
        wanted_priors = faults.attempt(make_priors, prior)
        refined = faults.attempt(make_refine, refine)
        film_size = faults.attempt(film_size_of, size, full_size=full_size)
        texels = faults.attempt(map_size_of, map_size)
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
            terms = chosen or Transport()  # stands in, so that more faults can be found
            wanted = wanted or terms.default_loss
            if wanted_priors is None:
                wanted_priors = terms.default_priors
            if not pictures:
                faults.report()
            sensors = faults.need(choose_sensors, loaded, cameras, sensor, pictures)
            read = faults.need(
                read_views,
                pictures,
                sensors,
                masks=masks,
                exposures=exposure,
                gamma=gamma,
                white=white,
                black=black,
                censoring=censoring,
                noise=noise,
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
                priors=wanted_priors,
                initial=terms.default_initial if initial is None else number_or_image(initial),
                ground_truth=truth,
            )
            faults.report()
            problem = checked(problem)
            check_sight(problem)
        check_room(problem, terms, output, frames=frames)
        settings = {
            **given_settings(context),
            **optimizer_settings(spec, terms),
            **resolved_settings(problem),
            "mask": masks,
        }
        if isinstance(wanted, Censored):  # its levels are now in the views
            settings["loss"] = loss
        with live_view(output, problem, terms, live=live, host=live_host, port=live_port) as view:
            folder = RunFolder(output, settings, overwrite=overwrite, frames=frames, resume=resume)
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
