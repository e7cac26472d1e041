"""Find the pictures that a command names, and how each was taken."""

from __future__ import annotations

import glob
import math
import os
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from envmap_inverse.console.options import sensor_numbers
from envmap_inverse.errors import Faults, InputError, counted
from envmap_inverse.images import endings, is_readable
from envmap_inverse.images.video import is_video
from envmap_inverse.problem.placing import Crop
from envmap_inverse.problem.view import Exposure
from envmap_inverse.scene.scene import Scene

__all__ = [
    "VIEW_KEYS",
    "Shots",
    "crops_of",
    "exposures_of",
    "find_masks",
    "find_pictures",
    "flat_options",
    "one_each",
    "parse_sensors",
]

VIEW_KEYS = ("image", "sensor", "mask", "exposure", "crop")
_MAX_NAMED = 5
_T = TypeVar("_T")


@dataclass(frozen=True, kw_only=True)
class Shots:
    """The pictures that a command names, and how each was taken.

    Attributes:
        pictures: their files.
        exposures: of each; empty if there is a fault in them.
        crops: which part of its film each shows, None for those of which it is not said; empty if
            there is a fault in them.
        is_exposure_given: whether --exposure is.
        masks: file of each one's mask, or "none"; empty if there is a fault in them.
        named_masks: the masks as they are named: one for all, or one for each.
        sensor: value of --sensor.
    """

    pictures: list[Path]
    exposures: list[Exposure]
    crops: list[Crop | None]
    is_exposure_given: bool
    masks: list[str]
    named_masks: list[str]
    sensor: str | None

    @classmethod
    def parse(
        cls,
        faults: Faults,
        references: Sequence[Path] | None,
        exposure: str | None = None,
        mask: Sequence[str] | None = None,
        crop: Sequence[str] | None = None,
        sensor: str | None = None,
        *,
        videos: bool = False,
        mask_option: str = "--mask",
    ) -> Shots:
        """Find the pictures, and parse their options; `faults` keeps what is wrong."""
        faults.attempt(sensor_numbers, sensor or "0")
        pictures = faults.attempt(find_pictures, references or [], videos=videos) or []
        count = len(pictures)
        named = find_masks(mask)
        return cls(
            pictures=pictures,
            exposures=faults.attempt(exposures_of, exposure, count) or [],
            crops=faults.attempt(crops_of, crop, count) or [],
            is_exposure_given=exposure is not None,
            masks=faults.attempt(one_each, mask_option, named or ["none"], count) or [],
            named_masks=named,
            sensor=sensor,
        )

    @property
    def is_whole(self) -> bool:
        """Whether there are pictures, and each has an exposure, and a mask and a crop or none."""
        return bool(self.pictures and self.exposures and self.masks and self.crops)

    @property
    def count(self) -> str:
        """The number of pictures in words."""
        return counted(len(self.pictures), "picture")

    def layers(self, layer: str | None) -> dict[Path, str | None]:
        """The layer to read, by picture."""
        return dict.fromkeys(self.pictures, layer)

    def sizes(self, scene: Scene, sensors: Sequence[int]) -> list[tuple[int, int]]:
        """(width, height) of each picture's film, or of the part of it that the picture shows."""
        return [
            scene.film_size(sensor) if crop is None else (round(crop.width), round(crop.height))
            for sensor, crop in zip(sensors, self.crops, strict=True)
        ]

    @property
    def mask_files(self) -> list[Path]:
        """The files of the masks."""
        return [Path(name) for name in self.named_masks if name != "none"]


def find_pictures(references: Sequence[Path], *, videos: bool = False) -> list[Path]:
    """Find the named files; folders and patterns stand for their pictures, in order.

    Numbers in names count as numbers: r_2 comes before r_10.

    Args:
        references: the names.
        videos: whether a video may be among them.
    """
    found: list[Path] = []
    faults = Faults()
    for reference in references:
        if reference.is_dir():
            inside = _pictures_in(reference)
        elif not reference.exists() and glob.has_magic(str(reference)):
            inside = sorted(map(Path, glob.glob(str(reference))), key=_natural)  # noqa: PTH207
        else:
            inside = [reference]
        if is_video(reference) and not videos:
            faults.keep(
                InputError(f"{reference}: is a video; estimate --sequence follows its light")
            )
        if not inside:
            kinds = ", ".join(endings())
            faults.keep(InputError(f"{reference}: no picture there; use one of {kinds}"))
        found += inside
    faults.report()
    return found


def _pictures_in(folder: Path) -> list[Path]:
    """Find the pictures of a folder; warn of any other files that are not hidden."""
    visible = sorted((p for p in folder.iterdir() if not p.name.startswith(".")), key=_natural)
    others = [path.name for path in visible if not (is_readable(path) and path.is_file())]
    if others:
        more = f" and {len(others) - _MAX_NAMED} more" if len(others) > _MAX_NAMED else ""
        names = ", ".join(others[:_MAX_NAMED])
        warnings.warn(f"{folder}: not read as pictures: {names}{more}", stacklevel=3)
    return [path for path in visible if path.name not in others]


def _natural(path: Path) -> tuple[Any, ...]:
    """A key that sorts numbers in names by value."""
    parts = re.split(r"(\d+)", str(path).casefold())  # numbers are at odd indices
    return (*(int(part) if place % 2 else part for place, part in enumerate(parts)), str(path))


def find_masks(option: Sequence[str] | None) -> list[str]:
    """Full paths, or "none", for names that may be separated by commas."""
    names = [
        part
        for name in option or []
        for part in ([name] if Path(name).exists() else name.split(","))
    ]
    return [name if name == "none" else os.path.realpath(name) for name in names]


def flat_options(entries: Any, source: str) -> dict[str, Any]:
    """Convert a [[view]] list of a TOML file to command-line options."""
    if not (isinstance(entries, list) and all(isinstance(e, Mapping) for e in entries) and entries):
        raise InputError(f"{source}: view must be a list of tables, each headed [[view]]")
    for number, entry in enumerate(entries):
        unknown = sorted(set(entry) - set(VIEW_KEYS))
        if unknown or "image" not in entry:
            found = f"unknown key {unknown[0]!r}" if unknown else "no image"
            raise InputError(
                f"{source}: [[view]] number {number}: {found}; its keys are {', '.join(VIEW_KEYS)}"
            )
    return {
        "reference": [str(entry["image"]) for entry in entries],
        "sensor": ",".join(str(entry.get("sensor", k)) for k, entry in enumerate(entries)),
        "mask": [str(entry.get("mask", "none")) for entry in entries],
        "exposure": ",".join(_word(entry.get("exposure", 1)) for entry in entries),
        "crop": [_word(entry.get("crop", "none"), ",") for entry in entries],
    }


def parse_sensors(option: str | None, num_views: int, num_sensors: int) -> list[int]:
    """Choose each picture's sensor: as listed, or without a list the only one, or in order.

    Raises:
        InputError: if the list does not fit the pictures, or a list is needed.
    """
    if option is None:
        if num_sensors == 1:
            return [0] * num_views
        if num_views > num_sensors:
            raise InputError(
                f"{num_views} pictures, but the scene has {num_sensors} sensors; name the sensor "
                "of each with --sensor, e.g. --sensor 0 or --sensor 0,0,1"
            )
        return list(range(num_views))
    faults = Faults()
    numbers = sensor_numbers(option)
    for number in dict.fromkeys(numbers):
        if not 0 <= number < num_sensors:
            has = f"the scene has {counted(num_sensors, 'sensor')}, numbered from 0"
            faults.keep(InputError(f"--sensor {number}: {has}"))
    listed = faults.attempt(one_each, "--sensor", numbers, num_views)
    faults.report()
    return listed or []


def one_each(option: str, values: list[_T], count: int) -> list[_T]:
    """A value of an option for each picture, from that many or one for all.

    Raises:
        InputError: if there is another number of values.
    """
    if count and len(values) not in {1, count}:
        raise InputError(
            f"{option} has {counted(len(values), 'value')} for {counted(count, 'picture')}; give "
            f"{' or '.join(dict.fromkeys(('1', str(count))))}"
        )
    return values * count if len(values) == 1 else values


def _word(value: Any, between: str = ":") -> str:
    """Write an exposure or a crop of a TOML file as the value of its option."""
    return between.join(map(str, value)) if isinstance(value, list) else str(value)


def crops_of(option: Sequence[str] | None, count: int) -> list[Crop | None]:
    """Parse --crop into the part of the film that each of so many pictures shows.

    Raises:
        InputError: if one of its values is no rectangle, or there is another number of values.
    """
    faults = Faults()
    found = [faults.attempt(_crop, text) for text in option or ()]
    each = faults.attempt(one_each, "--crop", found or [None], count)
    faults.report()
    return each or []


def _crop(text: str) -> Crop | None:
    if text == "none":
        return None
    try:
        x, y, width, height = (float(part) for part in text.split(","))
    except ValueError:
        x = y = width = height = math.nan
    if not (math.isfinite(x + y + width + height) and min(x, y) >= 0 and min(width, height) >= 1):
        raise InputError(
            f"--crop {text!r}: give X,Y,W,H in pixels of the film from its upper left corner, e.g. "
            "320,200,640,480, or none"
        )
    return Crop(x, y, width, height)


def exposures_of(option: str | None, count: int) -> list[Exposure]:
    """Parse --exposure into the exposures of so many pictures.

    Raises:
        InputError: if one of its values is no exposure, or there is another number of values.
    """
    faults = Faults()
    found = [faults.attempt(_exposure, word) for word in (option or "1").split(",")]
    each = faults.attempt(one_each, "--exposure", found, count)
    faults.report()
    return [exposure for exposure in each or () if exposure is not None]


def _exposure(word: str) -> Exposure:
    if word in {"auto", "auto-rgb"}:
        return word
    try:
        numbers = [float(part) for part in word.split(":")]
    except ValueError:
        numbers = []
    if len(numbers) not in {1, 3}:
        raise InputError(
            f"--exposure {word!r}: give a number, three as 1:0.9:0.8, auto or auto-rgb"
        )
    return numbers[0] if len(numbers) == 1 else numbers
