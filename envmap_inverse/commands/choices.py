"""`envmap-inverse losses`, `priors`, `optimizers`, `parameterizations` and `materials`."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
import textwrap
from collections.abc import Iterable
from typing import Any

from envmap_inverse.console.options import Maker, kind_of
from envmap_inverse.console.output import say
from envmap_inverse.losses import LOSSES
from envmap_inverse.optimizers.choices import OPTIMIZERS
from envmap_inverse.parameterizations import CHOICES
from envmap_inverse.priors import PRIORS
from envmap_inverse.scene.materials import MATERIALS, Finish

__all__ = ["losses", "materials", "optimizers", "parameterizations", "priors"]

WIDTH, MARGIN, COLUMN = 88, "    ", 28


def losses() -> None:
    """List the losses: what each measures, its keys and their defaults.

    Examples:
        envmap-inverse losses
        envmap-inverse estimate scene.xml photo.exr -o run --loss Huber:delta=0.1
    """
    say(_listing("--loss", LOSSES))


def priors() -> None:
    """List the priors: what each prefers, its keys and their defaults.

    Examples:
        envmap-inverse priors
        envmap-inverse estimate scene.xml photo.exr -o run --prior TotalVariation:weight=0.1
    """
    say(_listing("--prior", PRIORS))


def parameterizations() -> None:
    """List the parameterizations, which can be solved for in place of texels, with their defaults.

    Examples:
        envmap-inverse parameterizations
        envmap-inverse estimate scene.xml photo.exr -o run --parameterization Pyramid:levels=5
    """
    say(_listing("--parameterization", CHOICES))


def optimizers() -> None:
    """List the optimizers: how each works, its settings and their defaults.

    Examples:
        envmap-inverse optimizers
        envmap-inverse estimate scene.xml photo.exr -o run --optimizer transport
    """
    say(_listing("--optimizer", OPTIMIZERS))


def materials() -> None:
    """List the materials of meshes, and their keys.

    Examples:
        envmap-inverse materials
        envmap-inverse estimate cup.obj photo.jpg -o run --camera fov:40 --material gold
        envmap-inverse estimate cup.obj cup.jpg -o x --camera fov:40 --material gold:roughness=.1
    """
    width = max(map(len, MATERIALS))
    lines = [f"--material {name:<{width}}  {one.about}" for name, one in MATERIALS.items()]
    keys = _attributes(inspect.cleandoc(Finish.__doc__ or ""))
    for key, meaning in keys.items():
        first, *rest = textwrap.wrap(meaning.removesuffix("."), WIDTH - COLUMN)
        lines += [f"{MARGIN}{key:<{COLUMN - 4}}{first}", *(f"{'':{COLUMN}}{line}" for line in rest)]
    say("\n".join(lines))


def _listing(option: str, makers: Iterable[Maker]) -> str:
    """List an option's values, each with its keys."""
    return "\n\n".join(_entry(f"{option} {maker.__name__}", maker) for maker in makers)


def _entry(title: str, maker: Maker) -> str:
    """Format a name, what its docstring says of it, and a line or more for each key.

    That is the first paragraph of a class, but all that there is of a preset.
    """
    kind = kind_of(maker)
    text = inspect.cleandoc(kind.__doc__ or "")
    end = "\n\n" if maker is kind else "\n\nArgs:"
    about = " ".join(inspect.cleandoc(maker.__doc__ or "").partition(end)[0].split())
    lines = [title, textwrap.fill(about, WIDTH, initial_indent=MARGIN, subsequent_indent=MARGIN)]
    meanings, made = _attributes(text), maker()
    following = _following_iterations(maker, made)
    for field in dataclasses.fields(kind):
        key = f"{MARGIN}{field.name}{_default(getattr(made, field.name))}"
        words = meanings.get(field.name, "").removesuffix(".")
        if field.name in following:
            words += f"; the default is that of {made.iterations} iterations"
        meaning = textwrap.fill(words, WIDTH - COLUMN)
        first, *rest = meaning.splitlines() or [""]
        lines.append(f"{key:<{COLUMN - 1}} {first}".rstrip())
        lines += [f"{'':{COLUMN}}{line}" for line in rest]
    return "\n".join(lines)


def _following_iterations(maker: Maker, made: Any) -> set[str]:
    """Names of the fields whose defaults follow from the number of iterations."""
    if not isinstance(getattr(made, "iterations", None), int):
        return set()
    other = maker(iterations=4 * made.iterations)
    names = {field.name for field in dataclasses.fields(made)} - {"iterations"}
    return {name for name in names if getattr(made, name) != getattr(other, name)}


def _default(value: Any) -> str:
    """A default value as it would be typed, or nothing if it depends on other values."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"={value:g}"
    if isinstance(value, bool | int | str):
        return f"={json.dumps(value)}"
    return f"={type(value).__name__}"


def _attributes(text: str) -> dict[str, str]:
    """Parse a Google-style docstring for its attributes' names and descriptions."""
    section = text.partition("\nAttributes:\n")[2].partition("\n\n")[0]
    entries = re.findall(r"^ {4}(\w+): ((?:.+\n?)(?:^ {8}.*\n?)*)", section, re.MULTILINE)
    return {name: " ".join(words.split()) for name, words in entries}
