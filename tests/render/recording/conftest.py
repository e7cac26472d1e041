"""A scene, its recording and a map."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei

MakeScene = Callable[..., ei.Scene]


MakeMap = Callable[..., NDArray[np.float32]]


Pixels = NDArray[np.float32]


@pytest.fixture(scope="module")
def rough_scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """Rough spheres under a map of 16 x 9 texels, 8 x 8 pixels."""
    return make_scene("rough", texels=random_map(9, 16))


@pytest.fixture(scope="module")
def transport(rough_scene: ei.Scene) -> ei.LightTransport:
    return ei.LightTransport.record(rough_scene, spp=16)


@pytest.fixture
def texels(rng: np.random.Generator) -> Pixels:
    """A map as a column per channel."""
    return rng.uniform(0, 2, (9 * 16, 3)).astype(np.float32)
