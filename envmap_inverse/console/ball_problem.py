"""From the pictures of a ball to the problem: found, posed, turned, cut out, registered."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from envmap_inverse import backend
from envmap_inverse.console.ball_choice import BallChoice
from envmap_inverse.console.ball_outlines import seen_together
from envmap_inverse.console.ball_viewpoints import one_for_each, turned
from envmap_inverse.console.balls import Lens, find_balls, lamp_start, say_where
from envmap_inverse.console.brackets import developed
from envmap_inverse.console.pictures import say_shifts
from envmap_inverse.console.scenes import DEFAULT_MAP_SIZE
from envmap_inverse.errors import Faults
from envmap_inverse.problem.clipped_lights import with_clipped_lights
from envmap_inverse.problem.cutting import part_of
from envmap_inverse.problem.fitting import fit_films, map_size_for, resized
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.registration import moved, registered
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import (
    GREY_REFLECTANCE,
    BallShot,
    ball_scene,
    mean_reflectance,
    reflectance_of_diffuse,
)
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.system.progress import stage

__all__ = ["BallWish", "Stated", "stated"]

MAX_SIDE = 512
"""Pixels across to which a larger ball is averaged down."""


@dataclass(frozen=True, kw_only=True)
class BallWish:
    """What a command line says of a ball and its pictures.

    Attributes:
        lens: of the camera.
        ball: what it is, and what stands beside it.
        circles: outline of the ball in each picture; None for those to be found.
        viewpoints: number of each picture's.
        left_out: degrees from the camera within which light is left out.
        map_size: (width, height) of the map; None to go by the pictures.
        registers: whether pictures of a size are moved onto each other.
        is_exposure_given: whether exposures are given, not to be found.
    """

    lens: Lens
    ball: BallChoice
    circles: list[Circle | None]
    viewpoints: list[int]
    left_out: float
    map_size: tuple[int, int] | None
    registers: bool
    is_exposure_given: bool


@dataclass(frozen=True, kw_only=True)
class Stated:
    """A problem, and what it was made of.

    Attributes:
        problem: the problem.
        described: the scene as a Mitsuba dictionary, without map and sensors.
        shots: the ball before each sensor.
        viewpoints: number of each shot's.
        cameras: the sensors.
        parts: the parts of the pictures that show the ball, at their full size.
        registered: these with all that surrounds the ball, averaged down and moved as they are in
            the problem.
    """

    problem: Problem
    described: dict[str, Any]
    shots: list[BallShot]
    viewpoints: list[int]
    cameras: list[Camera]
    parts: list[View]
    registered: list[View]


def stated(views: Sequence[View], wish: BallWish) -> Stated:
    """Find the ball in pictures, and state the problem; what is found is printed.

    Raises:
        InputError: if the ball or another viewpoint is not found, or the pictures are otherwise
            not as they must be.
    """
    views, shots, viewpoints = _posed(views, wish)
    shots = turned(views, shots, viewpoints, wish.left_out)
    backend.select_variant()
    reflectance = GREY_REFLECTANCE if wish.ball.grey is None else wish.ball.grey.reflectance
    described = ball_scene(wish.ball.bsdf, shots[0].beside(), reflectance)
    scene = load_scene(described, envmap=wish.map_size or DEFAULT_MAP_SIZE)
    cameras = [shot.camera(f"camera{number}") for number, shot in enumerate(shots)]
    scene.set_sensors(cameras)
    faults = Faults()
    made = [faults.attempt(_part, view, shots[view.sensor], wish.left_out) for view in views]
    faults.report()
    parts = [view for view in made if view is not None]
    if wish.ball.grey is not None:
        parts = with_clipped_lights(
            parts,
            shots,
            mirror=mean_reflectance(wish.ball.bsdf),
            grey=wish.ball.grey.reflectance,
        )
    fitted = _whole_pixels(_fit_films(scene, parts, shots))
    if wish.registers:
        fitted = list(registered(fitted))
        say_shifts(fitted)
    if wish.map_size is None:
        scene.set_map_size(*map_size_for(fitted[:1]))
    return Stated(
        problem=_problem(scene, fitted, wish, parts, shots),
        described=described,
        shots=shots,
        viewpoints=viewpoints,
        cameras=cameras,
        parts=parts,
        registered=[moved_with(view, fit) for view, fit in zip(parts, fitted, strict=True)],
    )


def _posed(views: Sequence[View], wish: BallWish) -> tuple[list[View], list[BallShot], list[int]]:
    """The exposed views, the ball in each, and each shot's viewpoint.

    Views of one viewpoint, size and outline are of one sensor.
    """
    views = [replace(v, sensor=number) for v, number in zip(views, wish.viewpoints, strict=True)]
    with stage("Finding the ball"):
        found = _found(views, wish.circles)
    if not wish.is_exposure_given and len(views) > 1:
        views = [replace(view, exposure="auto") for view in views]
    views = developed(views, is_exposure_given=wish.is_exposure_given)
    shots: list[tuple[int, BallShot]] = []
    posed, faults = [], Faults()
    said: list[float | None] = [*wish.lens.distances] or [None]
    distances = one_for_each("--distance", said, wish.viewpoints)
    for view, circle, given, distance in zip(views, found, wish.circles, distances, strict=True):
        shot, source = wish.lens.shot(view, circle, distance)
        if wish.ball.grey is not None and view.sensor == 0:
            faults.attempt(wish.ball.grey.check, view, circle)
            shot = replace(shot, grey=wish.ball.grey.circle)
        of_viewpoint = view.sensor, shot
        if of_viewpoint not in shots:
            say_where(view, shot, source, is_given=given is not None)
            shots.append(of_viewpoint)
        posed.append(replace(view, sensor=shots.index(of_viewpoint)))
    faults.report()
    return posed, [shot for _, shot in shots], [number for number, _ in shots]


def _found(views: Sequence[View], circles: Sequence[Circle | None]) -> list[Circle]:
    """The ball in each picture, whose sensor is its viewpoint, in which balls are alike.

    Raises:
        InputError: if one is not found; reports all faults.
    """
    faults = Faults()
    found: dict[int, Circle] = {}
    for viewpoint in sorted({view.sensor for view in views}):
        numbers = [number for number, view in enumerate(views) if view.sensor == viewpoint]
        taken, given = [views[k] for k in numbers], [circles[k] for k in numbers]
        of_viewpoint = faults.attempt(find_balls, taken, given) or []
        if len(of_viewpoint) > 1 and not any(given):
            of_viewpoint = seen_together(taken, of_viewpoint)
        found |= zip(numbers, of_viewpoint, strict=False)
    faults.report()
    return [found[number] for number in range(len(views))]


def _problem(
    scene: Scene,
    fitted: Sequence[View],
    wish: BallWish,
    parts: Sequence[View],
    shots: Sequence[BallShot],
) -> Problem:
    terms, share, start = wish.ball.optimizer, reflectance_of_diffuse(wish.ball.bsdf), None
    if share is not None:
        start = lamp_start(parts, shots, share, scene.envmap.resolution)
    return Problem.create(
        scene,
        fitted,
        loss=terms.default_loss,
        priors=terms.default_priors,
        initial=terms.default_initial if start is None else start,
    )


def moved_with(view: View, fit: View) -> View:
    """A view with all its pixels, averaged down and moved as it was in the problem."""
    height, width = fit.mask.shape
    whole = resized(replace(view, mask=np.ones_like(view.mask)), width, height)
    return whole if fit.shift is None else moved(whole, *fit.shift)


def _part(view: View, shot: BallShot, left_out: float) -> View:
    """The part of a view that shows the ball, and masked but for the ball."""
    part = part_of(view, shot.window)
    return replace(part, mask=part.mask * shot.mask(left_out, shot.pixel(MAX_SIDE)))


def _fit_films(scene: Scene, views: Sequence[View], shots: Sequence[BallShot]) -> list[View]:
    """Average larger pictures down, so that the mirror ball has `MAX_SIDE` pixels at most."""
    sides = [
        round(max(view.image.shape[:2]) / shots[view.sensor].pixel(MAX_SIDE)) for view in views
    ]
    return [fit_films(scene, [view], size=side)[0] for view, side in zip(views, sides, strict=True)]


def _whole_pixels(views: Sequence[View]) -> list[View]:
    """The views without pixels of which a mask leaves out a part."""
    return [replace(view, mask=np.floor(view.mask + np.float32(1e-3))) for view in views]
