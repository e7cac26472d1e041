"""Options of every command with odd values, shaped by what the help says that they take."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np
from generate import FORCED, REAL, WHOLE, WORDS, Random, Trial

from envmap_inverse.losses import LOSSES
from envmap_inverse.optimizers.choices import OPTIMIZERS
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS
from envmap_inverse.refining.choices import KINDS, Within
from envmap_inverse.scene.materials import MATERIALS, Finish

__all__ = ["COMMANDS", "option"]

COMMANDS: dict[str, tuple[str, ...]] = {
    "estimate": ("plain.xml", "reference.exr", *FORCED),
    "ball": ("ball.png", "--circle", "12,12,9", "--map-size", "8x4", "--no-report", "-o", "out"),
    "render": ("plain.xml", "-o", "made.exr", "--spp", "1", "--overwrite"),
    "record": ("plain.xml", "-o", "made.npz", "--spp", "1", "--overwrite"),
    "coverage": ("plain.xml", "--spp", "1", "-o", "out"),
    "params": ("plain.xml",),
    "evaluate": ("map.exr", "map.hdr"),
    "export": ("map.exr", "--to", "mitsuba", "-o", "made.xml", "--overwrite"),
    "convert": ("map.exr", "made.png", "--overwrite"),
    "pattern": ("made.hdr", "--size", "16", "--overwrite"),
    "report": ("finished", "-o", "made.html"),
}
"""Arguments with which each command that takes options succeeds."""

SIZES = (*range(-1, 5), 8, 17, 10**6, 10**12)
SMALL = (*(str(number) for number in (*range(-2, 9), 12, 24)), "0.5", "0.18", "1e-7", "1e7")
FILES = ("plain.xml", "reference.exr", "map.exr", "photo.png", "run.toml", "transforms.json")
FILES += ("finished", "model", "response.csv", "recording.npz", "pipe", "missing", "/dev/zero", "")
OUTPUTS = ("made", "made.exr", "made.html", "", ".", "missing/made.exr", "pipe", "model")
"""No file that is read later, and no device of the machine."""
OTHERS = {"AXIS": "y", "METAL": "Au", "ID": "my_envmap", "ADDRESS": "x:1"}
LEFT_OUT = {"protocol", "live", "live_host", "live_port", "workers", "ray", "resume", "stall_limit"}
"""What takes a minute or waits, or what other tests attack."""

_MADE: dict[str, Any] = {
    getattr(kind, "__name__", str(kind)): kind
    for kind in (*LOSSES, *PRIORS, *OPTIMIZERS, *PARAMETERIZATIONS)
}
_NAMES = [*_MADE, *MATERIALS, *KINDS]


def option(random: Random, commands: Mapping[str, Any]) -> Trial:
    """A command with one to three odd options.

    Args:
        random: where all choices come from.
        commands: the program's, by name.
    """
    name = str(random.choice(sorted(COMMANDS)))
    known = [
        param
        for param in commands[name].params
        if param.param_type_name == "option" and param.name not in LEFT_OUT
    ]
    words: list[str] = []
    for number in random.permutation(len(known))[: random.integers(1, 4)]:
        words += _given(random, known[number])
    return Trial((name, *COMMANDS[name], *words))


def _given(random: Random, param: Any) -> list[str]:
    if param.is_flag:
        return [str(random.choice([*param.opts, *param.secondary_opts]))]
    repeats = 1 + int(param.multiple and random.random() < 0.2)
    return [f"{param.opts[-1]}={_value(random, param)}" for _ in range(repeats)]


def _value(random: Random, param: Any) -> str:
    kind = repr(param.type_descriptor.annotation)
    if random.random() < 0.1:
        return str(random.choice(WORDS))
    if param.type_descriptor.choices is not None:
        return str(random.choice([getattr(c, "value", c) for c in param.type_descriptor.choices]))
    if "int" in kind:
        return str(random.choice([str(number) for number in WHOLE]))
    if "float" in kind:
        return str(random.choice([*map(str, REAL), *SMALL]))
    if "Path" in kind:
        return str(random.choice(OUTPUTS if param.name == "output" else FILES))
    return _shaped(random, param.metavar or "NAME", param.help or "")


def _shaped(random: Random, metavar: str, about: str) -> str:
    """A text of the shape that the help shows, such as NAME[:key=value,...]."""
    shape = str(random.choice(metavar.split("|")))
    shape = re.sub(r"\[(.*?)\]", lambda found: found[1] if random.random() < 0.6 else "", shape)
    head, repeated, _ = shape.partition(",...")
    shape = f"{head},{head}" if repeated and ":" not in head and random.random() < 0.4 else head
    named = [word for word in _NAMES if re.search(rf"\b{re.escape(word)}\b", about)]
    name = str(random.choice(named or _NAMES))
    fill: dict[str, Callable[[], object]] = {
        "NAME": lambda: name,
        "key": lambda: _key(random, name),
        "KEY": lambda: random.choice(["read", "shot", "relative"]),
        "FILE": lambda: random.choice(FILES),
        "DIR": lambda: random.choice(FILES),
        "W": lambda: random.choice(SIZES),
        "N": lambda: random.choice(SIZES),
    }
    fill["H"] = fill["W"]

    def filled(found: re.Match[str]) -> str:
        word = found[0]
        number = random.choice([*map(str, REAL), *SMALL, *SMALL])
        return str(fill[word]() if word in fill else OTHERS.get(word, number))

    return re.sub(r"\b(?:[A-Z]+|key|value)\b|[WH](?=x|$)", filled, shape)


def _key(random: Random, name: str) -> str:
    """A key that what has the name takes, or one that something else takes."""
    kinds = [_MADE.get(name, Finish if name in MATERIALS else Within)]
    if random.random() < 0.1 or not is_dataclass(kinds[0]):
        kinds = [kind for kind in _MADE.values() if is_dataclass(kind)]
    keys = sorted({field.name for kind in kinds for field in fields(kind)})
    return str(random.choice(np.array(keys or ["x"])))
