"""The commands that repeat a run, or go on with it, by its settings."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from envmap_inverse.run.reading import Run
from envmap_inverse.solving import layout

__all__ = ["command", "command_to_repeat", "resumption"]

AGAIN = "again"
"""The folder that a repeated run is written to."""

OF_BALL: Mapping[str, Any] = MappingProxyType(
    {
        "circle": [],
        "fov": None,
        "distance": [],
        "reflectance": None,
        "material": None,
        "grey_ball": None,
        "front": 0.0,
        "without_photographer": False,
        "photographer": None,
        "mask_person": [],
        "map_size": None,
        "register": "auto",
        "exposure": "auto",
        "noise": "auto",
        "response": "auto",
        "gamma": None,
        "white": None,
        "black": None,
        "censoring": True,
        "orientation": "auto",
        "alpha": "mask",
        "layer": None,
    }
)
"""Options of `ball` that change its map, and what they are where none is given."""


def command(run: Run) -> str:
    """The command that repeats a run."""
    chosen = run.summary["settings"]
    if not run.pictures:
        return str(run.summary["command"])
    if "photos" in chosen:
        return _ball(chosen, AGAIN)
    if "scene" in chosen:
        return command_to_repeat(run.path)
    options = ("size", "iterations", "optimizer")
    words = ["demo", *(f"--{key}={chosen[key]}" for key in options if key in chosen)]
    return shlex.join(["envmap-inverse", *words])


def command_to_repeat(folder: Path) -> str:
    """The command that repeats the run of a folder by its settings."""
    settings = str(folder.resolve() / layout.SETTINGS)
    return shlex.join(["envmap-inverse", "estimate", "--config", settings, "-o", AGAIN])


def resumption(run: Run) -> str:
    """The command that goes on with an interrupted run; empty if there is none."""
    settings, chosen = run.path.resolve() / layout.SETTINGS, run.summary["settings"]
    if not (run.summary["status"] == "interrupted" and settings.is_file()):
        return ""
    folder = str(settings.parent)
    if "photos" in chosen:
        return f"{_ball(chosen, folder)} --resume"
    if "scene" not in chosen:
        return ""
    words = ["estimate", "--config", str(settings), "-o", folder, "--resume"]
    return shlex.join(["envmap-inverse", *words])


def _ball(chosen: Mapping[str, Any], output: str) -> str:
    words = ["envmap-inverse", "ball", *chosen["photos"], *_options(chosen), "-o", output]
    return shlex.join(words)


def _options(chosen: Mapping[str, Any]) -> Iterator[str]:
    """The options of a ball that differ from what they are if none is given."""
    for key, usual in OF_BALL.items():
        value, name = chosen.get(key, usual), f"--{key.replace('_', '-')}"
        if value is None or value == usual:
            continue
        if isinstance(value, bool):
            yield name if value else name.replace("--", "--no-")
        else:
            each = value if isinstance(value, list) else [value]
            yield from (f"{name}={item}" for item in each)
