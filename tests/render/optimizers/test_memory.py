"""The memory that solving takes beside the recording: the most that NumPy's arrays take."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.recording import blocks
from envmap_inverse.run.capacity import BYTES_PER_PIXEL

Image = NDArray[np.float32]

SIDE, HAND = 144, np.s_[54:81, 54:75]
CAMERAS = ((0, 0, 4), (4, 0, 0), (0, 0, -4), (-4, 0, 0))


def _covered(image: Image) -> Image:
    image[HAND] = (3.0, 0.1, 2.0)
    return image


def _clipped(image: Image) -> Image:
    return np.minimum(image, np.float32(1))


@pytest.mark.parametrize(
    ("change", "options"),
    [(_covered, {}), (_clipped, {"white": 1.0, "exposure": "auto"})],
    ids=["outliers", "clipped, unknown exposures"],
)
@pytest.mark.filterwarnings("ignore:.*of its pixels go with no map")
def test_as_many_bytes_a_pixel_are_enough_as_are_foreseen(
    make_scene: Callable[..., ei.Scene],
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[Image], Image],
    options: dict[str, Any],
) -> None:
    monkeypatch.setattr(blocks, "ROWS", 2**11)  # so that blocks are small beside the pictures
    scene, sensors = make_scene("rough", size=(SIDE, SIDE), cameras=CAMERAS), range(len(CAMERAS))
    recording = ei.LightTransport.record(scene, sensors, spp=1)
    images = [change(ei.render(scene, spp=16, seed=sensor, sensor=sensor)) for sensor in sensors]
    optimizer = ei.Transport(recording=recording, rounds=2)
    tracemalloc.start()
    try:
        views = [ei.View(images[sensor].copy(), sensor=sensor, **options) for sensor in sensors]
        found = ei.estimate(scene, views, optimizer=optimizer)
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.outliers is not None
    assert all(mask[HAND].any() for mask in found.outliers) == (change is _covered)
    assert most < BYTES_PER_PIXEL * len(CAMERAS) * SIDE**2
