"""Convert the command line's options to values, and values back to options."""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_args, get_type_hints

import typer

from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.losses import LOSSES, Loss
from envmap_inverse.priors import PRIORS, Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.system.structured import parse_toml

__all__ = [
    "Define",
    "EnvmapName",
    "FilmSize",
    "Frames",
    "Overwrite",
    "OverwriteFile",
    "Report",
    "RowConvention",
    "SceneFile",
    "Seed",
    "Spp",
    "TrustInput",
    "check_new",
    "check_page",
    "definitions",
    "given_files",
    "given_settings",
    "is_number",
    "kind_of",
    "make_choice",
    "make_fields",
    "make_loss",
    "make_priors",
    "names_of",
    "panelled",
    "pixel_size",
    "resolved_settings",
    "sensor_numbers",
    "spec_of",
]


def panelled(panel: str, *names: str, **options: Any) -> Any:
    """A `typer.Option` in a panel of the help."""
    return typer.Option(*names, rich_help_panel=panel, **options)


class RowConvention(enum.StrEnum):
    """Values of --rows and --to-rows: where the rows of a latlong map lie."""

    corner = "corner"
    centred = "centred"


SceneFile = Annotated[Path, typer.Argument(metavar="SCENE", help="Mitsuba scene (XML).")]
Define = Annotated[
    list[str] | None,
    panelled(
        "Scene",
        metavar="NAME=VALUE",
        help="Value of a $NAME of the scene, in place of its default; may be given several times.",
    ),
]
EnvmapName = Annotated[
    str | None,
    panelled("Scene", metavar="ID", help="Environment map to use if the scene has several."),
]
FilmSize = Annotated[
    str | None,
    panelled(
        "Pictures",
        "--size",
        metavar="N|WxH",
        help="Film size in pixels in place of the scene's: the longer side, or width and height. "
        "The horizontal field of view stays.",
    ),
]
Spp = Annotated[int, typer.Option(help="Samples per pixel.")]
Seed = Annotated[int, typer.Option(help="Seed; the same seed gives the same result.")]
Overwrite = Annotated[
    bool, panelled("Output", "--overwrite", help="Replace an earlier run in the folder.")
]
OverwriteFile = Annotated[
    bool, panelled("Output", "--overwrite", help="Replace the file if it exists.")
]
Report = Annotated[bool, panelled("Output", help="Also write report.html, which shows everything.")]
Frames = Annotated[
    bool, panelled("Output", help="Also write a picture of every iteration, and a video.")
]
TrustInput = Annotated[
    bool,
    panelled(
        "Running", "--trust-input", help="Read files directly, not in a guarded process first."
    ),
]

Maker = Callable[..., Any]
"""A dataclass, or a preset of a dataclass: a class method that takes its fields."""

_KINDS = {float: "a number", int: "a whole number", bool: "true or false", str: "a word"}

_OF_THE_CALL = {"config", "overwrite", "trust_input", "resume", "checkpoint_every"} | {
    *("live", "live_port", "live_host", "workers", "ray"),
}
"""Options that do not change the results of a run."""


def given_settings(context: typer.Context) -> dict[str, Any]:
    """The options of a command as TOML values, with full paths of files."""
    settings = {}
    for name, value in context.params.items():
        if name not in _OF_THE_CALL:
            settings[name] = _plain(value)
    return settings


def resolved_settings(problem: Problem) -> dict[str, Any]:
    """The options whose defaults depend on the problem, with their values."""
    sensors = [view.sensor for view in problem.views]
    sizes = {problem.scene.film_size(sensor) for sensor in sensors}
    is_known = len(sizes) == 1 and not any(view.window for view in problem.views)
    return {
        **({"size": "{}x{}".format(*sizes.pop()), "full_size": False} if is_known else {}),
        "sensor": ",".join(map(str, sensors)),
        "map_size": "{}x{}".format(*problem.scene.envmap.resolution),
        "loss": spec_of(problem.loss),
        "prior": [spec_of(prior) for prior in problem.priors] or ["none"],
    }


def spec_of(choice: Any) -> str:
    """Write a loss, prior or parameterization as the value of its option."""
    fields = dataclasses.asdict(choice)
    values = ",".join(f"{key}={json.dumps(value)}" for key, value in fields.items())
    return type(choice).__name__ + (f":{values}" if values else "")


def _plain(value: Any) -> Any:
    if isinstance(value, Path):
        return os.path.realpath(value)  # which takes links in a circle
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value.value if isinstance(value, enum.Enum) else value


def make_priors(specs: list[str] | None) -> tuple[Prior, ...] | None:
    """Make the priors of --prior: None without one, no prior for "none"."""
    if not specs:
        return None
    if specs == ["none"]:
        return ()
    faults = Faults()
    made = [faults.attempt(make_choice, PRIORS, "--prior", spec) for spec in specs]
    faults.report()
    return tuple(made)  # type: ignore[arg-type]  # None would have been a fault


def make_loss(spec: str | None) -> Loss | None:
    """Make the loss of --loss, or return None without one."""
    if spec is None:
        return None
    loss: Loss = make_choice(LOSSES, "--loss", spec)
    return loss


def check_new(path: Path, *, overwrite: bool) -> None:
    """Refuse to write a file that exists, unless it may be replaced.

    Raises:
        InputError: if it exists and may not be replaced.
    """
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already; name another file, or add --overwrite")


def check_page(path: Path | None) -> None:
    """Refuse another ending than that of a page, as pages replace what there is.

    Raises:
        InputError: if the name does not end in .html.
    """
    if path is not None and path.suffix.lower() not in {".html", ".htm"}:
        raise InputError(f"-o {path}: pages are .html files; give it that ending")


def definitions(option: list[str] | None) -> dict[str, str]:
    """Parse --define into values of a scene's `$name` parameters.

    Raises:
        InputError: if one has no name or no "=".
    """
    values = {}
    for word in option or []:
        name, equals, value = word.partition("=")
        if not (name.isidentifier() and equals):
            raise InputError(f"--define {word!r}: give NAME=VALUE, e.g. --define resolution=512")
        values[name] = value
    return values


def sensor_numbers(option: str) -> list[int]:
    """Parse the numbers that --sensor lists."""
    try:
        return [int(part) for part in option.split(",")]
    except ValueError:
        raise InputError(f"--sensor {option!r}: give numbers, e.g. 0 or 0,1") from None


def given_files(*options: Path | str | None) -> list[Path]:
    """The options that name a file; None and numbers do not."""
    return [Path(option) for option in options if option is not None and not is_number(option)]


def is_number(option: Path | str) -> bool:
    """Whether the value of an option is a number, not a file."""
    try:
        float(str(option))
    except ValueError:
        return False
    return True


def names_of(makers: Iterable[Maker]) -> str:
    """The names of classes and presets as a list to read."""
    return ", ".join(maker.__name__ for maker in makers)


def kind_of(maker: Maker) -> Any:
    """The dataclass whose fields a class or a preset takes."""
    return getattr(maker, "__self__", maker)


def make_choice(makers: Iterable[Maker], option: str, spec: str, **more: Any) -> Any:
    """Make the object that NAME[:key=value,...] describes.

    Args:
        makers: dataclasses, and presets of dataclasses.
        option: name of the option in messages.
        spec: the name, in any case, and values of fields.
        **more: values of other fields.

    Raises:
        InputError: if there is no such name or key, or a value is invalid; the message lists the
            valid ones.
    """
    makers = tuple(makers)
    name, _, arguments = spec.partition(":")
    named = {maker.__name__.lower(): maker for maker in makers}
    if name.lower() not in named:
        near = did_you_mean(name, [maker.__name__ for maker in makers])
        raise InputError(f"{option} {name!r}: unknown; choose one of {names_of(makers)}{near}")
    return make_fields(named[name.lower()], f"{option} {spec!r}", arguments, **more)


def make_fields(maker: Maker, source: str, arguments: str, **more: Any) -> Any:
    """Make a dataclass, or a preset of one, from key=value,...

    Args:
        maker: the dataclass or preset.
        source: the option and its value, in messages.
        arguments: values of fields.
        **more: values of other fields.

    Raises:
        InputError: if there is no such key, or a value is invalid; the message lists the keys.
    """
    hints = _plain_fields(kind_of(maker))
    allowed = f"its keys are: {', '.join(hints) or 'none'}"
    values = _values(source, arguments, allowed)
    for key in values:
        if key not in hints:
            near = did_you_mean(key, list(hints))
            raise InputError(f"{source}: no key {key!r}; {allowed}{near}")
    try:
        _check_values(values, hints)
        return maker(**values, **more)
    except (TypeError, ValueError) as error:
        raise InputError(f"{source}: {error}; {allowed}") from None


def _values(source: str, arguments: str, allowed: str) -> dict[str, Any]:
    """Parse key=value,... into values by key: numbers, true, false, or else words."""
    values: dict[str, Any] = {}
    for part in arguments.split(",") if arguments else []:
        key, equals, word = (piece.strip() for piece in part.partition("="))
        if not (key and equals and word):
            raise InputError(f"{source}: {part!r} is not key=value; {allowed}")
        try:
            values[key] = parse_toml(os.fsencode(f"value = {word}"))["value"]
        except InputError:
            values[key] = word
    return values


def _plain_fields(kind: Any) -> dict[str, tuple[Any, ...]]:
    """Types of a dataclass's fields, by name, if they hold numbers, words or truth values."""
    hints = {key: get_args(hint) or (hint,) for key, hint in get_type_hints(kind).items()}
    named = {field.name: hints[field.name] for field in dataclasses.fields(kind)}
    return {key: types for key, types in named.items() if {int, float, bool, str} & {*types}}


def _check_values(values: Mapping[str, Any], hints: Mapping[str, tuple[Any, ...]]) -> None:
    """Check that TOML values have the types of their fields.

    Raises:
        ValueError: if one does not.
    """
    for key, value in values.items():
        types = hints[key]
        words = [word for hint in types for word in get_args(hint)]  # of a Literal
        takes = (float, int) if float in types else types
        if value not in words and type(value) not in takes:
            kinds = [_KINDS[kind] for kind in (float, int, bool, str) if kind in types]
            wanted = [*kinds[:1], *map(repr, words)]
            raise ValueError(f"{key} must be {' or '.join(wanted)}; found {value!r}")


def pixel_size(
    option: str, text: str | None, *, example: str = "640x400"
) -> int | tuple[int, int] | None:
    """Parse a size option: N or WxH.

    Args:
        option: its name, with which messages begin.
        text: its value.
        example: of WxH, for the message.

    Raises:
        InputError: if it is neither.
    """
    if text is None:
        return None
    sides = [int(part) for part in re.findall(r"(?<![^x])[0-9]{1,9}(?![^x])", text.lower())]
    if len(sides) != text.lower().count("x") + 1 or len(sides) > 2 or min(sides) < 1:
        raise InputError(f"{option} {text}: give pixels, e.g. 512 or {example}")
    return sides[0] if len(sides) == 1 else (sides[0], sides[1])
