"""The pictures that a command names, and how they were taken."""

from __future__ import annotations

import glob
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from envmap_inverse.console.options import sensor_numbers
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.images import READABLE, clipping_levels, read_image, read_mask
from envmap_inverse.problem.problem import Exposure, View

__all__ = [
    "VIEW_KEYS",
    "find_masks",
    "find_pictures",
    "flat_options",
    "parse_sensors",
    "read_views",
]

VIEW_KEYS = ("image", "sensor", "mask", "exposure")


def find_pictures(references: Sequence[Path]) -> list[Path]:
    """The files that are named; folders and patterns stand for the pictures in them, in order."""
    found: list[Path] = []
    faults = Faults()
    for reference in references:
        if reference.is_dir():
            inside = sorted(p for p in reference.iterdir() if p.suffix.lower() in READABLE)
        elif not reference.exists() and glob.has_magic(str(reference)):
            inside = [Path(name) for name in sorted(glob.glob(str(reference)))]  # noqa: PTH207
        else:
            inside = [reference]
        if not inside:
            kinds = ", ".join(READABLE)
            faults.keep(InputError(f"{reference}: no picture there; use one of {kinds}"))
        found += inside
    faults.report()
    return found


def read_views(
    pictures: Sequence[Path],
    sensors: Sequence[int],
    *,
    masks: Sequence[str],
    exposures: str | None,
    gamma: float | None,
    white: float | None,
    black: float | None,
    censoring: bool,
) -> list[View]:
    """Read pictures and masks.

    Args:
        pictures: files.
        sensors: index of each one's sensor.
        masks: files, one for all or one for each picture; "none" for no mask.
        exposures: as --exposure takes them.
        gamma: see `read_image`.
        white: values that are clipped, in place of those that 8-bit files have.
        black: the same at the bottom.
        censoring: whether clipped values are bounds, not exact.
    """
    count = len(pictures)
    mask_names = _one_each("--mask", list(masks or ["none"]), count)
    words = _one_each("--exposure", (exposures or "1").split(","), count)
    faults = Faults()

    def read_view(path: Path, sensor: int, mask: str, word: str) -> View:
        top, bottom = clipping_levels(path, gamma=gamma) if censoring else (None, None)
        return View(
            read_image(path, gamma=gamma),
            sensor=sensor,
            mask=None if mask == "none" else read_mask(mask),
            exposure=_exposure(word),
            white=top if white is None else white,
            black=bottom if black is None else black,
            name=str(path),
        )

    views = [
        faults.attempt(read_view, *taken)
        for taken in zip(pictures, sensors, mask_names, words, strict=True)
    ]
    faults.report()
    return [view for view in views if view is not None]


def find_masks(option: Sequence[str] | None) -> list[str]:
    """Full paths, or "none", of names that may be separated by commas."""
    names = [
        part
        for name in option or []
        for part in ([name] if Path(name).exists() else name.split(","))
    ]
    return [name if name == "none" else str(Path(name).resolve()) for name in names]


def flat_options(entries: Any, source: str) -> dict[str, Any]:
    """The command-line options that a [[view]] list of a TOML file stands for."""
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


def parse_sensors(option: str | None, num_views: int) -> list[int]:
    """The sensor of each picture: in order, all one, or as listed."""
    if option is None:
        return list(range(num_views))
    return _one_each("--sensor", sensor_numbers(option), num_views)


def _one_each(option: str, values: list[Any], count: int) -> list[Any]:
    if len(values) not in {1, count}:
        raise InputError(
            f"{option} has {len(values)} values for {count} pictures; give 1 or {count}"
        )
    return values * count if len(values) == 1 else values


def _word(exposure: Any) -> str:
    """An exposure of a TOML file as --exposure takes it."""
    return ":".join(map(str, exposure)) if isinstance(exposure, list) else str(exposure)


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
