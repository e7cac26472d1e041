"""Generators of hostile input that knows its structure, beside the mutations of `mutate`.

A `Trial` is a command line with what stands around it. Options, keys and models are taken from the
program, so that new ones join.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import tomli_w
from seeds import SIZE

from envmap_inverse.losses import LOSSES
from envmap_inverse.optimizers.choices import OPTIMIZERS
from envmap_inverse.parameterizations import PARAMETERIZATIONS
from envmap_inverse.priors import PRIORS
from envmap_inverse.scene.distortion import COLMAP_MODELS

__all__ = ["GENERATORS", "Trial"]

Random = np.random.Generator

WHOLE = (-1, 0, 1, 2, 7, 2**31 - 1, 2**32 - 1, 2**63, 10**30)
REAL = (-1.0, 0.0, 1e-30, 0.001, 0.5, 1.0, 30.0, 1e9, 1e38, 1e308, float("inf"), float("nan"))
WORDS = (
    *("", " ", "auto", "none", "0", "-1", "1e999", "nan", "true", "é", "../", "a:b=c,d", ":", "=,"),
    *("4x4", "0x0", "-1x2", "x", "1,2,3", "0,0", "http:x", "$x", "{0}", "%d", "x" * 300),
)

FORCED = ("--iterations", "1", "--spp", "1", "--no-report", "-o", "out")
"""What keeps a run short, whatever a configuration says."""


@dataclass(frozen=True)
class Trial:
    """A command line and what stands around it.

    Attributes:
        arguments: of the program.
        environment: variables to set.
        streams: what the standard streams are, by their descriptors; see `zygote`.
        is_alone: whether it needs a process of its own.
    """

    arguments: tuple[str, ...]
    environment: Mapping[str, str] = field(default_factory=dict)
    streams: Mapping[str, str] = field(default_factory=dict)
    is_alone: bool = False


def config(random: Random, options: Mapping[str, str]) -> Trial:
    """A TOML file of one to three options.

    Args:
        random: where all choices come from.
        options: the type of each option: "INT", "FLOAT", "BOOL" or another word.
    """
    names = random.permutation(sorted(options))[: random.integers(1, 4)]
    values = {str(name): _value(random, options[name]) for name in names}
    if random.random() < 0.15:
        values["view"] = [{name: _value(random, "") for name in ("reference", "sensor", "mask")}]
    Path("mutant.config").write_text(tomli_w.dumps(values))
    return Trial(("estimate", "plain.xml", "reference.exr", "--config", "mutant.config", *FORCED))


def camera(random: Random) -> Trial:
    """A transforms.json or the text of a COLMAP model."""
    named = _transforms(random) if random.random() < 0.6 else _colmap(random)
    return Trial(("estimate", "plain.xml", "photo.png", "--cameras", named, *FORCED))


def name(random: Random) -> Trial:
    """Files and folders of odd names, or that are no files."""
    shutil.rmtree("names", ignore_errors=True)
    Path("names").mkdir()
    scene, picture, output = (
        _placed(random, Path(source)) for source in ("plain.xml", "reference.exr", "")
    )
    command = ("estimate", scene, picture, *FORCED[:-1], output)
    return Trial(
        [
            (*command, "--frames"),
            (*command, "--trust-input"),
            ("render", scene, "-o", f"{output}.exr", "--spp", "1"),
            ("convert", picture, f"{output}.png"),
            ("evaluate", picture, picture),
            ("params", scene, "--log-file", output),
            ("report", output),
            ("convert", "map.exr", "names/out.hdr", "--log-file", picture),
        ][random.integers(8)]
    )


def environment(random: Random) -> Trial:
    """Variables of the environment that the program and its libraries read."""
    chosen = random.permutation(VARIABLES)[: random.integers(1, 4)]
    values = {str(variable): str(random.choice(VALUES)) for variable in chosen}
    return Trial(_plain_command(random), environment=values, is_alone=True)


def streams(random: Random) -> Trial:
    """Standard streams that are closed, full, broken, or no streams."""
    kinds = {str(number): str(random.choice(STREAMS)) for number in range(3)}
    return Trial(_plain_command(random), streams=kinds, is_alone=True)


GENERATORS = {"config": config, "camera": camera, "name": name}
GENERATORS |= {"environment": environment, "streams": streams}

VARIABLES = (
    *("DRJIT_LIBLLVM_PATH", "DRJIT_CACHE_DIR", "HOME", "XDG_CACHE_HOME", "TMPDIR", "PATH"),
    *("IMAGEIO_FFMPEG_EXE", "COLUMNS", "LINES", "TERM", "NO_COLOR", "FORCE_COLOR", "LANG"),
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "OPENIMAGEIO_THREADS", "CUDA_VISIBLE_DEVICES"),
    *("_ENVMAP_INVERSE_COMPLETE", "COMP_WORDS", "COMP_CWORD", "MI_DEFAULT_VARIANT", "TZ"),
)
VALUES = (
    *("", "/", "/proc", "/dev/null", "/dev/full", "/nonexistent/x", "x", ".", "map.exr", "-1", "0"),
    *("99999999999999999999", "é", "a\nb", "\udcff", "x" * 5000, "complete_bash", "1.5", "~"),
)
STREAMS = ("usual", "usual", "closed", "full", "broken", "read-only", "null")


def _plain_command(random: Random) -> tuple[str, ...]:
    plain = ("estimate", "plain.xml", "reference.exr", "--trust-input", *FORCED)
    return [
        ("losses",),
        ("convert", "map.exr", "image.png", "--overwrite", "--trust-input"),
        ("convert", "missing.exr", "image.png", "--trust-input"),
        ("params", "plain.xml", "--trust-input"),
        (*plain, "--frames"),
    ][random.choice(5, p=[0.25, 0.25, 0.2, 0.2, 0.1])]


def _value(random: Random, kind: str) -> Any:
    """A value that is often of an option's type."""
    if random.random() < 0.2:
        return [1, [], {}, [[]], {"a": 1}, ["x", 1], True, 0.5, ""][random.integers(9)]
    if "INT" in kind:
        return WHOLE[random.integers(len(WHOLE))]
    if "FLOAT" in kind:
        return REAL[random.integers(len(REAL))]
    if "BOOL" in kind:
        return bool(random.integers(2))
    text = _spec(random) if random.random() < 0.4 else WORDS[random.integers(len(WORDS))]
    return [text] if random.random() < 0.4 else text


def _spec(random: Random) -> str:
    """The name of a loss, prior, ... with one of its keys, or of another's."""
    made = [*LOSSES, *PRIORS, *OPTIMIZERS, *PARAMETERIZATIONS]
    chosen = made[random.integers(len(made))]
    key = str(random.choice(["weight", "delta", "loss", "iterations", "order", "levels", "x"]))
    number = str(random.choice([*WHOLE[:6], *REAL]))
    return f"{getattr(chosen, '__name__', chosen)}:{key}={number}"


def _number(random: Random) -> Any:
    odd = (*WHOLE, *REAL, "1", None, [], {}, True)
    return odd[random.integers(len(odd))]


def _transforms(random: Random) -> str:
    matrix: Any = np.eye(4)
    matrix[2, 3] = 4
    if random.random() < 0.5:
        matrix[tuple(random.integers(4, size=2))] = float(random.choice(REAL))
    matrix = matrix.tolist()[: random.choice([4, 4, 4, 3, 1, 0])]
    frame: dict[str, Any] = {"file_path": "photo.png", "transform_matrix": matrix}
    values: dict[str, Any] = {"camera_angle_x": 0.7, "w": SIZE, "h": SIZE, "frames": [frame]}
    keys = (
        *("camera_angle_x", "camera_angle_y", "fl_x", "fl_y", "cx", "cy", "w", "h", "k1", "k4"),
        *("p1", "camera_model", "is_fisheye", "distortion_params", "applied_transform", "frames"),
        *("applied_scale", "transform_matrix", "file_path"),
    )
    for key in random.permutation(keys)[: random.integers(1, 3)]:
        (frame if random.random() < 0.3 else values)[str(key)] = _number(random)
    Path("mutant.json").write_text(json.dumps(values))
    return "mutant.json"


def _colmap(random: Random) -> str:
    shutil.rmtree("colmap", ignore_errors=True)
    Path("colmap").mkdir()
    model = str(random.choice(sorted(COLMAP_MODELS)))
    wanted = len(COLMAP_MODELS[model].split())
    numbers = [5.5, 5.5, 2.0, 2.0, *[0.0] * 20][: max(wanted + random.integers(-1, 2), 0)]
    if numbers and random.random() < 0.6:
        numbers[random.integers(len(numbers))] = _number(random)
    size = [SIZE, SIZE] if random.random() < 0.7 else [_number(random), SIZE]
    turn: list[Any] = [0, 1, 0, 0, 0, 0, 4]
    if random.random() < 0.5:
        turn[random.integers(7)] = _number(random)
    words = (" ".join(map(str, row)) for row in ([1, model, *size, *numbers], [1, *turn, 1]))
    first, second = words
    Path("colmap/cameras.txt").write_text(f"{first}\n")
    Path("colmap/images.txt").write_text(f"{second} photo.png\n\n")
    return "colmap"


NAMES = (
    *("-x", "--help", "a:b", "http:x", "pipe:1", "concat:a|b", " ", "a b", "é", "\udce9", "a\nb"),
    *("%d", "%03d", "{}", "$HOME", "~", "*", "?", "'", '"', "\\", "x" * 240, "x" * 300, "x" * 5000),
    *("2024-11-26T10:30", "[0]", "\u202e", "\x1b[31m", ".", "..", "a/b", "con", "0"),
)
DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/stdin", "/proc/self/mem", "/")


def _placed(random: Random, source: Path) -> str:
    """A file with the content of another one under an odd name; or a name that cannot be read."""
    if random.random() < 0.3:
        return str(source) if source.name else "out"
    if random.random() < 0.15 and source.name:
        return str(random.choice(DEVICES))
    word = str(random.choice(NAMES))
    path = Path("names", word + source.suffix)
    if random.random() < 0.5:
        path = path.parent / f"{word[:200]}{source.suffix}"
    with contextlib.suppress(OSError, ValueError):  # no file can have the name
        match random.integers(10):
            case 0:
                os.mkfifo(path)
            case 1:
                path.symlink_to(path.name)
            case 2:
                path.mkdir()
            case _ if source.name:
                shutil.copy(source, path)
    return str(path)
