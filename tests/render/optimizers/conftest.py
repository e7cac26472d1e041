"""The optimizers that there are, and one that an example adds."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from envmap_inverse.optimizers.choices import OPTIMIZERS
from envmap_inverse.optimizers.protocol import Optimizer

EXAMPLE = Path(__file__).parents[3] / "examples" / "own_optimizer.py"


def _example() -> Any:
    spec = importlib.util.spec_from_file_location("own_optimizer", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.ProjectedGradient


ALL = (*OPTIMIZERS, _example())


@pytest.fixture(params=ALL, ids=lambda maker: maker.__name__)
def make_optimizer(request: pytest.FixtureRequest) -> Callable[..., Optimizer]:
    """Each optimizer in turn: a class, or a preset."""
    maker: Callable[..., Optimizer] = request.param
    return maker
