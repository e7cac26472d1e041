from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.images import write_image


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--long", action="store_true", help="Run the fault tests at length.")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test on a scene without a single id, and at length on one with ids too."""
    if "inputs" in metafunc.fixturenames:
        is_long = metafunc.config.getoption("--long", default=False)
        scenes = ["without ids", "with ids"] if is_long else ["without ids"]
        metafunc.parametrize("inputs", scenes, indirect=True, scope="session")


@pytest.fixture(scope="session")
def is_long(request: pytest.FixtureRequest) -> bool:
    """Whether the tests may take hours: `pytest tests/faults --long`."""
    return bool(request.config.getoption("--long", default=False))


@pytest.fixture(scope="session")
def start() -> Callable[..., subprocess.Popen[str]]:
    """Starts the command line."""

    def begin(*arguments: Any, **options: Any) -> subprocess.Popen[str]:
        inherited = {k: v for k, v in os.environ.items() if k != "DRJIT_LIBLLVM_PATH"}
        return subprocess.Popen(
            [Path(sys.executable).with_name("envmap-inverse"), *map(str, arguments)],
            env={**inherited, **options.pop("env", {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **options,
        )

    return begin


@pytest.fixture(scope="session")
def inputs(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    scene_xml: Callable[..., str],
    random_map: Callable[..., NDArray[np.float32]],
) -> Path:
    """A folder of scene.xml (a mirror sphere, 8 x 8 pixels), map.exr and reference.exr."""
    folder = tmp_path_factory.mktemp("inputs")
    write_image(folder / "map.exr", random_map())
    has_ids = request.param == "with ids"
    scene = scene_xml() if has_ids else re.sub(r' id="\w+"', "", scene_xml())
    (folder / "scene.xml").write_text(scene)
    write_image(folder / "reference.exr", ei.render(ei.load_scene(folder / "scene.xml"), spp=16))
    return folder
