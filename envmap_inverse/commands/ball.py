"""`envmap-inverse ball`: from photographs of a mirror ball to the light round it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse import backend
from envmap_inverse.console.balls import (
    Lens,
    circles_of,
    find_balls,
    say_where,
)
from envmap_inverse.console.brackets import developed
from envmap_inverse.console.options import (
    Overwrite,
    Report,
    TrustInput,
    given_settings,
    panelled,
    resolved_settings,
)
from envmap_inverse.console.output import tell
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.picture_options import (
    Black,
    Censoring,
    ExposureOfEach,
    Gamma,
    Layer,
    NoiseOfPictures,
    ResponseOfCamera,
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
)
from envmap_inverse.console.running import run
from envmap_inverse.console.scenes import DEFAULT_MAP_SIZE, MapSize, map_size_of
from envmap_inverse.console.shots import Shots
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images import write_image
from envmap_inverse.images.response import AUTO
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.problem.fitting import fit_films, map_size_for
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.run.capacity import check_room
from envmap_inverse.run.folder import RunFolder, check_free
from envmap_inverse.run.notes import collected_warnings
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor, scene_xml
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.solving import layout
from envmap_inverse.sphere.unwrapping import Disc, merged, unwrap
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage
from envmap_inverse.system.writing import write_bytes

__all__ = ["ball"]

MAX_SIDE = 512
"""Pixels across to which a larger ball is averaged down."""

PHOTOGRAPHER = 12.0
"""Degrees from the camera within which a photographer stands, if no angle is given."""


def ball(
    context: typer.Context,
    photos: Annotated[
        list[Path],
        typer.Argument(
            metavar="PHOTO...",
            help="Pictures of the ball by one camera that does not move, exposed alike or not: "
            "files, folders of them, or patterns.",
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
            "given for each; by default it is found.",
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
        float | None,
        panelled(
            "Scene",
            metavar="R",
            help="Distance from the camera to the ball's centre in radii, in place of --fov, for "
            "cropped pictures; 20 where nothing says.",
        ),
    ] = None,
    reflectance: Annotated[
        str,
        panelled(
            "Scene",
            metavar="X|METAL",
            help="Share of the light that the ball reflects, or a metal: Cr, Ag, Al, Au, Cu, ...",
        ),
    ] = "0.9",
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
    map_size: MapSize = None,
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
    """Recover the environment map from photographs of a mirror ball.

    The ball's outline is found, its scene made, and the map solved for; no scene file is needed.
    The camera is taken to be level, and looks at the middle of the map.

    Examples:
        envmap-inverse ball ball.jpg -o light
        envmap-inverse ball bracket/*.jpg -o light --without-photographer
        envmap-inverse ball crop.png -o light --circle 256,250.5,241 --distance 15
    """
    starting, begun = seconds_since_start(), time.perf_counter()
    faults = faults_of(context)
    with collected_warnings() as notes:
        lens = faults.attempt(Lens, fov=fov, distance=distance, front=front)
        bsdf = faults.attempt(conductor, reflectance)
        left_out = faults.attempt(_left_out, photographer, is_wanted=without_photographer)
        texels = faults.attempt(map_size_of, map_size)
        of_pictures = faults.attempt(noise_of, noise)
        curve = faults.attempt(response_of, response, gamma)
        taken = Shots.parse(faults, photos, exposure=exposure)
        circles = faults.attempt(circles_of, circle, len(taken.pictures)) or []
        report_if_incomplete(context)
        faults.attempt(check_free, output, overwrite=overwrite, resume=resume)
        with stage(f"Reading {taken.count}"):
            if not trust_input:
                read_apart(faults, None, taken.pictures, layers=taken.layers(layer))
            if lens is None or bsdf is None or not (taken.is_whole and circles):
                faults.report()
            assert lens is not None and bsdf is not None  # noqa: PT018 - else a fault is reported
            views = faults.need(
                read_views,
                taken.pictures,
                [0] * len(taken.pictures),
                masks=taken.masks,
                exposures=taken.exposures,
                reading=Reading(
                    response=curve or AUTO,
                    white=white,
                    black=black,
                    censoring=censoring,
                    noise=of_pictures or "auto",
                    orientation=orientation,
                    alpha=alpha,
                    layer=layer,
                ),
            )
            faults.report()
        views, shots = _posed(views, circles, lens, is_exposure_given=exposure is not None)
        problem, cropped, cameras = _problem(views, shots, bsdf, texels, left_out or 0.0)
        optimizer = Transport()
        check_room(problem, optimizer, output, frames=False)
        settings = {**given_settings(context), **resolved_settings(problem)}
        if not all(view.knows_exposure for view in views):
            settings["exposure"] = "auto"
        folder = RunFolder(output, settings, overwrite=overwrite, frames=False, resume=resume)
        if save_scene:
            _save_scene(output, scene_xml(bsdf, cameras), cropped)
        summary = run(
            folder,
            problem,
            optimizer,
            starting=starting,
            loading=time.perf_counter() - begun,
            notes=notes,
            report=report,
        )
        _write_unwrap(output, views, shots, problem, summary["exposures"])


def _left_out(angle: float | None, *, is_wanted: bool) -> float:
    """Degrees from the camera within which light is left out."""
    if angle is None:
        return PHOTOGRAPHER if is_wanted else 0.0
    if not 0 < angle < 90:
        raise InputError(f"--photographer {angle:g}: give degrees above 0 and below 90")
    return angle


def _posed(
    views: Sequence[View], circles: Sequence[Any], lens: Lens, *, is_exposure_given: bool
) -> tuple[list[View], list[BallShot]]:
    """The exposed views, those of one size and outline of one sensor, and the ball in each.

    What is found is printed.
    """
    with stage("Finding the ball"):
        found = find_balls(views, circles)
    if not is_exposure_given and len(views) > 1:
        views = [replace(view, exposure="auto") for view in views]
    views = developed(views, is_exposure_given=is_exposure_given)
    shots: list[BallShot] = []
    posed = []
    for view, circle, given in zip(views, found, circles, strict=True):
        shot, source = lens.shot(view, circle)
        if shot not in shots:
            say_where(view, shot, source, is_given=given is not None)
            shots.append(shot)
        posed.append(replace(view, sensor=shots.index(shot)))
    return posed, shots


def _problem(
    views: Sequence[View],
    shots: Sequence[BallShot],
    bsdf: dict[str, Any],
    map_size: tuple[int, int] | None,
    left_out: float,
) -> tuple[Problem, list[View], list[Camera]]:
    """The problem, its views before they are averaged down, and their cameras."""
    backend.select_variant()
    scene = load_scene(ball_scene(bsdf), envmap=map_size or DEFAULT_MAP_SIZE)
    cameras = [shot.camera(f"camera{number}") for number, shot in enumerate(shots)]
    scene.set_sensors(cameras)
    faults = Faults()
    made = [faults.attempt(_cropped, view, shots[view.sensor], left_out) for view in views]
    faults.report()
    cropped = [view for view in made if view is not None]
    fitted = _whole_pixels(_fit_films(scene, cropped))
    if map_size is None:
        scene.set_map_size(*map_size_for(fitted[:1]))
    terms = Transport()
    problem = Problem.create(
        scene,
        fitted,
        loss=terms.default_loss,
        priors=terms.default_priors,
        initial=terms.default_initial,
    )
    return problem, cropped, cameras


def _cropped(view: View, shot: BallShot, left_out: float) -> View:
    """The part of a view that shows the ball, and masked but for the ball."""
    window = shot.window
    pixel = max(1.0, max(window.width, window.height) / MAX_SIDE)
    mask = window.of(view.mask) * shot.mask(left_out, pixel)
    return replace(
        view,
        image=window.of(view.image),
        mask=mask,
        over=window.of(view.is_over),
        under=window.of(view.is_under),
    )


def _fit_films(scene: Scene, views: Sequence[View]) -> tuple[View, ...]:
    """Average larger pictures down."""
    fitted: list[View] = []
    for view in views:
        longer = max(view.image.shape[:2])
        chosen = fit_films(scene, [view], size=min(longer, MAX_SIDE))
        fitted += chosen
    return tuple(fitted)


def _whole_pixels(views: Sequence[View]) -> list[View]:
    """The views without pixels of which a mask leaves out a part."""
    return [replace(view, mask=np.floor(view.mask + np.float32(1e-3))) for view in views]


def _save_scene(folder: Path, text: str, views: Sequence[View]) -> None:
    """Write the scene, the parts of the pictures and their masks; print how to go on."""
    write_bytes(folder / layout.SCENE, text.encode())
    for number, view in enumerate(views):
        write_image(folder / layout.crop(number), view.image)
        write_image(folder / layout.mask(number), np.repeat(view.mask[:, :, None], 3, axis=2))
    tell(f"scene in {folder / layout.SCENE}; go on with: {_command(folder, views)}")


def _command(folder: Path, views: Sequence[View]) -> str:
    """The command that does the same with `estimate`."""
    numbers = range(len(views))
    exposures = ",".join(_word(view) for view in views)
    words = [
        *("envmap-inverse estimate", folder / layout.SCENE),
        *(folder / layout.crop(number) for number in numbers),
        *("--mask", ",".join(str(folder / layout.mask(number)) for number in numbers)),
        *("--sensor", ",".join(str(view.sensor) for view in views)),
        *("--exposure", exposures, "-o", "NEW"),
    ]
    for option, levels in {
        "--white": {view.white for view in views},
        "--black": {view.black for view in views},
    }.items():
        if len(levels) == 1 and (level := levels.pop()) is not None:
            words += [option, f"{level:.6g}"]
    return " ".join(map(str, words))


def _word(view: View) -> str:
    if isinstance(view.exposure, str):
        return view.exposure
    return ":".join(f"{value:.6g}" for value in np.ravel(view.exposure))


def _write_unwrap(
    folder: Path,
    views: Sequence[View],
    shots: Sequence[BallShot],
    problem: Problem,
    exposures: Any,
) -> None:
    """Write the plain geometric unwrapping of the pictures, to compare."""
    found: NDArray[np.float32] = problem.exposures if exposures is None else np.array(exposures)
    discs = [
        Disc(image=view.image / exposure, is_clipped=view.is_over, circle=shots[view.sensor].circle)
        for view, exposure in zip(views, found, strict=True)
    ]
    disc = merged(discs, np.mean(found, axis=1))
    width, height = problem.scene.envmap.resolution
    path = folder / layout.UNWRAP
    write_image(path, unwrap(disc, height, width, shots[0].turn()))
    tell(f"{path} is the geometric unwrapping alone (as convert --from ball), to compare")
