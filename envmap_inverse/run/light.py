"""Read the light of a run, or of a map."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.lights.light import Light
from envmap_inverse.scene.envmap import read_map
from envmap_inverse.solving import layout

__all__ = ["light_files", "read_light"]


def light_files(path: Path) -> list[Path]:
    """The files that `read_light` reads: those of a run's folder, or the one that is named.

    Raises:
        InputError: if the path is a folder without a map, or there is none.
    """
    if not path.is_dir():
        return [path]
    if not (path / layout.ENVMAP).is_file():
        raise InputError(
            f"{path}: holds no finished run; it has no {layout.ENVMAP}; name the folder of a run, "
            "or a map"
        )
    deviation = [path / layout.DEVIATION] if (path / layout.DEVIATION).is_file() else []
    return [path / layout.ENVMAP, *deviation, *_samples(path)]


def read_light(path: Path) -> Light:
    """Read a map, and its uncertainty from the samples and the deviation in a run's folder.

    Args:
        path: the folder of a run, or an image of a map, whose uncertainty is not known.

    Raises:
        InputError: if it is neither, or a file is damaged or of another size.
        FileNotFoundError: if there is no such path.
    """
    if not path.is_dir():
        return Light(texels=read_map(path))
    first, *others = light_files(path)
    texels = read_map(first)
    maps = {}
    for other in others:
        maps[other] = read_image(other)
        if maps[other].shape != texels.shape:
            raise InputError(
                f"{other}: has the shape {maps[other].shape} but {layout.ENVMAP} {texels.shape}; "
                "repeat the run"
            )
    samples = [maps[each] for each in others if each.name != layout.DEVIATION]
    return Light(
        texels=texels,
        samples=np.stack(samples) if samples else None,
        deviation=maps.get(path / layout.DEVIATION),
    )


def _samples(path: Path) -> list[Path]:
    """The random maps of a run, in order, as far as they follow each other."""
    found: list[Path] = []
    while (sample := path / layout.sample(len(found))).is_file():
        found.append(sample)
    return found
