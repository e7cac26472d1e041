"""The files that `ball` writes besides those of a run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.console.output import tell
from envmap_inverse.images import write_image
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.scene.ball import BallShot
from envmap_inverse.solving import layout
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


def write_unwrap(
    folder: Path,
    views: Sequence[View],
    shots: Sequence[BallShot],
    problem: Problem,
    summary: Mapping[str, Any],
) -> None:
    """Write the plain geometric unwrapping of the pictures, to compare."""
    exposures = summary["exposures"]
    found: NDArray[np.float32] = problem.exposures if exposures is None else np.array(exposures)
    circles = [shots[view.sensor].in_window for view in views]
    discs = [
        Disc(image=view.image / exposure, is_clipped=view.is_over, circle=circle)
        for view, exposure, circle in zip(views, found, circles, strict=True)
    ]
    disc = merged(discs, np.mean(found, axis=1))
    width, height = problem.scene.envmap.resolution
    path = folder / layout.UNWRAP
    write_image(path, unwrap(disc, height, width, shots[0].turn()))
    tell(f"{path} is the geometric unwrapping alone (as convert --from ball), to compare")
