"""The files that `ball` writes besides those of a run."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.console.ball_problem import Stated
from envmap_inverse.console.output import tell
from envmap_inverse.images import write_image
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot
from envmap_inverse.solving import layout
from envmap_inverse.sphere.latlong import texel_directions
from envmap_inverse.sphere.unwrapping import Disc, merged, unwrap
from envmap_inverse.system.writing import write_bytes

__all__ = ["write_scene", "write_unwrap"]


def write_scene(folder: Path, text: str, views: Sequence[View]) -> None:
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


def write_unwrap(folder: Path, made: Stated, left_out: float, summary: Mapping[str, Any]) -> None:
    """Write the plain geometric unwrapping of the pictures, to compare.

    Several viewpoints are blended, each counting most on the side of its camera.

    Args:
        folder: of the run.
        made: the problem, and what it was made of.
        left_out: degrees from a camera within which other viewpoints count alone.
        summary: of the run.
    """
    exposures = summary["exposures"]
    found = made.problem.exposures if exposures is None else np.array(exposures)
    num_texels = math.prod(made.problem.scene.envmap.resolution)
    height = max(2, round(math.sqrt(num_texels / 2)))  # a map of another shape is not unwrapped
    width = 2 * height
    directions = texel_directions(height, width)
    light = weights = np.zeros((height, width, 1))
    for viewpoint in sorted(set(made.viewpoints)):
        discs, shares, shot = _discs(made, found, viewpoint)
        texels = unwrap(merged(discs, shares), height, width, shot.turn())
        cosines = (directions @ shot.towards_camera)[:, :, None]
        weight = np.where(cosines < math.cos(math.radians(left_out)), 1.001 + cosines, 1e-3)
        light, weights = light + weight * texels, weights + weight
    path = folder / layout.UNWRAP
    write_image(path, np.asarray(light / weights, np.float32))
    tell(f"{path} is the geometric unwrapping alone (as convert --from ball), to compare")


def _discs(
    made: Stated, exposures: NDArray[np.floating[Any]], viewpoint: int
) -> tuple[list[Disc], NDArray[np.floating[Any]], BallShot]:
    """The ball in the pictures of a viewpoint, their exposures, and how the ball stands."""
    numbers = [
        number
        for number, view in enumerate(made.registered)
        if made.viewpoints[view.sensor] == viewpoint
    ]
    views = [made.registered[number] for number in numbers]
    discs = []
    for number, view in zip(numbers, views, strict=True):
        shot = made.shots[view.sensor]
        pixel = shot.window.width / view.image.shape[1]
        discs.append(
            Disc(
                image=view.image / exposures[number],
                is_clipped=view.is_over,
                circle=shot.in_window.scaled(1 / pixel),
            )
        )
    return discs, np.mean(exposures[numbers], axis=1), made.shots[views[0].sensor]
