"""The option --optimizer, and the options that set an optimizer's fields."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Annotated, Any

from envmap_inverse.console.options import kind_of, make_choice, names_of, panelled, spec_of
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.optimizers.adam.adam import check_for_adam
from envmap_inverse.optimizers.automatic_basis import AUTO, check_parameterization
from envmap_inverse.optimizers.choices import (
    DEFAULT,
    OPTIMIZERS,
    ROBUST,
    default_optimizer,
)
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.parameterizations import CHOICES
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.recording.ray import Executor, Ray
from envmap_inverse.scene.scene import Scene

__all__ = [
    "Iterations",
    "LearningRate",
    "OptimizerSpec",
    "ParameterizationSpec",
    "PathsOrSamples",
    "RayAddress",
    "Recording",
    "Robust",
    "Seconds",
    "SeedOfOptimizer",
    "Workers",
    "default_spec",
    "executor_of",
    "make_optimizer",
    "optimizer_settings",
]

_MAKERS = {maker.__name__.lower(): maker for maker in OPTIMIZERS}

OptimizerSpec = Annotated[
    str | None,
    panelled(
        "Optimizer",
        "--optimizer",
        metavar="NAME[:key=value,...]",
        help=f"One of {', '.join(_MAKERS)}. By default {DEFAULT.__name__.lower()}, which traces "
        f"paths once, or {ROBUST.__name__}, which renders at each step, if the scene cannot be "
        "recorded.",
    ),
]

Iterations = Annotated[
    int | None,
    panelled(
        "Optimizer",
        help="Steps: 100 of Adam (400 if robust), up to 16 per round of transport.",
    ),
]
LearningRate = Annotated[
    float | None,
    panelled("Optimizer", help="Step size of Adam: 0.02; if robust, 0.4 / sqrt(steps)."),
]
Robust = Annotated[
    bool,
    panelled(
        "Optimizer",
        "--robust",
        help="Short for --optimizer robust: Adam that does not diverge.",
    ),
]
ParameterizationSpec = Annotated[
    str | None,
    panelled(
        "Optimizer",
        metavar="NAME[:key=value,...]",
        help=f"What is solved for: {names_of(CHOICES)} ('envmap-inverse "
        "parameterizations' explains them); by default Direct, Pyramid if robust. Transport takes "
        "Direct, SH, SG, SunSky, or auto, the one that predicts pixels best that it did not see; "
        "Adam all but auto.",
    ),
]
PathsOrSamples = Annotated[
    int | None,
    panelled("Optimizer", help="Samples per pixel: 1 for Adam, from 16 for transport."),
]

Seconds = Annotated[
    float | None,
    panelled(
        "Optimizer",
        metavar="S",
        help="Seconds after which to end with the best map so far; reading and writing come on "
        "top. With many, more paths than usual are traced. For transport.",
    ),
]

Recording = Annotated[
    Path | None,
    panelled(
        "Optimizer",
        metavar="FILE",
        help="Recorded light transport of the scene ('envmap-inverse record'), to solve without "
        "tracing paths; for transport.",
    ),
]

Workers = Annotated[
    int | None,
    panelled(
        "Running",
        min=1,
        max=10**5,
        metavar="N",
        help="Processes that record and solve, by Ray (extra [ray]), each a part of the pictures; "
        "for transport. The map has the same bits with any number. Starting takes some 10 s: worth "
        "it from about 30 s of recording on. By default the threads of one process.",
    ),
]
RayAddress = Annotated[
    str | None,
    panelled(
        "Running",
        "--ray",
        metavar="ADDRESS",
        help="Running Ray cluster for the workers: HOST:PORT, or auto; by default one per machine. "
        "Without it they are of this machine, and nothing outside reaches them.",
    ),
]

SeedOfOptimizer = Annotated[
    int, panelled("Optimizer", help="Seed; the same seed gives the same result.")
]

_OPTIONS = ("iterations", "learning_rate", "spp", "seconds", "seed", "parameterization")
"""Fields that have options of their own."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class OptimizerChoice:
    """The optimizer that a command line asks for.

    Attributes:
        spec: value of --optimizer, or None to leave it to the scene.
        options: the further arguments of `make_optimizer`.
    """

    spec: str | None
    options: Mapping[str, Any]

    @classmethod
    def parse(cls, faults: Faults, spec: str | None, **options: Any) -> OptimizerChoice:
        """Check the choice as far as possible without a scene; `faults` keeps what is wrong."""
        if options.get("recording") is not None:
            options["recording"] = faults.attempt(LightTransport.load, options["recording"])
            options["spp"] = faults.attempt(_no_paths, options.get("spp"))
        options["executor"] = faults.attempt(
            executor_of,
            *(options.pop("workers", None), options.pop("ray", None)),
            is_recorded=options.get("recording") is not None,
        )
        if spec is not None or options["robust"]:
            faults.attempt(make_optimizer, spec, **options)
        return cls(spec=spec, options=options)

    def make(self, scene: Scene) -> tuple[str, Optimizer]:
        """Make the optimizer for a scene; also return its spec.

        Raises:
            InputError: if the optimizer cannot be made.
        """
        by_itself = ROBUST.__name__.lower() if self.options["robust"] else default_spec(scene)
        spec = self.spec or by_itself
        return spec, make_optimizer(spec, **self.options)


def _no_paths(spp: int | None) -> None:
    """Refuse --spp beside --recording."""
    if spp is not None:
        raise InputError(f"--spp {spp}: a recording has its own paths; leave it out")


def executor_of(
    workers: int | None, address: str | None, *, is_recorded: bool = False
) -> Executor | None:
    """The executor that --workers and --ray ask for.

    Args:
        workers: number of workers.
        address: of a Ray cluster.
        is_recorded: whether there is a recording already.

    Raises:
        InputError: if workers are wanted though there is.
    """
    if workers is None and address is None:
        return None
    if is_recorded:
        raise InputError("--recording: its paths are traced; leave --workers and --ray out")
    return Ray(workers=workers, address=address)


def make_optimizer(
    spec: str | None, *, robust: bool, parameterization: str | None, **options: Any
) -> Optimizer:
    """Make an optimizer with the options that were given.

    Args:
        spec: value of --optimizer.
        robust: whether --robust is given, which means the optimizer "robust".
        parameterization: value of --parameterization.
        **options: values of other options that set fields, or None.

    Raises:
        InputError: if the optimizer has no such option, or does not accept its value.
    """
    spec = spec or (ROBUST if robust else DEFAULT).__name__.lower()
    name, _, arguments = spec.partition(":")
    if robust and _kind(name) is kind_of(ROBUST):
        spec = f"{ROBUST.__name__}:{arguments}"
    given = {key: value for key, value in options.items() if value is not None}
    if parameterization is not None:
        given["parameterization"] = _parameterization(parameterization, name)
    keys = {part.partition("=")[0].strip() for part in arguments.split(",")}
    if "seed" in keys and given.get("seed") == 0:
        del given["seed"]  # the default, which --seed always has
    for key in [*given, *(["robust"] if robust else [])]:
        _check_option(name, key, keys)
    made: Optimizer = make_choice(OPTIMIZERS, "--optimizer", spec, **given)
    return made


def _parameterization(spec: str, optimizer: str) -> Any:
    """What --parameterization asks for.

    Raises:
        InputError: if there is none of that name, or the optimizer cannot solve for it.
    """
    if _kind(optimizer) is not kind_of(DEFAULT):
        choice = make_choice(CHOICES, "--parameterization", spec)
        try:
            check_for_adam(choice)
        except InputError as error:
            raise InputError(f"--{error}; leave --optimizer and --robust out") from None
        return choice
    choice = spec if spec == AUTO else make_choice(CHOICES, "--parameterization", spec)
    try:
        check_parameterization(choice)
    except InputError as error:
        raise InputError(f"--{error}; add --optimizer adam") from None
    return choice


def default_spec(scene: Scene) -> str:
    """Name of the default optimizer for a scene; see `default_optimizer`."""
    return default_optimizer(scene).__name__.lower()


def optimizer_settings(spec: str, optimizer: Optimizer) -> dict[str, Any]:
    """The options that recreate an optimizer, defaults included.

    Args:
        spec: value of --optimizer; only the name matters.
        optimizer: the optimizer made from it.
    """
    known: Any = optimizer
    values = {f.name: getattr(known, f.name) for f in dataclasses.fields(known)}
    options = {name: values.pop(name) for name in _OPTIONS if name in values}
    if "parameterization" in options:
        chosen = options["parameterization"]
        options["parameterization"] = chosen if chosen == AUTO else spec_of(chosen)
    keys = ",".join(
        f"{key}={json.dumps(value)}"
        for key, value in values.items()
        if isinstance(value, int | float | str)
    )
    return {**options, "optimizer": spec.partition(":")[0].lower() + (f":{keys}" if keys else "")}


def _kind(name: str) -> Any:
    """The dataclass behind an optimizer's name; None if the name is unknown."""
    maker: Callable[..., Optimizer] | None = _MAKERS.get(name.lower())
    return None if maker is None else kind_of(maker)


def _check_option(name: str, key: str, given: Collection[str]) -> None:
    """Check that an optimizer has an option, and that --optimizer does not set it too.

    Raises:
        InputError: if it has no such option, or --optimizer sets it too.
    """
    option = "--workers and --ray" if key == "executor" else f"--{key.replace('_', '-')}"
    if _kind(name) is not None and not _has(_kind(name), key):
        having = [known for known in _MAKERS if _has(_kind(known), key)]
        raise InputError(
            f"{option}: the {name.lower()} optimizer has no such option; add --optimizer "
            f"{' or '.join(having)}"
        )
    if key in given:
        raise InputError(f"{option}: --optimizer sets {key}, too; leave one of them out")


def _has(kind: Any, key: str) -> bool:
    if key == "robust":
        return kind is kind_of(ROBUST)
    return key in {field.name for field in dataclasses.fields(kind)}
