"""Iterations, and the folder of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from envmap_inverse import Iteration
from envmap_inverse.run.folder import RunFolder

MakeIteration = Callable[..., Iteration]


OpenRun = Callable[..., RunFolder]


@pytest.fixture
def make_iteration() -> MakeIteration:
    def make(index: int = 0, **changes: Any) -> Iteration:
        numbers: dict[str, Any] = {"loss": 0.5 / (index + 1), "error": 10.5, "seconds": 0.1 * index}
        arrays: dict[str, Any] = {
            "texels_on_device": lambda: np.full((5, 9, 3), index / 100, np.float32),
            "image_on_device": lambda: np.full((7, 7, 3), 1 - index / 100, np.float32),
        }
        return Iteration(index=index, **{**numbers, **arrays, **changes})

    return make


@pytest.fixture
def open_run(tmp_path: Path) -> Iterator[OpenRun]:
    opened: list[RunFolder] = []

    def make(path: Path = tmp_path / "run", **options: Any) -> RunFolder:
        options = {"settings": {"spp": 1}, "overwrite": False, "frames": False, **options}
        opened.append(RunFolder(path, **options))
        return opened[-1]

    yield make
    for run in opened:
        run.close()
