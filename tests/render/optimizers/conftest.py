"""Every optimizer, with the one of the example; and a scene of mirrors to solve."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.optimizers.choices import OPTIMIZERS
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.sphere.latlong import texel_directions

Image = NDArray[np.float32]

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


@pytest.fixture(scope="module")
def smooth_map() -> Image:
    x, y, z = np.moveaxis(texel_directions(9, 16), -1, 0)
    return np.stack([1 + 0.5 * y, 1.2 + 0.6 * x * z, 0.8 + 0.5 * z], axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def smooth_scene(make_scene: Callable[..., ei.Scene], smooth_map: Image) -> ei.Scene:
    """Mirror spheres before a smooth map, 16 x 16 pixels."""
    return make_scene(size=(16, 16), texels=smooth_map)


@pytest.fixture(scope="module")
def picture(smooth_scene: ei.Scene) -> Image:
    return ei.render(smooth_scene, spp=256, seed=999)


@pytest.fixture(scope="module")
def result(smooth_scene: ei.Scene, picture: Image, smooth_map: Image) -> ei.Estimate:
    return ei.estimate(smooth_scene, picture, optimizer=ei.Transport(), ground_truth=smooth_map)


@pytest.fixture
def reference(scene: ei.Scene) -> NDArray[np.float32]:
    return ei.render(scene, spp=64, seed=12345)
