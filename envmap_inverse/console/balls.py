"""From pictures of a mirror ball to its scene: the outline, the camera, the exposures."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.console.ball_outlines import look_at
from envmap_inverse.console.ball_viewpoints import one_for_each
from envmap_inverse.console.focal_lengths import exif_focal_length
from envmap_inverse.console.meshes import make_material
from envmap_inverse.console.options import panelled
from envmap_inverse.console.output import tell
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot, conductor
from envmap_inverse.sphere.circles import Circle, find_circle
from envmap_inverse.sphere.lambert import fit_lamp
from envmap_inverse.sphere.latlong import direction_to_uv

__all__ = [
    "DEFAULT_DISTANCE",
    "BallMaterial",
    "Lens",
    "ball_material",
    "circles_of",
    "find_balls",
    "lamp_start",
    "say_where",
]

BallMaterial = Annotated[
    str | None,
    panelled(
        "Scene",
        "--material",
        metavar="NAME[:key=value,...]",
        help="Material of a ball that is no mirror, such as grey-diffuse:reflectance=0.2 "
        "('envmap-inverse materials' lists them).",
    ),
]

DEFAULT_REFLECTANCE = "0.9"
"""Share of the light that a chrome ball reflects, if nothing says so."""

MIN_LAMP = 0.5
"""Share of the variance of a diffuse ball's pixels that one lamp must explain to be the start."""

LEAST_DISTANCE, MAX_DISTANCE = 1.01, 1e6
DEFAULT_DISTANCE = 20.0
"""Radii between the camera and the ball, where nothing says how many."""

NOTICEABLE_STRETCH = 1.0
"""Pixels by which an outline is an ellipse from which a warning says so."""

MAX_OVERHANG = 1.0
"""Pixels of a ball that may lie outside the picture."""

MAX_UNLIKE = 0.03
"""Share by which radii may differ among pictures of a bracket."""

MIN_PIXELS = 50
"""Pixels, of those neither clipped nor masked, that a lamp is fitted to."""

Size = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Lens:
    """What the command line says of the camera.

    Attributes:
        fov: horizontal field of view of the whole picture in degrees; None if not said.
        distances: from the camera to the ball's centre in radii: of all pictures, or of each
            viewpoint or picture; empty if not said.
        front: azimuth of the camera's direction in degrees, to the right of the map's middle.
    """

    fov: float | None = None
    distances: tuple[float, ...] = ()
    front: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        if self.fov is not None and self.distances:
            raise InputError("--fov and --distance: give one of them")
        if self.fov is not None and not 0 < self.fov < 180:
            raise InputError(f"--fov {self.fov:g}: give degrees above 0 and below 180")
        wrong = [each for each in self.distances if not LEAST_DISTANCE <= each <= MAX_DISTANCE]
        if wrong:
            raise InputError(
                f"--distance {wrong[0]:g}: give radii from the camera to the ball's centre, from "
                f"{LEAST_DISTANCE:g} to {MAX_DISTANCE:g}"
            )
        if not abs(self.front) < 1e6:
            raise InputError(f"--front {self.front}: give degrees")

    def shot(
        self, view: View, circle: Circle, distance: float | None = None
    ) -> tuple[BallShot, str]:
        """The ball before the camera that took a picture, and how its distance is known.

        Args:
            view: the whole picture.
            circle: the ball's outline in it.
            distance: of the camera in radii, if it is given.
        """
        shot, source = self._shot(view, circle, distance)
        if not LEAST_DISTANCE <= shot.distance <= MAX_DISTANCE:
            raise InputError(
                f"{view.name}: the camera would be {shot.distance:g} radii from the ball's centre "
                f"({source}); give --distance"
            )
        return shot, source

    def _shot(self, view: View, circle: Circle, distance: float | None) -> tuple[BallShot, str]:
        height, width, _ = view.image.shape
        size, turned = (width, height), {"front": self.front}
        if distance is not None:
            return BallShot.at_distance(size, circle, distance, **turned), "--distance"
        if self.fov is not None:
            focal = width / 2 / math.tan(math.radians(self.fov) / 2)
            return BallShot.of_whole_picture(size, circle, focal, **turned), "--fov"
        focal, why = exif_focal_length(view)
        if focal is None:
            shot = BallShot.at_distance(size, circle, DEFAULT_DISTANCE, **turned)
            return shot, f"by default: {why}"
        shot = BallShot.of_whole_picture(size, circle, focal, **turned)
        return shot, f"{why}; of a cropped picture, give --distance"


def ball_material(reflectance: str | None, named: str | None) -> dict[str, Any]:
    """The ball's BSDF, by --reflectance or --material.

    Raises:
        InputError: if both are given, or one is wrong.
    """
    if named is None:
        return conductor(DEFAULT_REFLECTANCE if reflectance is None else reflectance)
    if reflectance is not None:
        raise InputError("--reflectance and --material: give one of them")
    return make_material(named)


def lamp_start(
    views: Sequence[View], shots: Sequence[BallShot], reflectance: float, size: Size
) -> NDArray[np.float32] | None:
    """A map to start from, of one lamp and even light, as pictures of a diffuse ball show them.

    A diffuse ball blurs its light so much that a solver which starts from even light leaves a lamp
    spread out, and some degrees off. It prints where the lamp is.

    Args:
        views: the parts of the pictures that show the ball.
        shots: the ball in the pictures, by the sensors of the views.
        reflectance: of the ball.
        size: (width, height) of the map.

    Returns:
        Texels (H, W, 3); None if one lamp does not explain the pictures.
    """
    first, shot = views[0], shots[views[0].sensor]
    counts = (first.weights > 0).all(axis=2) & ~(first.is_over | first.is_under).any(axis=2)
    if counts.sum() < MIN_PIXELS:
        return None
    known = np.ones(3) if isinstance(first.exposure, str) else np.broadcast_to(first.exposure, 3)
    lamp = fit_lamp(shot.normals()[counts], first.image[counts] / known)
    if lamp.unexplained > 1 - MIN_LAMP:
        return None
    u, v = direction_to_uv(lamp.direction)
    azimuth, elevation = 360 * (float(u) - 0.5), 180 * (0.5 - float(v))
    tell(
        f"{first.name}: as under a lamp {azimuth:.0f} degrees to the right of the map's middle, "
        f"{elevation:.0f} degrees high, which is the start"
    )
    return lamp.texels(size[1], size[0], reflectance)


def circles_of(option: Sequence[str] | None, viewpoints: Sequence[int]) -> list[Circle | None]:
    """Parse --circle into the outline of the ball in each picture; None for those to be found.

    Args:
        option: its values.
        viewpoints: number of each picture's.

    Raises:
        InputError: if one is no circle, or there is another number of them.
    """
    faults = Faults()
    given = [faults.attempt(_circle, text) for text in option or ()]
    each = faults.attempt(one_for_each, "--circle", given or [None], viewpoints)
    faults.report()
    return each or []


def _circle(text: str) -> Circle:
    try:
        x, y, radius = (float(part) for part in text.split(","))
    except ValueError:
        x = y = radius = math.nan
    if not (math.isfinite(x + y + radius) and radius >= 2):
        raise InputError(
            f"--circle {text!r}: give x,y,r in pixels from the picture's upper left corner, e.g. "
            "640.5,480,210"
        )
    return Circle(x=x, y=y, radius=radius)


def find_balls(views: Sequence[View], circles: Sequence[Circle | None]) -> list[Circle]:
    """The ball's outline in each picture: as given, or found in all pictures of a size together.

    Raises:
        InputError: if none is found in some, or it lies partly outside.
    """
    faults = Faults()
    sizes = [(view.image.shape[1], view.image.shape[0]) for view in views]
    sought: dict[Size, list[View]] = {}
    for view, circle, size in zip(views, circles, sizes, strict=True):
        if circle is None:
            sought.setdefault(size, []).append(view)
    found = {size: _found(unknown) for size, unknown in sought.items()}
    # Those that are given, or else those that are found, say what the others should look like.
    known = [*zip(sizes, circles, strict=True)] if any(circles) else [*found.items()]
    inside = [c for size, c in known if c is not None and c.overhang(*size) <= MAX_OVERHANG]
    if inside and not all(_are_alike(circle, inside[0], size) for size, circle in found.items()):
        agreeing = [_found_near(candidate, sought, found) for candidate in inside]
        found = max(agreeing, key=lambda each: sum(map(_significance, each.values())))
    for size, unknown in sought.items():
        if found[size] is None:
            faults.keep(_not_found(unknown[0]))
    placed = [circle or found.get(size) for circle, size in zip(circles, sizes, strict=True)]
    for view, circle, size in zip(views, placed, sizes, strict=True):
        if circle is not None:
            faults.attempt(_check_inside, view, circle, size)
    faults.report()
    sure = [circle for circle in placed if circle is not None]
    _check_alike(views, sure)
    return sure


def _found(views: Sequence[View], near: Circle | None = None) -> Circle | None:
    return find_circle([look_at(view) for view in views], near)


def _found_near(
    near: Circle, sought: Mapping[Size, Sequence[View]], found: Mapping[Size, Circle | None]
) -> dict[Size, Circle | None]:
    """The outlines in all sizes of pictures if one that was found in some of them is right."""
    return {
        size: found[size] if _are_alike(found[size], near, size) else _found(unknown, near)
        for size, unknown in sought.items()
    }


def _significance(circle: Circle | None) -> float:
    return 0.0 if circle is None else circle.significance


def _are_alike(circle: Circle | None, other: Circle, size: Size) -> bool:
    """Whether a circle is inside its picture, and about as large as another."""
    if circle is None or circle.overhang(*size) > MAX_OVERHANG:
        return False
    return abs(circle.radius / other.radius - 1) < MAX_UNLIKE / 2


def _not_found(view: View) -> InputError:
    return InputError(
        f"{view.name}: no ball found; say where its outline is with --circle x,y,r, in pixels from "
        "the upper left corner"
    )


def _check_alike(views: Sequence[View], circles: Sequence[Circle]) -> None:
    """Refuse outlines of which one must be something else."""
    radii = [circle.radius for circle in circles]
    small, large = min(radii), max(radii)
    first, second = (views[radii.index(radius)] for radius in (small, large))
    if large > (1 + MAX_UNLIKE) * small:
        raise InputError(
            f"{first.name} and {second.name}: the balls in them have radii of {small:.1f} and "
            f"{large:.1f} pixels, but should be alike; give --circle x,y,r once for each picture"
        )


def _check_inside(view: View, circle: Circle, size: Size) -> None:
    over = circle.overhang(*size)
    if over > MAX_OVERHANG:
        raise InputError(
            f"{view.name}: the ball (x {circle.x:.1f}, y {circle.y:.1f}, radius "
            f"{circle.radius:.1f}) sticks out of the picture by {over:.1f} pixels; take a picture "
            "of the whole ball, or say where it is with --circle x,y,r"
        )


def say_where(view: View, shot: BallShot, source: str, *, is_given: bool) -> None:
    """Print where the ball is, in the picture and before the camera."""
    circle = shot.circle
    verb = "given" if is_given else "found"
    tell(
        f"{view.name}: ball {verb} at x {circle.x:.1f}, y {circle.y:.1f}, radius "
        f"{circle.radius:.1f} pixels"
    )
    rim = math.degrees(math.asin(1 / shot.distance))
    half = math.degrees(math.asin(min(2 / shot.distance, 1))) - rim
    twice = rim - math.degrees(math.asin(0.5 / shot.distance))
    tell(
        f"camera {shot.distance:.1f} radii from the ball ({source}); at half or twice that, light "
        f"at the ball's rim would come from up to {half:.1f} or {twice:.1f} degrees beside"
    )
    if shot.stretch > NOTICEABLE_STRETCH:
        warnings.warn(
            f"{view.name}: so far from the picture's middle the ball's outline is an ellipse, "
            f"{shot.stretch:.1f} pixels longer than wide, but is taken for a circle; take pictures "
            "with the ball in the middle",
            stacklevel=2,
        )
