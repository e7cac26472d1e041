"""Read the pictures that a command names, and how they were taken."""

from __future__ import annotations

import enum
import glob
import re
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from envmap_inverse.console.options import make_fields, sensor_numbers
from envmap_inverse.console.output import tell
from envmap_inverse.errors import Faults, InputError, counted
from envmap_inverse.images import Picture, endings, is_readable, read_mask, read_picture
from envmap_inverse.problem.noise import Noise
from envmap_inverse.problem.view import Exposure, View
from envmap_inverse.scene.scene import Scene

__all__ = [
    "VIEW_KEYS",
    "Alpha",
    "Orientation",
    "exposures_of",
    "find_masks",
    "find_pictures",
    "flat_options",
    "noise_of",
    "one_each",
    "parse_sensors",
    "read_views",
    "say_who_took_what",
]

VIEW_KEYS = ("image", "sensor", "mask", "exposure")
_MAX_NAMED = 5
_T = TypeVar("_T")


class Orientation(enum.StrEnum):
    """Values of --orientation."""

    auto = "auto"
    upright = "upright"
    stored = "stored"


class Alpha(enum.StrEnum):
    """Values of --alpha."""

    mask = "mask"
    ignore = "ignore"


def find_pictures(references: Sequence[Path]) -> list[Path]:
    """Find the named files; folders and patterns stand for their pictures, in order.

    Numbers in names count as numbers: r_2 comes before r_10.
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


def read_views(
    pictures: Sequence[Path],
    sensors: Sequence[int],
    *,
    masks: Sequence[str],
    exposures: Sequence[Exposure],
    gamma: float | None,
    white: float | None,
    black: float | None,
    censoring: bool,
    sizes: Sequence[tuple[int, int]] | None = None,
    orientation: str = "auto",
    alpha: str = "mask",
    layer: str | None = None,
    noise: Noise | Literal["auto"] = "auto",
) -> list[View]:
    """Read pictures and masks.

    Args:
        pictures: files of the pictures.
        sensors: index of each picture's sensor.
        masks: file of each picture's mask; "none" for no mask.
        exposures: of each picture.
        gamma: see `read_image`.
        white: level from which values are clipped at the top, in place of the level of 8-bit files.
        black: the corresponding level at the bottom.
        censoring: whether clipped values are bounds, not exact.
        sizes: (width, height) of each picture's film, whose shape decides how the picture is
            turned; None to turn all upright.
        orientation: "auto", or "upright" or "stored" for all pictures.
        alpha: "mask" or "ignore".
        layer: layer to read from EXR files.
        noise: of all pictures.
    """
    faults = Faults()

    def read_view(number: int, mask: str, exposure: Exposure) -> View:
        picture = read_picture(pictures[number], gamma=gamma, layer=layer)
        if gamma is not None and picture.bit_depth is None:
            picture = picture.noting("--gamma not used: its values are linear")
        picture = _turned(picture, orientation, None if sizes is None else sizes[number])
        return View(
            _treated(picture, keeps_alpha=alpha == "mask", keeps_levels=censoring),
            sensor=sensors[number],
            mask=None if mask == "none" else read_mask(mask),
            exposure=exposure,
            white=white,
            black=black,
            name=str(pictures[number]),
            noise=noise,
        )

    views = [
        faults.attempt(read_view, *taken)
        for taken in zip(range(len(pictures)), masks, exposures, strict=True)
    ]
    faults.report()
    return [view for view in views if view is not None]


def _turned(picture: Picture, orientation: str, size: tuple[int, int] | None) -> Picture:
    if orientation == "stored":
        return replace(picture, orientation=1)
    if orientation == "upright" or size is None:
        return picture.upright
    return picture.for_size(size)


def _treated(picture: Picture, *, keeps_alpha: bool, keeps_levels: bool) -> Picture:
    """Drop the alpha and the clipping levels that are not wanted."""
    if picture.mask is not None:
        share = 100 * float(1 - picture.mask.mean())
        picture = picture.noting(
            f"masked by its alpha, {share:.3g} % of it" if keeps_alpha else "alpha ignored"
        )
    if not keeps_alpha:
        picture = replace(picture, alpha=None)
    return picture if keeps_levels else replace(picture, white=None, black=None)


def say_who_took_what(scene: Scene, views: Sequence[View]) -> None:
    """Print which sensor took each picture, and how it was read."""
    for number, view in enumerate(views):
        height, width, _ = view.image.shape
        sensor = f"sensor {view.sensor} {scene.sensor(view.sensor).id()}".rstrip()
        notes = () if view.picture is None else view.picture.notes
        words = f"picture {number}: {view.name} ({width} x {height}), {sensor}"
        tell("; ".join((words, *notes)))


def find_masks(option: Sequence[str] | None) -> list[str]:
    """Full paths, or "none", for names that may be separated by commas."""
    names = [
        part
        for name in option or []
        for part in ([name] if Path(name).exists() else name.split(","))
    ]
    return [name if name == "none" else str(Path(name).resolve()) for name in names]


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


def _word(exposure: Any) -> str:
    """Write an exposure of a TOML file as a value of --exposure."""
    return ":".join(map(str, exposure)) if isinstance(exposure, list) else str(exposure)


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


def noise_of(text: str) -> Noise | Literal["auto"]:
    """Parse --noise.

    Raises:
        InputError: if it has an unknown key, or a value that cannot be.
    """
    if text == "auto":
        return "auto"
    made: Noise = make_fields(Noise, f"--noise {text!r}", "" if text == "none" else text)
    return made
