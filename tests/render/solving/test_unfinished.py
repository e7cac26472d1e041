"""Runs of both optimizers that end too early say so; those at their end do not."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import pytest

import envmap_inverse as ei

MakeScene = Callable[..., ei.Scene]

FALLING = "the loss was still falling"


@pytest.fixture
def scene(make_scene: MakeScene) -> ei.Scene:
    return make_scene("rough", size=(16, 16))


@pytest.mark.parametrize(
    ("optimizer", "steps"),
    [
        (ei.Adam(iterations=30), "iterations"),
        (ei.Transport(spp=7, rounds=1, iterations=1, warm_up=0), "rounds"),
    ],
    ids=["adam", "transport"],
)
def test_a_run_that_ends_too_early_says_so(
    scene: ei.Scene, optimizer: ei.Adam | ei.Transport, steps: str
) -> None:
    with pytest.warns(UserWarning, match=f"{FALLING}.*; take more {steps}"):
        ei.estimate(scene, ei.render(scene, spp=64), optimizer=optimizer, initial=3.0)


@pytest.mark.parametrize(
    "optimizer",
    [ei.Adam.robust(), ei.Transport(spp=64)],
    ids=["robust", "transport"],
)
def test_a_run_at_its_end_does_not(scene: ei.Scene, optimizer: ei.Adam | ei.Transport) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = ei.estimate(scene, ei.render(scene, spp=64), optimizer=optimizer)
    assert result.fit is not None
    assert "hardly" not in result.fit.reason


@pytest.mark.parametrize("factor", [1000, 0.001])
def test_pictures_in_other_units_are_told_of(scene: ei.Scene, factor: float) -> None:
    image = np.float32(factor) * ei.render(scene, spp=64)
    with pytest.warns(UserWarning, match=FALLING):
        result = ei.estimate(scene, image, optimizer=ei.Adam(iterations=30))
    assert result.fit is not None
    assert result.fit.verdict == "no"
    assert "times (red:green:blue) as bright as its rendering" in result.fit.reason


def test_a_map_that_hardly_moved_is_told_of(scene: ei.Scene) -> None:
    image = 2 * ei.render(scene, spp=64)
    result = ei.estimate(scene, image, optimizer=ei.Adam(iterations=30, learning_rate=1e-4))
    assert result.fit is not None
    assert "the map hardly left its start" in result.fit.reason
