"""What a command line says of the ball itself: mirror or not, and what stands beside it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from envmap_inverse.console.balls import ball_material
from envmap_inverse.console.grey_balls import GreyBall
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.scene.ball import reflectance_of_diffuse

__all__ = ["BallChoice"]

FEW_STEPS = 3
"""Multiplicative steps from a start that is nearly right; more would fit the recording's noise."""

PHOTOGRAPHER = 12.0
"""Degrees from the camera within which a photographer stands, if no angle is given."""


@dataclass(frozen=True, kw_only=True)
class BallChoice:
    """The ball that pictures show.

    Attributes:
        bsdf: its material.
        grey: a grey ball beside it in the first viewpoint's pictures.
        num_viewpoints: how many viewpoints its pictures have.
    """

    bsdf: dict[str, Any]
    grey: GreyBall | None = None
    num_viewpoints: int = 1

    @classmethod
    def parse(
        cls,
        faults: Faults,
        reflectance: str | None,
        material: str | None,
        grey_ball: str | None,
        viewpoints: Sequence[int],
    ) -> BallChoice:
        """Parse --reflectance, --material and --grey-ball; `faults` keeps what is wrong."""
        bsdf = faults.attempt(ball_material, reflectance, material) or {"type": "conductor"}
        count = 1 + max(viewpoints, default=0)
        plain = cls(bsdf=bsdf, num_viewpoints=count)
        if plain.is_diffuse and count > 1:
            faults.keep(
                InputError(
                    "':' and --material: several viewpoints are for mirrors, as a diffuse ball "
                    "does not show how they are turned; give the pictures of one"
                )
            )
        grey = faults.attempt(GreyBall.parse, grey_ball, is_diffuse=plain.is_diffuse)
        return cls(bsdf=bsdf, grey=grey, num_viewpoints=count)

    @property
    def is_diffuse(self) -> bool:
        """Whether the ball is no mirror, but matt."""
        return reflectance_of_diffuse(self.bsdf) is not None

    @property
    def optimizer(self) -> Transport:
        """What solves for the map.

        From one viewpoint a mirror shows every direction once: pixels that seem to go with no map
        show light that is finer than the map, such as lamps.
        """
        if self.is_diffuse:
            return Transport(warm_up=FEW_STEPS)
        is_mirror = self.bsdf.get("bsdf", self.bsdf)["type"] == "conductor"
        return (
            Transport(max_outliers=0.0) if is_mirror and self.num_viewpoints == 1 else Transport()
        )

    def left_out(self, angle: float | None, *, is_wanted: bool) -> float:
        """Degrees from the camera within which light is left out.

        Args:
            angle: value of --photographer.
            is_wanted: whether --without-photographer is given.

        Raises:
            InputError: if the angle cannot be, or the ball shows no photographer.
        """
        if self.is_diffuse and (is_wanted or angle is not None):
            raise InputError(
                "--without-photographer and --photographer: for mirrors only; a diffuse ball shows "
                "no one; leave them out"
            )
        if angle is None:
            return PHOTOGRAPHER if is_wanted else 0.0
        if not 0 < angle < 90:
            raise InputError(f"--photographer {angle:g}: give degrees above 0 and below 90")
        return angle
