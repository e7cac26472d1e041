"""What a command line says of a ball, and how its map is solved for."""

from __future__ import annotations

import pytest

from envmap_inverse.console.ball_choice import BallChoice
from envmap_inverse.errors import Faults

SEARCHED = 0.15
"""Share of outliers that are looked for by default."""


@pytest.mark.parametrize(
    ("reflectance", "material", "viewpoints", "share"),
    [
        (None, None, [0, 0], 0.0),
        ("Cr", None, [0], 0.0),
        (None, "chrome", [0], 0.0),
        (None, None, [0, 1], SEARCHED),
        (None, "chrome:roughness=0.2", [0], SEARCHED),
        (None, "grey-diffuse", [0], SEARCHED),
    ],
)
def test_a_mirror_from_one_viewpoint_has_no_outliers(
    reflectance: str | None, material: str | None, viewpoints: list[int], share: float
) -> None:
    faults = Faults()
    choice = BallChoice.parse(faults, reflectance, material, None, viewpoints)
    faults.report()
    assert choice.optimizer.max_outliers == share
