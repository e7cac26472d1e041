from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from comparing import assert_same_result
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import losses, metrics, priors
from envmap_inverse.metrics import sum_of_squared_errors
from envmap_inverse.problem.problem import Problem

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeMap = Callable[..., NDArray[np.float32]]
Image = NDArray[np.float32]

QUICK = ei.Transport(spp=4)

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}
LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


# What is recovered


@pytest.mark.parametrize("name", ["angular_error", "log_rmse", "sum_of_squared_errors"])
def test_a_smooth_map_seen_by_mirrors_is_recovered(
    result: ei.Estimate, smooth_map: Image, name: str
) -> None:
    metric = getattr(metrics, name)
    assert metric(result.texels, smooth_map) < 0.2 * metric(np.ones_like(smooth_map), smooth_map)


@pytest.mark.parametrize("loss", [kind.__name__ for kind in losses.LOSSES])
@pytest.mark.parametrize("prior", [kind.__name__ for kind in priors.PRIORS])
def test_every_loss_and_prior_recovers_the_map(
    smooth_scene: ei.Scene, picture: Image, smooth_map: Image, loss: str, prior: str
) -> None:
    found = ei.estimate(
        smooth_scene,
        picture,
        optimizer=ei.Transport(spp=64),
        loss=getattr(losses, loss)(),
        priors=(getattr(priors, prior)(),),
    )
    is_seen = found.coverage > 0.02 * found.coverage.max()  # a prior of colour helps no other
    assert is_seen.mean() > 0.4
    start = np.sum((1 - smooth_map)[is_seen] ** 2)
    assert np.sum((found.texels - smooth_map)[is_seen] ** 2) < 0.1 * start


@pytest.mark.parametrize("prior", [kind.__name__ for kind in priors.PRIORS])
def test_a_weight_that_the_data_choose_predicts_another_picture_no_worse_than_the_default(
    smooth_scene: ei.Scene, picture: Image, prior: str
) -> None:
    errors, another = [], ei.render(smooth_scene, spp=1024, seed=5)
    for options in ({}, {"weight": "auto"}):
        made = (getattr(priors, prior)(**options),)
        found = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(), priors=made)
        again = ei.render(smooth_scene, found.texels, spp=256, seed=5)
        errors.append(np.sqrt(np.mean((again / another - 1) ** 2)))
    # Both are below 1 %, where the noise of the fitted picture decides which factor is chosen.
    assert errors[1] < 1.25 * errors[0]
    assert errors[1] < 0.01


def test_a_picture_of_one_radiance_gives_a_map_of_it(make_scene: MakeScene) -> None:
    """A perfect mirror reflects a uniform map as it is, and so no path is noisy."""
    mirror = {"type": "sphere", "bsdf": {"type": "conductor", "material": "none"}}
    texels = np.full((9, 16, 3), (0.7, 0.2, 1.5), np.float32)
    scene = make_scene(size=(12, 10), texels=texels, large=mirror, small=BEHIND_THE_CAMERA["small"])
    picture = ei.render(scene, spp=4, seed=3)
    np.testing.assert_allclose(picture, np.broadcast_to((0.7, 0.2, 1.5), (10, 12, 3)), rtol=1e-4)
    found = ei.estimate(scene, picture, optimizer=ei.Transport())
    np.testing.assert_allclose(found.texels, texels, rtol=1e-3)


def test_the_light_of_other_emitters_is_taken_out(make_scene: MakeScene, smooth_map: Image) -> None:
    scene = make_scene(size=(16, 16), texels=smooth_map, lamp=LAMP)
    found = ei.estimate(scene, ei.render(scene, spp=512, seed=9), optimizer=ei.Transport())
    start = sum_of_squared_errors(np.ones_like(smooth_map), smooth_map)
    assert sum_of_squared_errors(found.texels, smooth_map) < 0.05 * start


def test_a_second_view_shows_what_the_first_does_not(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    truth = random_map(9, 16)
    scene = make_scene(
        size=(12, 12),
        texels=truth,
        cameras=[(0, 0, 4), (4, 0, 0)],
        integrator={"type": "path", "max_depth": 1},
        **BEHIND_THE_CAMERA,
    )
    views = [ei.View(ei.render(scene, spp=256, seed=9, sensor=k), sensor=k) for k in range(2)]
    transport = ei.Transport(spp=64)
    one = ei.estimate(scene, views[:1], optimizer=transport)
    both = ei.estimate(scene, views, optimizer=transport)
    only_second = (one.coverage == 0) & (both.coverage > 0.5 * both.coverage.max())
    assert only_second.sum() >= 6
    before, after = (abs(found.texels - truth)[only_second].mean() for found in (one, both))
    assert after < 0.2 * before


def test_views_of_unequal_size_and_exposure_are_solved_together(
    scene_dict: MakeDict, smooth_map: Image
) -> None:
    described = scene_dict(size=(16, 16), texels=smooth_map, cameras=[(0, 0, 4), (0, 3, -3)])
    described["sensor1"]["film"].update(width=12, height=10)
    scene = ei.load_scene(described)
    exposures = (1, np.float32((4, 2, 0.5)))
    views = [
        ei.View(ei.render(scene, spp=256, seed=9, sensor=k) * gain, sensor=k, exposure=gain)
        for k, gain in enumerate(exposures)
    ]
    found = ei.estimate(scene, views, optimizer=ei.Transport())
    start = sum_of_squared_errors(np.ones_like(smooth_map), smooth_map)
    assert sum_of_squared_errors(found.texels, smooth_map) < 0.05 * start


def test_what_cannot_be_recorded_is_left_to_adam(make_scene: MakeScene) -> None:
    fog = {"type": "homogeneous", "albedo": 0.5, "sigma_t": 0.1}
    scene = make_scene(fog={"type": "sphere", "radius": 0.1, "interior": fog})
    with pytest.raises(ei.InputError, match="use the Adam optimizer"):
        ei.estimate(scene, np.ones((8, 8, 3)), optimizer=ei.Transport())


# What a run tells


def test_the_same_seed_gives_the_same_bits(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate
) -> None:
    assert_same_result(ei.estimate(smooth_scene, picture, optimizer=ei.Transport()), result)


def test_another_seed_gives_another_map(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate
) -> None:
    found = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(seed=1))
    assert (found.texels != result.texels).mean() > 0.9


def test_the_memory_budget_changes_no_bit(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate
) -> None:
    small = ei.Transport(memory_budget=20_000)
    assert_same_result(ei.estimate(smooth_scene, picture, optimizer=small), result)


@pytest.mark.parametrize("rounds", [1, 4])
def test_the_history_has_a_record_of_each_step(
    smooth_scene: ei.Scene, picture: Image, rounds: int
) -> None:
    told: list[ei.Iteration] = []
    transport = ei.Transport(rounds=rounds)
    found = ei.estimate(smooth_scene, picture, optimizer=transport, on_iteration=told.append)
    assert 2 <= len(found.history) == len(told) <= transport.num_steps
    assert [record.index for record in found.history] == list(range(len(told)))
    names = [field.name for field in dataclasses.fields(found.history[0])]
    for record, iteration in zip(found.history, told, strict=True):
        assert all(getattr(record, name) == getattr(iteration, name) for name in names)


def test_the_history_tells_the_error_of_each_map(
    smooth_scene: ei.Scene, picture: Image, smooth_map: Image
) -> None:
    errors = []
    found = ei.estimate(
        smooth_scene,
        picture,
        optimizer=ei.Transport(),
        ground_truth=smooth_map,
        on_iteration=lambda iteration: errors.append(
            sum_of_squared_errors(iteration.texels, smooth_map)
        ),
    )
    np.testing.assert_allclose([record.error for record in found.history], errors, rtol=1e-6)
    assert errors[-1] == sum_of_squared_errors(found.texels, smooth_map)


def test_there_is_no_error_without_a_true_map(smooth_scene: ei.Scene, picture: Image) -> None:
    found = ei.estimate(smooth_scene, picture, optimizer=QUICK)
    assert {record.error for record in found.history} == {None}


def test_a_picture_of_an_iteration_is_its_map_through_the_recording(
    make_scene: MakeScene, smooth_map: Image
) -> None:
    scene = make_scene(size=(12, 10), texels=smooth_map, lamp=LAMP)
    told: list[ei.Iteration] = []
    reference = ei.render(scene, spp=16, seed=9)
    ei.estimate(scene, reference, optimizer=ei.Transport(spp=4), on_iteration=told.append)
    recorded = ei.LightTransport.record(scene, spp=4)
    for iteration in told:
        expected = recorded.matvec(iteration.texels.reshape(-1, 3)) + recorded.offset
        assert iteration.image.shape == (10, 12, 3)
        np.testing.assert_allclose(iteration.image.reshape(-1, 3), expected, rtol=1e-4)


def test_the_loss_of_a_record_is_that_of_its_picture(
    smooth_scene: ei.Scene, picture: Image
) -> None:
    loss = ei.RelativeMSE(epsilon=1e-6)
    told: list[ei.Iteration] = []
    ei.estimate(
        smooth_scene, picture, optimizer=ei.Transport(), loss=loss, on_iteration=told.append
    )
    expected = [loss(iteration.image, picture).mean() for iteration in told]
    np.testing.assert_allclose([iteration.loss for iteration in told], expected, rtol=1e-3)


@pytest.mark.parametrize("last", [0, 2])
def test_a_callback_that_returns_true_ends_the_run(
    smooth_scene: ei.Scene, picture: Image, last: int
) -> None:
    told: list[ei.Iteration] = []

    def stop(iteration: ei.Iteration) -> bool:
        told.append(iteration)
        return iteration.index == last

    found = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(rounds=5), on_iteration=stop)
    assert found.status == "interrupted"
    assert len(found.history) == last + 1
    np.testing.assert_array_equal(found.texels, told[-1].texels)
    assert found.deviation is not None


def test_a_run_that_ends_by_itself_is_done(result: ei.Estimate) -> None:
    assert (result.status, result.num_dropped) == ("done", 0)


def test_the_seconds_of_recording_assembling_and_solving_are_told(result: ei.Estimate) -> None:
    record, assemble, solve = (result.phases[name] for name in ("record", "assemble", "solve"))
    assert min(record, assemble, solve) > 0
    assert record + assemble + solve == pytest.approx(result.phases["optimize"])
    assert result.phases["optimize"] <= result.seconds
    seconds = [entry.seconds for entry in result.history]
    assert seconds == sorted(seconds)
    assert record + assemble < seconds[-1]
    assert seconds[-1] <= result.seconds


def test_coverage_is_the_mean_of_the_columns_over_the_values_of_the_picture(
    smooth_scene: ei.Scene, result: ei.Estimate
) -> None:
    recorded = ei.LightTransport.record(smooth_scene, spp=256)
    expected = recorded.coverage / (3 * 16 * 16)
    np.testing.assert_allclose(result.coverage, expected, rtol=1e-4, atol=1e-10)


def test_coverage_is_that_of_adam(
    smooth_scene: ei.Scene, picture: Image, result: ei.Estimate
) -> None:
    other = ei.estimate(smooth_scene, picture, optimizer=ei.Adam(iterations=1)).coverage
    assert np.abs(result.coverage - other).sum() < 0.05 * other.sum()


@pytest.mark.parametrize(
    "options",
    [
        {"spp": 0},
        {"rounds": 0},
        {"iterations": -1},
        {"tolerance": 0.0},
        {"tolerance": np.nan},
        {"noise_floor": 0.0},
        {"warm_up": -1},
        {"seed": -1},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=next(iter(options))):
        ei.Transport(**options)


@pytest.mark.parametrize("brightness", [0.0, 30.0])
def test_a_map_that_explains_nothing_is_no_result(
    smooth_scene: ei.Scene, picture: Image, brightness: float
) -> None:
    optimizer = ei.Transport()
    problem = Problem.create(smooth_scene, picture, loss=optimizer.default_loss)
    solver = optimizer.start(problem)
    solver.step(0)
    assert solver.solution().status == "done"
    texels = np.full_like(solver.state()["texels"], brightness)
    solver.restore({**solver.state(), "texels": texels}, 1)
    assert "no better than light that is the same from everywhere" in solver.solution().status


def test_a_map_that_is_worse_than_the_start_map_is_no_result(
    smooth_scene: ei.Scene, smooth_map: Image, picture: Image
) -> None:
    optimizer = ei.Transport(recording=ei.LightTransport.record(smooth_scene, spp=64))
    problem = Problem.create(smooth_scene, picture, loss=optimizer.default_loss, initial=smooth_map)
    solver = optimizer.start(problem)
    uneven = solver.state()["texels"] * np.geomspace(0.8, 1.25, smooth_map[..., 0].size)[:, None]
    solver.restore({**solver.state(), "texels": uneven.astype(np.float32)}, 1)
    assert "worse than the start map" in solver.solution().status
