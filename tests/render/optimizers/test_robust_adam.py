"""The parts of `Adam.robust()`, each alone, and the whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import losses, parameterizations
from envmap_inverse.metrics import log_rmse, sum_of_squared_errors

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

NAMES = {kind.__name__ for kind in parameterizations.PARAMETERIZATIONS}
POSITIVE = sorted(NAMES - {"Direct", "SH", "SG"})
"""Those that make any positive map; few numbers are smooth without a prior."""


@pytest.fixture(params=POSITIVE)
def positive(request: pytest.FixtureRequest) -> Any:
    return getattr(parameterizations, request.param)()


def maps_of(scene: ei.Scene, view: Any, adam: ei.Adam, **options: Any) -> list[NDArray[np.float32]]:
    """The result after each iteration."""
    maps: list[NDArray[np.float32]] = []
    ei.estimate(
        scene, view, optimizer=adam, on_iteration=lambda i: maps.append(i.texels), **options
    )
    return maps


# Losses


@pytest.mark.parametrize("name", [kind.__name__ for kind in losses.LOSSES])
@pytest.mark.parametrize("optimizer", [ei.Adam(recorded_spp=16), ei.Transport()])
def test_every_loss_brings_the_picture_nearer_in_every_optimizer(
    scene: ei.Scene, reference: NDArray[np.float32], name: str, optimizer: Any
) -> None:
    loss = getattr(losses, name)()
    result = ei.estimate(scene, reference, optimizer=optimizer, loss=loss)
    before, after = (ei.render(scene, m, spp=64) for m in (np.ones((8, 16, 3)), result.texels))
    assert loss(after, reference).mean() < 0.5 * loss(before, reference).mean()


# Parameterizations


@pytest.mark.parametrize("name", [kind.__name__ for kind in parameterizations.PARAMETERIZATIONS])
def test_the_error_falls_with_every_parameterization(
    scene: ei.Scene, reference: NDArray[np.float32], name: str
) -> None:
    adam = ei.Adam(
        iterations=60, learning_rate=0.05, parameterization=getattr(parameterizations, name)()
    )
    truth = scene.envmap.texels
    result = ei.estimate(scene, reference, optimizer=adam, ground_truth=truth)
    is_seen = result.coverage > 0.2 * result.coverage.max()
    before, after = (1 - truth)[is_seen], (result.texels - truth)[is_seen]
    assert np.sum(after**2) < 0.5 * np.sum(before**2)


@pytest.mark.filterwarnings("ignore:reference image. is black")
def test_a_black_picture_makes_no_texel_negative(scene: ei.Scene, positive: Any) -> None:
    black, options = np.zeros((8, 8, 3)), {"iterations": 80, "learning_rate": 0.1}
    assert ei.estimate(scene, black, optimizer=ei.Adam(**options)).texels.min() < 0
    result = ei.estimate(scene, black, optimizer=ei.Adam(**options, parameterization=positive))
    assert result.texels.min() > 0
    assert result.texels.min() < 0.1


@pytest.mark.filterwarnings("ignore:initial map. is black")
def test_a_map_that_starts_at_zero_comes_back(
    scene: ei.Scene, reference: NDArray[np.float32], positive: Any
) -> None:
    adam = ei.Adam(iterations=150, learning_rate=0.05, parameterization=positive)
    result = ei.estimate(scene, reference, optimizer=adam, initial=0.0)
    is_seen = result.coverage > 0.2 * result.coverage.max()
    assert (result.texels[is_seen] > 0.1).all()


def test_a_step_of_a_positive_map_is_the_learning_rate_in_its_parameters(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam(iterations=1, learning_rate=0.25, parameterization=ei.Exp(), epsilon=1e-15)
    factors = ei.estimate(scene, reference, optimizer=adam, initial=1.0).texels
    moved = factors[factors != 1]
    assert moved.size > 100
    np.testing.assert_allclose(np.abs(np.log(moved)), 0.25, rtol=1e-3)


def test_freezing_changes_no_number_of_a_pyramid(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    results = [
        ei.estimate(scene, reference, optimizer=ei.Adam.robust(iterations=12, frozen=frozen)).texels
        for frozen in (True, False)
    ]
    np.testing.assert_allclose(*results, rtol=1e-3)


def test_priors_act_on_the_texels_of_a_positive_map(
    scene: ei.Scene, reference: NDArray[np.float32], positive: Any
) -> None:
    adam = ei.Adam(iterations=50, learning_rate=0.05, parameterization=positive)
    rough, smooth = (
        ei.estimate(scene, reference, optimizer=adam, priors=priors, initial=1.0).texels
        for priors in ((), (ei.Smoothness(weight=10),))
    )
    assert smooth.std() < 0.5 * rough.std()


# Step size, average


@pytest.mark.filterwarnings("ignore:reference image. is black")
def test_the_step_size_falls_along_half_a_cosine(scene: ei.Scene) -> None:
    adam = ei.Adam(
        iterations=40, learning_rate=0.01, final_rate=0.1, parameterization=ei.Exp(), spp=64
    )
    maps = maps_of(scene, np.zeros((8, 8, 3)), adam, loss=losses.LogMSE())
    logs = np.log([np.ones_like(maps[0]), *maps])
    is_seen = (np.diff(logs, axis=0) < 0).all(axis=0)
    steps = -np.median(np.diff(logs, axis=0)[:, is_seen], axis=1)
    falling = 0.1 + 0.9 * (1 + np.cos(np.pi * np.arange(40) / 40)) / 2
    np.testing.assert_allclose(steps, 0.01 * falling, rtol=0.1)


def test_the_result_is_an_average_that_weighs_late_maps_more(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    options = {"iterations": 30, "learning_rate": 0.05}
    maps = maps_of(scene, reference, ei.Adam(**options))
    averages = maps_of(scene, reference, ei.Adam(**options, averaging=2))
    # (t + 1) t is the weight that the recursion gives the t-th map
    weights = np.array([(t + 1) * t for t in range(1, 31)])
    for last in (1, 7, 30):
        expected = np.average(maps[:last], axis=0, weights=weights[:last])
        np.testing.assert_allclose(averages[last - 1], expected, rtol=1e-3, atol=1e-4)
    assert np.abs(averages[-1] - maps[-1]).max() > 0.01


def test_dropped_steps_do_not_enter_the_average(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    class NaNFromTheThirdCall(losses.MSE):
        count = 0

        def __call__(self, prediction: Any, observation: Any) -> Any:
            type(self).count += 1
            return super().__call__(prediction, observation) * (np.nan if self.count > 2 else 1)

    adam = ei.Adam(iterations=5, averaging=3, frozen=False)
    maps = maps_of(scene, reference, adam, loss=NaNFromTheThirdCall())
    assert (maps[1] != maps[0]).any()
    np.testing.assert_array_equal(maps[4], maps[1])


def test_the_history_tells_the_error_of_the_result(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    truth, seen = scene.envmap.texels, []
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam.robust(iterations=60, learning_rate=0.1),
        ground_truth=truth,
        on_iteration=seen.append,
    )
    for iteration in seen:
        error = sum_of_squared_errors(iteration.texels, truth)
        assert iteration.error == pytest.approx(error, rel=1e-4)
    np.testing.assert_array_equal(seen[-1].texels, result.texels)


# Patience


def worsening(**options: Any) -> ei.Adam:
    """Steps so large that the map gets ever worse."""
    return ei.Adam(**{"iterations": 400, "learning_rate": 0.5, "averaging": 8, **options})


def test_patience_ends_a_run_whose_loss_only_rises(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    truth = scene.envmap.texels
    result = ei.estimate(
        scene, reference, optimizer=worsening(patience=100), initial=truth, ground_truth=truth
    )
    assert (len(result.history), result.status) == (150, "done")
    assert result.history[-1].error == result.history[49].error
    impatient = maps_of(scene, reference, worsening(iterations=150), initial=truth)[-1]
    assert sum_of_squared_errors(impatient, truth) > 1.2 * result.history[-1].error


def test_a_run_with_patience_goes_on_while_the_loss_falls(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam(iterations=230, learning_rate=0.002, averaging=8, patience=50)
    maps = maps_of(scene, reference, adam)
    assert len(maps) == 230
    changes = [k for k in range(1, 230) if (maps[k] != maps[k - 1]).any()]
    assert changes == [*range(1, 50), 99, 149, 199, 229]


def test_held_out_pixels_do_not_move_the_map(make_scene: MakeScene, random_map: MakeMap) -> None:
    """Of two pixels that count, each of which sees texels of its own, one is held out."""
    far = {
        name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
    }
    scene = make_scene(texels=random_map(64, 128), **far)
    reference = ei.render(scene, spp=64)
    mask = np.zeros((8, 8), np.float32)
    mask[4, [0, 7]] = 1
    view = ei.View(reference, mask=mask)
    moved = [
        (ei.estimate(scene, view, optimizer=adam).texels != 1).any(axis=(0, 2))
        for adam in (ei.Adam(iterations=9), ei.Adam(iterations=9, patience=50, held_out=0.5))
    ]
    both, one = (np.roll(columns, 64).nonzero()[0] for columns in moved)
    assert (both < 64).any()
    assert (both >= 64).any()
    assert one.size
    assert (one < 64).all() or (one >= 64).all()


def test_recorded_transport_can_be_measured_too(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam.robust(recorded_spp=16, held_out=0.2, iterations=200)
    result = ei.estimate(scene, reference, optimizer=adam)
    before, after = (ei.render(scene, m, spp=64) for m in (np.ones((8, 16, 3)), result.texels))
    assert np.mean((after - reference) ** 2) < 0.3 * np.mean((before - reference) ** 2)


@pytest.mark.parametrize(
    "options",
    [
        {"final_rate": 0.0},
        {"final_rate": np.nan},
        {"averaging": -1},
        {"averaging": np.nan},
        {"patience": -1},
        {"held_out": 1.0, "patience": 50},
        {"held_out": -0.1, "patience": 50},
        {"held_out": 0.1},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=next(iter(options))):
        ei.Adam(**options)


# The whole


def test_the_preset_can_be_overridden() -> None:
    assert ei.Adam.robust(patience=0, seed=3).patience == 0
    assert ei.Adam.robust(learning_rate=0.5).learning_rate == 0.5
    assert ei.Adam.robust(iterations=1600).learning_rate == pytest.approx(0.01)
    with pytest.raises(ei.InputError, match="iterations must be at least 1"):
        ei.Adam.robust(iterations=0)


def test_the_error_of_a_long_robust_run_ends_where_it_is_lowest(make_scene: MakeScene) -> None:
    scene = make_scene(size=(16, 16))
    truth, reference = scene.envmap.texels, ei.render(scene, spp=16, seed=12345)
    above = []
    for adam in (ei.Adam(iterations=300), ei.Adam.robust(iterations=300)):
        maps = maps_of(scene, reference, adam)
        errors = [(sum_of_squared_errors(m, truth), log_rmse(m, truth)) for m in maps]
        above.append(np.array(errors[-1]) / np.min(errors, axis=0))
    plain, robust = above
    assert (robust < 1.05).all()
    assert (plain > 1.05).all()
