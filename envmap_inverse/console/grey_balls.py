"""A grey ball beside the mirror ball, which shows how bright a clipped sun is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

from envmap_inverse.console.options import panelled
from envmap_inverse.errors import LEAST_SHARE, InputError
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import GREY_REFLECTANCE
from envmap_inverse.sphere.circles import Circle

__all__ = ["GreyBall", "GreyBallSpec"]

GreyBallSpec = Annotated[
    str | None,
    panelled(
        "Scene",
        "--grey-ball",
        metavar="X,Y,R[,SHARE]",
        help="Outline of a diffuse ball beside the mirror, in the pictures of the (first) "
        "viewpoint, and the share of the light that it reflects, 0.18 by default: it shows how "
        "bright a clipped sun is.",
    ),
]

MAX_OVERHANG = 1.0
"""Pixels of a ball that may lie outside the picture."""


@dataclass(frozen=True, kw_only=True)
class GreyBall:
    """A diffuse ball beside a mirror, as far from the camera.

    Attributes:
        circle: its outline in the pictures.
        reflectance: share of the light that it reflects.
    """

    circle: Circle
    reflectance: float = GREY_REFLECTANCE

    @classmethod
    def parse(cls, text: str | None, *, is_diffuse: bool) -> GreyBall | None:
        """Parse --grey-ball; None without it.

        Raises:
            InputError: if it is wrong, or the ball that it stands beside is diffuse itself.
        """
        if text is None:
            return None
        if is_diffuse:
            raise InputError(
                "--grey-ball and --material: the grey ball stands beside a mirror; give one of them"
            )
        try:
            x, y, radius, *more = (float(part) for part in text.split(","))
            (share,) = more or (GREY_REFLECTANCE,)
        except ValueError:
            x = y = radius = share = math.nan
        if not (math.isfinite(x + y + radius) and radius >= 2 and LEAST_SHARE <= share <= 1):
            raise InputError(
                f"--grey-ball {text!r}: give x,y,r in pixels from the picture's upper left corner, "
                "and perhaps the share of the light that it reflects, e.g. 640.5,480,210,0.18"
            )
        return cls(circle=Circle(x=x, y=y, radius=radius), reflectance=share)

    def check(self, view: View, mirror: Circle) -> None:
        """Refuse a picture in which it is not, or is where the mirror is.

        Raises:
            InputError: if that is so.
        """
        height, width, _ = view.image.shape
        if self.circle.overhang(width, height) > MAX_OVERHANG:
            raise InputError(
                f"{view.name}: the grey ball sticks out of the picture of {width} x {height} "
                "pixels; check --grey-ball x,y,r"
            )
        apart = math.hypot(self.circle.x - mirror.x, self.circle.y - mirror.y)
        if apart < 0.9 * (self.circle.radius + mirror.radius):
            raise InputError(
                f"{view.name}: the mirror (x {mirror.x:.1f}, y {mirror.y:.1f}, radius "
                f"{mirror.radius:.1f}) covers the grey ball, or is taken for it; say where the "
                "mirror is with --circle x,y,r"
            )
