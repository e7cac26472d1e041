"""`envmap-inverse ball`: from photographs of a mirror ball to the light round it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from envmap_inverse.console.ball_choice import BallChoice
from envmap_inverse.console.ball_files import write_scene, write_unwrap
from envmap_inverse.console.ball_problem import BallWish, stated
from envmap_inverse.console.ball_viewpoints import one_for_each, pictures_by_viewpoint
from envmap_inverse.console.balls import (
    BallMaterial,
    Lens,
    circles_of,
)
from envmap_inverse.console.grey_balls import GreyBallSpec
from envmap_inverse.console.options import (
    Overwrite,
    Report,
    TrustInput,
    given_settings,
    panelled,
    resolved_settings,
)
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.picture_options import (
    Black,
    Censoring,
    ExposureOfEach,
    Gamma,
    Layer,
    NoiseOfPictures,
    RegisterPictures,
    ResponseOfCamera,
    Turn,
    UseOfAlpha,
    White,
)
from envmap_inverse.console.pictures import (
    Alpha,
    Orientation,
    Reading,
    Register,
    read_views,
    say_how_read,
)
from envmap_inverse.console.running import run
from envmap_inverse.console.scenes import MapSize, map_size_of
from envmap_inverse.console.shots import Shots
from envmap_inverse.errors import Faults
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images.response import AUTO
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.run.capacity import check_room
from envmap_inverse.run.folder import RunFolder, check_free
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.scene.xml_writing import scene_xml
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage

__all__ = ["ball"]


def ball(
    context: typer.Context,
    photos: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTO...",
            help="Pictures of the ball by one camera that does not move, exposed alike or not: "
            "files, folders of them, or patterns; after ':' those from another viewpoint.",
        ),
    ],
    output: Annotated[
        Path, panelled("Output", "-o", "--output", metavar="DIR", help="Folder for the results.")
    ],
    circle: Annotated[
        list[str] | None,
        panelled(
            "Scene",
            metavar="X,Y,R",
            help="The ball's outline, in pixels from the upper left corner, for all pictures or "
            "given for each (viewpoint); by default it is found.",
        ),
    ] = None,
    fov: Annotated[
        float | None,
        panelled(
            "Scene",
            metavar="DEG",
            help="Horizontal field of view of the whole pictures; by default EXIF's.",
        ),
    ] = None,
    distance: Annotated[
        list[float] | None,
        panelled(
            "Scene",
            metavar="R",
            help="Distance from the camera to the ball's centre in radii, in place of --fov, for "
            "cropped pictures, for all or for each viewpoint; 20 where nothing says.",
        ),
    ] = None,
    reflectance: Annotated[
        str | None,
        panelled(
            "Scene",
            metavar="X|METAL",
            help="Share of the light that the mirror reflects, 0.9 by default, or a metal: Cr, Ag, "
            "Al, Au, Cu, ...",
        ),
    ] = None,
    material: BallMaterial = None,
    grey_ball: GreyBallSpec = None,
    front: Annotated[
        float,
        panelled(
            "Light",
            metavar="DEG",
            help="Where the map has the direction in which the camera looks: degrees to the right "
            "of its middle.",
        ),
    ] = 0.0,
    without_photographer: Annotated[
        bool,
        panelled(
            "Light",
            "--without-photographer",
            help="Leave out the camera and who holds it, in the middle of the ball, and fill in "
            "smoothly.",
        ),
    ] = False,
    photographer: Annotated[
        float | None,
        panelled(
            "Light",
            metavar="DEG",
            help="Degrees from the camera, seen from the ball, within which light is left out; 12 "
            "with --without-photographer, which this implies.",
        ),
    ] = None,
    mask_person: Annotated[
        list[str] | None,
        panelled(
            "Light",
            metavar="FILE,...",
            help="Mask of whole pictures, for all or for each: what is black, such as the person "
            "whom the ball mirrors, is left out and filled in smoothly.",
        ),
    ] = None,
    map_size: MapSize = None,
    register: RegisterPictures = Register.auto,
    exposure: ExposureOfEach = None,
    noise: NoiseOfPictures = "auto",
    response: ResponseOfCamera = AUTO,
    gamma: Gamma = None,
    white: White = None,
    black: Black = None,
    censoring: Censoring = True,
    orientation: Turn = Orientation.auto,
    alpha: UseOfAlpha = Alpha.mask,
    layer: Layer = None,
    save_scene: Annotated[
        bool,
        panelled(
            "Output",
            "--save-scene",
            help="Also write the scene, the parts of the pictures that show the ball, and masks, "
            "to go on with estimate.",
        ),
    ] = False,
    report: Report = True,
    overwrite: Overwrite = False,
    resume: Annotated[
        bool,
        panelled("Running", "--resume", help="Go on with the run in the folder, or begin it."),
    ] = False,
    trust_input: TrustInput = False,
) -> None:
    """Recover the environment map from photographs of a mirror ball, or of another.

    The ball's outline is found, its scene made, and the map solved for; no scene file is needed.
    The camera is taken to be level, and looks at the middle of the map.

    Examples:
        envmap-inverse ball ball.jpg -o light
        envmap-inverse ball front/*.jpg : side/ -o light --without-photographer
        envmap-inverse ball crop.png -o light --circle 256,250.5,241 --distance 15
        envmap-inverse ball grey.jpg -o light --material grey-diffuse
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    faults = faults_of(context)
    with collected_warnings() as notes:
        lens = faults.attempt(Lens, fov=fov, distances=tuple(distance or ()), front=front)
        texels = faults.attempt(map_size_of, map_size)
        pictures, viewpoints = faults.attempt(pictures_by_viewpoint, photos or []) or ([], [])
        faults.attempt(one_for_each, "--distance", distance or [0.0], viewpoints)
        chosen = BallChoice.parse(faults, reflectance, material, grey_ball, viewpoints)
        left_out = faults.attempt(chosen.left_out, photographer, is_wanted=without_photographer)
        reading = Reading.parse(
            faults,
            response=response,
            gamma=gamma,
            noise=noise,
            white=white,
            black=black,
            censoring=censoring,
            orientation=orientation,
            alpha=alpha,
            layer=layer,
        )
        taken = Shots.parse(faults, pictures, exposure, mask_person, mask_option="--mask-person")
        circles = faults.attempt(circles_of, circle, viewpoints) or []
        report_if_incomplete(context)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        views = _read(faults, taken, reading, trust_input=trust_input)
        say_how_read(views)
        assert lens is not None  # else a fault is reported
        made = stated(
            views,
            BallWish(
                lens=lens,
                ball=chosen,
                circles=circles,
                viewpoints=viewpoints,
                left_out=left_out or 0.0,
                map_size=texels,
                registers=register == Register.auto,
                is_exposure_given=exposure is not None,
            ),
        )
        problem, optimizer = made.problem, chosen.optimizer
        check_room(problem, optimizer, output, frames=False)
        settings = _settings(context, problem, photos)
        folder = RunFolder(output, settings, overwrite=overwrite, frames=False, resume=resume)
        if save_scene:
            write_scene(output, scene_xml(made.described, made.cameras), made.parts)
        run(
            folder,
            problem,
            optimizer,
            starting=starting,
            loading=time.perf_counter() - begun,
            notes=notes,
            report=report,
            write_more=None
            if chosen.is_diffuse
            else partial(write_unwrap, output, made, left_out or 0.0),
        )


def _read(faults: Faults, taken: Shots, reading: Reading, *, trust_input: bool) -> list[View]:
    """Read the pictures.

    Raises:
        InputError: if anything was or is wrong; reports all faults.
    """
    with stage(f"Reading {taken.count}"):
        if not trust_input:
            layers = taken.layers(reading.layer)
            read_apart(faults, None, taken.pictures, taken.mask_files, layers=layers)
        if not taken.is_whole:
            faults.report()
        views = faults.need(
            read_views,
            taken.pictures,
            [0] * len(taken.pictures),
            masks=taken.masks,
            exposures=taken.exposures,
            reading=reading,
        )
        faults.report()
    return views


def _settings(context: typer.Context, problem: Problem, photos: Sequence[Path]) -> dict[str, Any]:
    """The options of the run, defaults included."""
    settings = {**given_settings(context), **resolved_settings(problem)}
    settings["photos"] = [str(photo) for photo in photos]  # ":" is no file
    if not all(view.knows_exposure for view in problem.views):
        settings["exposure"] = "auto"
    return settings
