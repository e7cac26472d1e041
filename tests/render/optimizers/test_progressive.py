from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from comparing import assert_same_result
from keepers import Memory
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.metrics import log_rmse, sum_of_squared_errors
from envmap_inverse.optimizers import loop
from envmap_inverse.problem.problem import Problem

Image = NDArray[np.float32]


def problem_of(scene: ei.Scene, picture: Image | ei.View, **options: Any) -> Problem:
    optimizer = ei.Transport()
    return Problem.create(
        scene,
        picture,
        loss=optimizer.default_loss,
        priors=optimizer.default_priors,
        initial=None,
        **options,
    )


def test_each_pass_shows_a_map_that_is_better(
    smooth_scene: ei.Scene, picture: Image, smooth_map: Image
) -> None:
    told: list[ei.Iteration] = []
    optimizer = ei.Transport(spp=256)
    result = ei.estimate(smooth_scene, picture, optimizer=optimizer, on_iteration=told.append)
    maps = [told[0].texels, told[1].texels, result.texels]
    errors = [sum_of_squared_errors(texels, smooth_map) for texels in maps]
    assert errors == sorted(errors, reverse=True)
    start = sum_of_squared_errors(np.full_like(smooth_map, picture.mean()), smooth_map)
    assert errors[0] < 0.5 * start
    assert len(told) == len(result.history) <= optimizer.num_steps


@pytest.mark.slow
@pytest.mark.parametrize("material", ["rough", "plastic"])
def test_where_light_is_blurred_every_map_is_better_than_the_one_before(material: str) -> None:
    scene = bundled_scene("bunny", material)
    scene.set_film_size(128, 0)
    truth = ei.read_image(map_file("windows"))
    scene.set_envmap(truth)
    told: list[ei.Iteration] = []
    optimizer = ei.Transport(spp=64, max_outliers=0)
    ei.estimate(scene, ei.render(scene, spp=64), optimizer=optimizer, on_iteration=told.append)
    errors = [log_rmse(iteration.texels, truth) for iteration in told]
    assert len(errors) >= 3
    assert errors == sorted(errors, reverse=True)


def test_the_last_recording_is_that_of_all_paths(smooth_scene: ei.Scene, picture: Image) -> None:
    result = ei.estimate(smooth_scene, picture, optimizer=ei.Transport(spp=64), keep_transport=True)
    expected = ei.LightTransport.record(smooth_scene, spp=64)
    assert result.transport is not None
    assert result.transport.spp == 64
    texels = np.float32(np.random.default_rng(0).uniform(size=(expected.shape[1], 3)))
    for product in ("matvec", "variance"):
        found, wanted = (getattr(t, product)(texels) for t in (result.transport, expected))
        np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-6)


def test_a_picture_of_little_worth_takes_few_paths(smooth_scene: ei.Scene, picture: Image) -> None:
    noise = ei.Noise(read=float(picture.mean()))
    random = np.random.default_rng(0).standard_normal(picture.shape)
    view = ei.View(np.float32(picture + noise.read * random), noise=noise)
    result = ei.estimate(smooth_scene, view, optimizer=ei.Transport(), keep_transport=True)
    assert result.transport is not None
    assert result.transport.spp < 256


def test_a_run_ends_when_its_time_is_over(smooth_scene: ei.Scene, picture: Image) -> None:
    problem = problem_of(smooth_scene, picture)
    loop.run(ei.Transport(spp=1), problem)  # compiles
    result = loop.run(ei.Transport(seconds=1e-6), problem)
    assert result.status == "done"
    assert len(result.history) == 1
    assert np.isfinite(result.texels).all()


@pytest.mark.parametrize("case", ["recording", "exposure"])
def test_a_run_of_one_pass_ends_when_its_time_is_over(
    smooth_scene: ei.Scene, picture: Image, case: str
) -> None:
    recording = ei.LightTransport.record(smooth_scene, spp=4) if case == "recording" else None
    view = ei.View(picture, exposure="auto") if case == "exposure" else picture
    result = ei.estimate(
        smooth_scene, view, optimizer=ei.Transport(seconds=1e-6, recording=recording)
    )
    assert len(result.history) == 1
    assert np.isfinite(result.texels).all()


def test_a_run_with_time_goes_on_beyond_the_usual_paths(
    smooth_scene: ei.Scene, picture: Image
) -> None:
    begun = time.perf_counter()
    optimizer = ei.Transport(seconds=2.0, max_outliers=0)
    result = ei.estimate(smooth_scene, picture, optimizer=optimizer, keep_transport=True)
    assert result.transport is not None
    assert time.perf_counter() - begun < 60
    assert result.status == "done"


def test_the_same_seed_gives_the_same_bits(smooth_scene: ei.Scene, picture: Image) -> None:
    results = [ei.estimate(smooth_scene, picture, optimizer=ei.Transport(spp=64)) for _ in range(2)]
    assert_same_result(*results)


@pytest.mark.parametrize("length", [1, 2, 3])
def test_a_run_killed_in_any_pass_goes_on_to_the_same_bits(
    smooth_scene: ei.Scene, picture: Image, length: int
) -> None:
    problem, memory = problem_of(smooth_scene, picture), Memory(length)
    whole = loop.run(ei.Transport(spp=64), problem, None, memory)
    memory.recording = None  # killed before it was written
    resumed = loop.run(ei.Transport(spp=64), problem, None, memory)
    np.testing.assert_array_equal(resumed.texels, whole.texels)
    assert len(resumed.history) == len(whole.history)


@pytest.mark.parametrize("seconds", [0.0, -1.0, np.nan])
def test_time_must_be_positive(seconds: float) -> None:
    with pytest.raises(ei.InputError, match="seconds"):
        ei.Transport(seconds=seconds)


@pytest.mark.parametrize("change", ["spp", "seed's views"])
def test_a_recording_of_something_else_is_not_gone_on_with(
    smooth_scene: ei.Scene, change: str
) -> None:
    mask = np.ones((16, 16), np.float32)
    if change != "spp":
        mask[0] = 0
    earlier = ei.LightTransport.record(smooth_scene, spp=4 if change == "spp" else 2)
    with pytest.raises(ei.InputError, match="earlier"):
        ei.LightTransport.record(smooth_scene, spp=4, masks=[mask], earlier=earlier)
