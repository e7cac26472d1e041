"""What the command line's options stand for, and how they are written down again."""

from __future__ import annotations

import dataclasses
import enum
import json
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Annotated, Any, get_args, get_type_hints

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse import priors
from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.priors import Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.scene.scene import as_map

__all__ = [
    "FilmSize",
    "Frames",
    "Overwrite",
    "Report",
    "SceneFile",
    "Seed",
    "Spp",
    "TrustInput",
    "given_files",
    "given_settings",
    "make_choice",
    "make_priors",
    "number_or_image",
    "pixel_size",
    "read_map",
    "resolved_settings",
    "sensor_numbers",
    "spec_of",
]

SceneFile = Annotated[Path, typer.Argument(metavar="SCENE", help="Mitsuba scene (XML).")]
FilmSize = Annotated[
    str | None,
    typer.Option(
        "--size",
        metavar="N|WxH",
        help="Film in pixels in place of the scene's: its longer side, or width and height. Its "
        "horizontal field of view stays.",
    ),
]
Spp = Annotated[int, typer.Option(help="Samples per pixel.")]
Seed = Annotated[int, typer.Option(help="Seed; the same one gives the same result.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")
]
Report = Annotated[bool, typer.Option(help="Also write report.html, which shows it all.")]
Frames = Annotated[bool, typer.Option(help="Also write a picture of every iteration, and a video.")]
TrustInput = Annotated[
    bool,
    typer.Option("--trust-input", help="Read files at once, not in a guarded process first."),
]

Choices = Mapping[str, Callable[..., Any]]

_KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}

_OF_THE_CALL = {"config", "overwrite", "trust_input", "resume", "checkpoint_every"} | {
    *("live", "live_port", "live_host"),
}
"""Options that do not change what a run makes."""


def given_settings(context: typer.Context) -> dict[str, Any]:
    """The options of a command as TOML values; files by their full path."""
    settings = {}
    for name, value in context.params.items():
        if name not in _OF_THE_CALL:
            settings[name] = _plain(value)
    return settings


def resolved_settings(problem: Problem) -> dict[str, Any]:
    """The options that have other defaults from run to run."""
    sensors = [view.sensor for view in problem.views]
    sizes = {problem.scene.film_size(sensor) for sensor in sensors}
    return {
        **({"size": "{}x{}".format(*sizes.pop()), "full_size": False} if len(sizes) == 1 else {}),
        "sensor": ",".join(map(str, sensors)),
        "map_size": "{}x{}".format(*problem.scene.envmap.resolution),
        "loss": spec_of(problem.loss),
        "prior": [spec_of(prior) for prior in problem.priors] or ["none"],
    }


def spec_of(choice: Any) -> str:
    """A loss, prior or parameterization as its option takes it."""
    fields = dataclasses.asdict(choice)
    values = ",".join(f"{key}={json.dumps(value)}" for key, value in fields.items())
    return type(choice).__name__ + (f":{values}" if values else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return str(value.resolve())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, enum.Enum) else value


def make_priors(specs: list[str] | None, default: tuple[Prior, ...]) -> tuple[Prior, ...]:
    """The priors of --prior, the default without one, none for "none"."""
    if not specs:
        return default
    if specs == ["none"]:
        return ()
    return tuple(make_choice(priors, "--prior", spec) for spec in specs)


def read_map(path: Path) -> NDArray[np.float32]:
    """The texels of an image file, checked to be a map."""
    image = read_image(path)
    try:
        return as_map(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def sensor_numbers(option: str) -> list[int]:
    """What --sensor lists."""
    try:
        return [int(part) for part in option.split(",")]
    except ValueError:
        raise InputError(f"--sensor {option!r}: give numbers, e.g. 0 or 0,1") from None


def given_files(*options: Path | str | None) -> list[Path]:
    """Those of the options that name a file; None and numbers do not."""
    return [Path(option) for option in options if option is not None and not _is_number(option)]


def _is_number(option: Path | str) -> bool:
    try:
        float(str(option))
    except ValueError:
        return False
    return True


def number_or_image(option: str) -> float | NDArray[np.float32]:
    """What --initial names."""
    return float(option) if _is_number(option) else read_image(option)


def make_choice(source: ModuleType | Choices, option: str, spec: str, **more: Any) -> Any:
    """What NAME[:key=value,...] names.

    Args:
        source: a module whose `__all__` lists dataclasses; or functions that make them, by name.
        option: what messages call it.
        spec: the name, which may be in other case, and values of fields.
        **more: values of other fields.

    Raises:
        InputError: if there is nothing of that name, or it does not take a value.
    """
    if isinstance(source, ModuleType):
        source = {name: getattr(source, name) for name in source.__all__}
    name, _, arguments = spec.partition(":")
    names = {candidate.lower(): candidate for candidate in source}
    if name.lower() not in names:
        raise InputError(f"{option} {name!r}: unknown; choose one of {', '.join(source)}")
    maker = source[names[name.lower()]]
    hints = _plain_fields(getattr(maker, "__self__", maker))
    try:
        values = tomllib.loads(arguments.replace(",", "\n"))
        _check_values(values, hints)
        return maker(**values, **more)
    except (tomllib.TOMLDecodeError, TypeError, ValueError) as error:
        keys = ", ".join(hints) or "none"
        raise InputError(f"{option} {spec!r}: {error}; its keys are: {keys}") from None


def _plain_fields(kind: Any) -> dict[str, tuple[Any, ...]]:
    """The types of those fields of a dataclass that hold numbers, words or truth values."""
    hints = {key: get_args(hint) or (hint,) for key, hint in get_type_hints(kind).items()}
    named = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {key: types for key, types in named.items() if {int, float, bool, str} & {*types}}


def _check_values(values: Mapping[str, Any], hints: Mapping[str, tuple[Any, ...]]) -> None:
    """Check that values of TOML are of their fields' types.

    Raises:
        ValueError: if one is not.
    """
    for key, value in values.items():
        if key not in hints:
            raise ValueError(f"has no key {key!r}")
        types = hints[key]
        words = [word for hint in types for word in get_args(hint)]  # of a Literal
        takes = (float, int) if float in types else types
        if value not in words and type(value) not in takes:
            kinds = [_KINDS[kind] for kind in (float, int, bool, str) if kind in types]
            wanted = [*kinds[:1], *map(repr, words)]
            raise ValueError(f"{key} must be {' or '.join(wanted)}; found {value!r}")


def pixel_size(option: str, text: str | None) -> int | tuple[int, int] | None:
    """What --size names: N or WxH.

    Raises:
        InputError: if it is neither; the message begins with the option's name.
    """
    if text is None:
        return None
    sides = [int(part) for part in text.lower().split("x") if part.isdecimal()]
    if len(sides) != text.lower().count("x") + 1 or len(sides) > 2 or min(sides) < 1:
        raise InputError(f"{option} {text}: give pixels, e.g. 512 or 640x400")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
