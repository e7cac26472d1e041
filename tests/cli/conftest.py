from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from typer.main import get_command
from zygote import Completed, Zygote

import envmap_inverse as ei
from envmap_inverse.cli import app
from envmap_inverse.images import write_image

COMMAND = Path(sys.executable).with_name("envmap-inverse")


@pytest.fixture(scope="session")
def environment() -> dict[str, str]:
    """The environment of a user's shell, without what this process has set."""
    names = ("DRJIT_LIBLLVM_PATH", "ENVMAP_INVERSE_DEBUG", "PYTHONWARNINGS", "COLUMNS")
    inherited = {name: value for name, value in os.environ.items() if name not in names}
    return {**inherited, "PYTHONUNBUFFERED": ""}


@pytest.fixture(scope="session")
def start(environment: dict[str, str]) -> Callable[..., subprocess.Popen[str]]:
    """Starts the console script."""

    def begin(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
        environ = {**environment, **options.pop("env", {})}
        command = [COMMAND, *map(str, arguments)]
        return subprocess.Popen(command, env=environ, text=True, **{**pipes, **options})

    return begin


@pytest.fixture(scope="session")
def guarded_call(environment: dict[str, str]) -> Iterator[Callable[..., Completed]]:
    """Runs the program to its end, in a process that is forked once all is imported."""
    with Zygote(environment) as zygote:
        yield zygote.call


@pytest.fixture(scope="session")
def call(guarded_call: Callable[..., Completed]) -> Callable[..., Completed]:
    """The same, but files are read directly: to start the guarded process takes half a second."""
    commands: Any = get_command(app)
    reading = {
        name
        for name, command in commands.commands.items()
        if any(parameter.name == "trust_input" for parameter in command.params)
    }

    def run(*arguments: Any, **options: Any) -> Completed:
        trusting = ["--trust-input"] if reading.intersection(arguments[:1]) else []
        return guarded_call(*arguments[:1], *trusting, *arguments[1:], **options)

    return run


@pytest.fixture(scope="session")
def inputs(
    tmp_path_factory: pytest.TempPathFactory,
    scene_xml: Callable[..., str],
    random_map: Callable[..., NDArray[np.float32]],
) -> Path:
    """A folder of scene.xml (a mirror sphere, 8 x 8 pixels), map.exr and reference.exr."""
    folder = tmp_path_factory.mktemp("inputs")
    write_image(folder / "map.exr", random_map())
    (folder / "scene.xml").write_text(scene_xml())
    reference = ei.render(ei.load_scene(folder / "scene.xml"), spp=16, seed=99)
    write_image(folder / "reference.exr", reference)
    return folder
