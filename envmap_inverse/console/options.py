"""What the command line's options stand for, and how they are written down again."""

from __future__ import annotations

import dataclasses
import enum
import json
import tomllib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.images import read_image
from envmap_inverse.losses import LOSSES, Loss
from envmap_inverse.optimizers.adam.adam import Adam
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS, Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.scene.envmap import as_map

__all__ = [
    "OPTIMIZERS",
    "Define",
    "EnvmapName",
    "Frames",
    "Overwrite",
    "OverwriteFile",
    "Report",
    "RowConvention",
    "SceneFile",
    "Seed",
    "Size",
    "Spp",
    "TrustInput",
    "check_new",
    "definitions",
    "given_files",
    "given_settings",
    "make_choice",
    "make_loss",
    "make_optimizer",
    "make_priors",
    "names_of",
    "number_or_image",
    "panelled",
    "read_map",
    "resolved_settings",
    "sensor_numbers",
]


def panelled(panel: str, *names: str, **options: Any) -> Any:
    """A `typer.Option` in a panel of the help."""
    return typer.Option(*names, rich_help_panel=panel, **options)


class RowConvention(enum.StrEnum):
    """Where the rows of a latlong map lie: values of --rows and --to-rows."""

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
    panelled(
        "Scene", metavar="ID", help="The environment map to use, of a scene that has several."
    ),
]
Size = Annotated[
    int | None,
    panelled("Pictures", help="Longer side of the film in pixels, in place of the scene's."),
]
Spp = Annotated[int, panelled("Optimizer", help="Samples per pixel.")]
Seed = Annotated[int, panelled("Optimizer", help="Seed; the same one gives the same result.")]
Overwrite = Annotated[
    bool, panelled("Output", "--overwrite", help="Replace an earlier run in the folder.")
]
OverwriteFile = Annotated[
    bool, panelled("Output", "--overwrite", help="Replace the file if there is one.")
]
Report = Annotated[bool, panelled("Output", help="Also write report.html, which shows it all.")]
Frames = Annotated[
    bool, panelled("Output", help="Also write a picture of every iteration, and a video.")
]
TrustInput = Annotated[
    bool,
    panelled(
        "Running", "--trust-input", help="Read files at once, not in a guarded process first."
    ),
]

OPTIMIZERS: dict[str, type[Adam] | type[Transport]] = {"adam": Adam, "transport": Transport}


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


def resolved_settings(problem: Problem, optimizer: Optimizer) -> dict[str, Any]:
    """The options that have other defaults from run to run."""
    options = {
        name: getattr(optimizer, name)
        for name in ("iterations", "learning_rate", "spp")
        if hasattr(optimizer, name)
    }
    if isinstance(optimizer, Adam):
        options["parameterization"] = _spec(optimizer.parameterization)
    sensors = [view.sensor for view in problem.views]
    return options | {
        "size": max(problem.scene.film_size(sensors[0])),
        "sensor": ",".join(map(str, sensors)),
        "loss": _spec(problem.loss),
        "prior": [_spec(prior) for prior in problem.priors] or ["none"],
    }


def _spec(choice: Any) -> str:
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


def make_optimizer(
    name: str, *, robust: bool, parameterization: str | None, **options: Any
) -> Optimizer:
    """An optimizer with the options that were given."""
    kind = OPTIMIZERS[name]
    given = {key: value for key, value in options.items() if value is not None}
    if parameterization is not None:
        given["parameterization"] = make_choice(
            PARAMETERIZATIONS, "--parameterization", parameterization
        )
    known = {field.name for field in dataclasses.fields(kind)}
    faults = Faults()
    for key in [*given.keys() - known, *(["robust"] if robust and kind is not Adam else [])]:
        option = f"--{key.replace('_', '-')}"
        faults.keep(InputError(f"{option}: the {name} optimizer has no such option"))
    faults.report()
    return Adam.robust(**given) if robust else kind(**given)


def make_priors(specs: list[str] | None, default: tuple[Prior, ...]) -> tuple[Prior, ...]:
    """The priors of --prior, the default without one, none for "none"."""
    if not specs:
        return default
    if specs == ["none"]:
        return ()
    faults = Faults()
    made = [faults.attempt(make_choice, PRIORS, "--prior", spec) for spec in specs]
    faults.report()
    return tuple(made)  # type: ignore[arg-type]  # None would have been a fault


def make_loss(spec: str | None, default: Loss) -> Loss:
    """The loss of --loss, or the default without one."""
    if spec is None:
        return default
    loss: Loss = make_choice(LOSSES, "--loss", spec)
    return loss


def check_new(path: Path, *, overwrite: bool) -> None:
    """Refuse to write a file that is there already, unless it may be replaced.

    Raises:
        InputError: if it is there.
    """
    if path.exists() and not overwrite:
        raise InputError(f"{path}: is there already; name another file, or add --overwrite")


def definitions(option: list[str] | None) -> dict[str, str]:
    """The values of a scene's `$name` parameters that --define gives.

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


def names_of(kinds: Iterable[type[Any]]) -> str:
    """The names of classes as a list to read."""
    return ", ".join(kind.__name__ for kind in kinds)


def make_choice(kinds: Sequence[type[Any]], option: str, spec: str) -> Any:
    """Make an instance of the one of these dataclasses that NAME[:key=value,...] names.

    Raises:
        InputError: if there is no such name or key, or a value cannot be; the message says which
            there are.
    """
    name, _, arguments = spec.partition(":")
    named = {kind.__name__.lower(): kind for kind in kinds}
    if name.lower() not in named:
        near = did_you_mean(name, [kind.__name__ for kind in kinds])
        raise InputError(f"{option} {name!r}: unknown; choose one of {names_of(kinds)}{near}")
    kind = named[name.lower()]
    keys = [field.name for field in dataclasses.fields(kind)]
    allowed = f"its keys are: {', '.join(keys) or 'none'}"
    values = _values(f"{option} {spec!r}", arguments, allowed)
    for key in values:
        if key not in keys:
            raise InputError(
                f"{option} {spec!r}: no key {key!r}; {allowed}{did_you_mean(key, keys)}"
            )
    try:
        return kind(**values)
    except (TypeError, ValueError) as error:
        raise InputError(f"{option} {spec!r}: {error}; {allowed}") from None


def _values(source: str, arguments: str, allowed: str) -> dict[str, Any]:
    """The values of key=value,... by their keys: numbers, true, false, or words as they are."""
    values: dict[str, Any] = {}
    for part in arguments.split(",") if arguments else []:
        key, equals, word = (piece.strip() for piece in part.partition("="))
        if not (key and equals and word):
            raise InputError(f"{source}: {part!r} is not key=value; {allowed}")
        try:
            values[key] = tomllib.loads(f"value = {word}")["value"]
        except tomllib.TOMLDecodeError:
            values[key] = word
    return values
