"""Several viewpoints of a ball: which pictures are of which, and how they are turned."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import numpy as np

from envmap_inverse.console.output import tell
from envmap_inverse.console.shots import find_pictures, one_each
from envmap_inverse.errors import Faults, InputError, counted
from envmap_inverse.problem.looks import look_of
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot
from envmap_inverse.sphere.latlong import angle_between
from envmap_inverse.sphere.turns import Turn, find_turn
from envmap_inverse.system.progress import stage

__all__ = ["SEPARATOR", "one_for_each", "pictures_by_viewpoint", "turned"]

SEPARATOR = ":"
"""Word between the pictures of two viewpoints."""

LEAST_LIKENESS, LEAST_LEAD = 0.75, 0.03
"""Correlation of two looks at the same light, and by how much it exceeds that of any other turn."""

PERSON = 12.0
"""Degrees from the camera within which a viewpoint may show a person where others do not."""

_T = TypeVar("_T")


def pictures_by_viewpoint(photos: Sequence[Path]) -> tuple[list[Path], list[int]]:
    """Find the pictures, and the number of the viewpoint of each; ":" begins another viewpoint.

    Raises:
        InputError: if a viewpoint has no picture.
    """
    groups: list[list[Path]] = [[]]
    for photo in photos:
        if str(photo) == SEPARATOR:
            groups.append([])
        else:
            groups[-1].append(photo)
    if len(groups) > 1 and not all(groups):
        raise InputError(
            "':' stands between the pictures of two viewpoints; give pictures on both sides of it"
        )
    faults = Faults()
    found = [faults.attempt(find_pictures, group) or [] for group in groups]
    faults.report()
    numbers = [number for number, group in enumerate(found) for _ in group]
    return [picture for group in found for picture in group], numbers


def one_for_each(option: str, values: list[_T], viewpoints: Sequence[int]) -> list[_T]:
    """A value for each picture, from one for all, one for each viewpoint, or one for each picture.

    Raises:
        InputError: if there is another number of values.
    """
    num_viewpoints = max(viewpoints, default=0) + 1
    if len(values) == num_viewpoints:
        return [values[number] for number in viewpoints]
    if num_viewpoints > 1 and len(values) not in {1, len(viewpoints)}:
        raise InputError(
            f"{option} has {counted(len(values), 'value')} for {num_viewpoints} viewpoints with "
            f"{counted(len(viewpoints), 'picture')}; give one, one for each viewpoint, or one for "
            "each picture"
        )
    return one_each(option, values, len(viewpoints))


def turned(
    views: Sequence[View],
    shots: Sequence[BallShot],
    viewpoints: Sequence[int],
    left_out: float,
) -> list[BallShot]:
    """Find how the cameras are turned about the ball against the first; printed.

    Args:
        views: whole pictures, of which each one's sensor is the number of its shot.
        shots: the ball in the pictures, as if they were all of the first viewpoint.
        viewpoints: number of each shot's.
        left_out: degrees from the camera within which light is left out.

    Raises:
        InputError: if no turn explains the pictures of two viewpoints.
    """
    count = max(viewpoints) + 1
    if count == 1:
        return list(shots)
    faults = Faults()
    made = list(shots)
    groups = [
        [view for view in views if viewpoints[view.sensor] == number] for number in range(count)
    ]
    with stage("Comparing the viewpoints"):
        looks = [look_of(group, shots, max(left_out, PERSON)) for group in groups]
        for number in range(1, count):
            turn = find_turn(looks[0], looks[number])
            faults.attempt(_check, turn, groups[0][0], groups[number][0])
            for place, shot in enumerate(shots):
                if viewpoints[place] == number:
                    made[place] = replace(shot, turned=turn.vector)
            _say(turn, groups[0][0], groups[number][0], made)
    faults.report()
    return made


def _check(turn: Turn, first: View, other: View) -> None:
    if turn.likeness < LEAST_LIKENESS or turn.likeness - turn.next_likeness < LEAST_LEAD:
        found = (
            f"the likest agree by {turn.likeness:.2f} only"
            if turn.likeness < LEAST_LIKENESS
            else f"two agree by {turn.likeness:.2f} and {turn.next_likeness:.2f}"
        )
        raise InputError(
            f"{other.name}: no turn of the camera about the ball explains it with {first.name} "
            f"({found}); take pictures of the same ball, unmoved, under the same light"
        )


def _say(turn: Turn, first: View, other: View, shots: Sequence[BallShot]) -> None:
    places = (np.asarray(shots[view.sensor].towards_camera) for view in (first, other))
    beside = math.degrees(float(angle_between(*places)))
    tell(
        f"{other.name}: taken from {beside:.1f} degrees beside {first.name}, to judge by what the "
        f"ball mirrors (+-{turn.deviation:.2f} degrees; they agree by {turn.likeness:.2f}, under "
        f"any other turn by {turn.next_likeness:.2f} at most)"
    )
