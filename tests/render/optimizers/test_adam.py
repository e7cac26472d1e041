from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi
from envmap_inverse.metrics import sum_of_squared_errors
from envmap_inverse.sphere import latlong

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

BEHIND_THE_CAMERA = {
    name: {"type": "sphere", "center": [0, 0, 40], "radius": 0.1} for name in ("large", "small")
}


@pytest.fixture
def open_scene(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """Nothing but the map: a camera that looks across its seam, at rows 3 to 5 of 9."""
    return make_scene(texels=random_map(9, 16), **BEHIND_THE_CAMERA)


def plain_loop(
    scene: ei.Scene, reference: NDArray[np.float32], iterations: int, **options: float
) -> NDArray[np.float32]:
    """Adam in Mitsuba 3 alone, as in its tutorials."""
    params, key = mi.traverse(scene.mi_scene), "my_envmap.data"
    params.keep([key])
    integrator, target = mi.load_dict({"type": "prb", "max_depth": 3}), mi.TensorXf(reference)
    optimizer = mi.ad.Adam(**options)
    optimizer[key] = mi.TensorXf(np.ones(params[key].shape, np.float32))
    params.update(optimizer)
    for index in range(iterations):
        image = mi.render(scene.mi_scene, params, integrator=integrator, spp=1, seed=index)
        dr.backward(dr.mean(dr.square(image - target)))
        optimizer.step()
        params.update(optimizer)
    return np.array(params[key])[:, 1:-1]


@pytest.mark.parametrize(
    "options",
    [
        {"iterations": 0},
        {"iterations": -5},
        {"spp": 0},
        {"max_dropped": 0},
        {"learning_rate": 0.0},
        {"learning_rate": -1.0},
        {"learning_rate": np.nan},
        {"learning_rate": np.inf},
        {"seed": -1},
        {"seed": 2**32},
    ],
)
def test_settings_that_cannot_be_are_refused_by_name(options: dict[str, Any]) -> None:
    with pytest.raises(ei.InputError, match=next(iter(options))):
        ei.Adam(**options)


def test_freezing_changes_no_number(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    results = [
        ei.estimate(
            scene,
            reference,
            optimizer=ei.Adam(iterations=15, learning_rate=0.05, frozen=frozen),
            ground_truth=scene.envmap.texels,
        )
        for frozen in (True, False)
    ]
    losses = [[record.loss for record in result.history] for result in results]
    np.testing.assert_allclose(*losses, rtol=1e-5)
    np.testing.assert_allclose(*(result.texels for result in results), rtol=1e-4, atol=1e-4)


def test_a_plain_mitsuba_loop_with_the_same_seeds_ends_with_the_same_map(
    make_scene: MakeScene, material: str
) -> None:
    scene = make_scene(material, size=(16, 16))
    reference = ei.render(scene, spp=16, seed=12345)
    # Dr.Jit divides by sqrt(v + epsilon^2), not by sqrt(v) + epsilon: make both vanish
    adam = ei.Adam(iterations=10, learning_rate=0.1, epsilon=1e-12)
    ours = ei.estimate(scene, reference, optimizer=adam).texels
    plain = plain_loop(scene, reference, 10, lr=0.1, epsilon=1e-12)
    assert np.abs(plain - 1).mean() > 0.2
    assert np.linalg.norm(ours - plain) < 0.02 * np.linalg.norm(plain - 1)


def test_the_error_is_within_3_percent_of_that_of_a_plain_mitsuba_loop(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(size=(16, 16))
    truth, reference = scene.envmap.texels, ei.render(scene, spp=16, seed=12345)
    ours = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=30), ground_truth=truth)
    error = sum_of_squared_errors(plain_loop(scene, reference, 30, lr=0.02), truth)
    assert error < 0.99 * sum_of_squared_errors(np.ones_like(truth), truth)
    assert ours.history[-1].error == pytest.approx(error, rel=0.03)


def test_the_error_of_a_map_that_is_seen_falls(open_scene: ei.Scene) -> None:
    truth, reference = open_scene.envmap.texels, ei.render(open_scene, spp=256, seed=12345)
    result = ei.estimate(
        open_scene,
        reference,
        optimizer=ei.Adam(iterations=300, learning_rate=0.05),
        ground_truth=truth,
    )
    is_seen = result.coverage > 0.2 * result.coverage.max()
    assert is_seen.sum() >= 12
    before, after = (1 - truth)[is_seen], (result.texels - truth)[is_seen]
    assert np.sum(after**2) < 0.05 * np.sum(before**2)


def test_the_loss_falls(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    result = ei.estimate(
        scene, reference, optimizer=ei.Adam(iterations=100, learning_rate=0.05, spp=4)
    )
    losses = [record.loss for record in result.history]
    assert np.mean(losses[-10:]) < 0.3 * np.mean(losses[:10])


def test_texels_that_no_path_reaches_keep_their_start_value(
    open_scene: ei.Scene, random_map: MakeMap
) -> None:
    start, reference = random_map(9, 16, seed=8), ei.render(open_scene, spp=16, seed=1)
    adam = ei.Adam(iterations=30, learning_rate=0.05)
    result = ei.estimate(open_scene, reference, optimizer=adam, initial=start)
    may_be_seen = np.zeros((9, 16), bool)
    may_be_seen[3:6, [14, 15, 0, 1]] = True  # 20 degrees about the horizon and the seam
    changed = (result.texels != start).any(axis=2)
    assert not (changed & ~may_be_seen).any()
    assert changed[4, [15, 0]].all()


def test_both_sides_of_the_seam_are_recovered_alike(make_scene: MakeScene) -> None:
    scene = make_scene(texels=np.full((9, 16, 3), 0.5, np.float32), **BEHIND_THE_CAMERA)
    result = ei.estimate(scene, ei.render(scene, spp=4), optimizer=ei.Adam(iterations=60, spp=64))
    np.testing.assert_allclose(result.texels[4, 15], result.texels[4, 0], rtol=0.02)
    np.testing.assert_allclose(result.texels[4, 0], 0.5, atol=0.1)


def test_alpha_stays_one(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    result = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=5))
    assert result.rgba.shape == (16 * 8 * 4,)
    assert (result.rgba[3::4] == 1).all()
    np.testing.assert_array_equal(latlong.unflatten_rgba(result.rgba, (16, 8)), result.texels)


def test_the_same_seed_gives_the_same_run(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    adam = ei.Adam(iterations=10, seed=3)
    results = [ei.estimate(scene, reference, optimizer=adam) for _ in range(2)]
    losses = [[record.loss for record in result.history] for result in results]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    np.testing.assert_allclose(*(result.texels for result in results), rtol=1e-5, atol=1e-6)


def test_another_seed_gives_another_run(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    results = [
        ei.estimate(scene, reference, optimizer=ei.Adam(iterations=10, seed=seed))
        for seed in (0, 1000)
    ]
    assert results[0].history[0].loss != results[1].history[0].loss


def test_each_iteration_has_a_seed_of_its_own(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    adam = ei.Adam(iterations=6, learning_rate=1e-12)
    result = ei.estimate(scene, reference, optimizer=adam)
    assert len({record.loss for record in result.history}) == 6


def test_each_view_has_a_seed_of_its_own(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    adam = ei.Adam(iterations=1)
    one = ei.estimate(scene, reference, optimizer=adam).history[0].loss
    two = ei.estimate(scene, [reference, reference], optimizer=adam).history[0].loss
    assert one != two


def test_the_loss_of_several_views_is_their_mean(
    make_scene: MakeScene,
) -> None:
    scene = make_scene(cameras=[(0, 0, 4), (4, 0, 0)])
    views = [ei.View(np.full((8, 8, 3), k + 2, np.float32), sensor=k) for k in range(2)]
    adam = ei.Adam(iterations=1, spp=4096)
    alone = [ei.estimate(scene, view, optimizer=adam).history[0].loss for view in views]
    together = ei.estimate(scene, views, optimizer=adam).history[0].loss
    assert alone[1] > 2 * alone[0]
    assert together == pytest.approx(np.mean(alone), rel=1e-3)


def test_a_second_view_shows_what_the_first_does_not(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    scene = make_scene(
        texels=random_map(9, 16), cameras=[(0, 0, 4), (4, 0, 0)], **BEHIND_THE_CAMERA
    )
    views = [ei.View(ei.render(scene, spp=64, sensor=k), sensor=k) for k in range(2)]
    adam = ei.Adam(iterations=20)
    one = ei.estimate(scene, views[:1], optimizer=adam)
    both = ei.estimate(scene, views, optimizer=adam)
    only_second = (both.coverage > 0) & (one.coverage == 0)
    assert only_second.sum() > 12
    assert (one.texels[only_second] == 1).all()
    assert (both.texels[only_second] != 1).mean() > 0.9


def test_masked_pixels_do_not_matter(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    mask = np.ones((8, 8), np.float32)
    mask[2:6, 1:4] = 0
    results = []
    for garbage in (0, 1e6):
        image = reference.copy()
        image[mask == 0] = garbage
        view = ei.View(image, mask=mask)
        results.append(ei.estimate(scene, view, optimizer=ei.Adam(iterations=10)))
    losses = [[record.loss for record in result.history] for result in results]
    np.testing.assert_allclose(*losses, rtol=1e-6)
    np.testing.assert_allclose(*(result.texels for result in results), rtol=1e-5)


def test_a_mask_limits_what_is_recovered(open_scene: ei.Scene) -> None:
    reference = ei.render(open_scene, spp=64, seed=1)
    mask = np.zeros((8, 8), np.float32)
    mask[:, :4] = 1
    adam = ei.Adam(iterations=20)
    whole = ei.estimate(open_scene, reference, optimizer=adam)
    half = ei.estimate(open_scene, ei.View(reference, mask=mask), optimizer=adam)
    hidden = (whole.coverage > 0) & (half.coverage == 0)
    assert hidden.any()
    assert (half.texels[hidden] == 1).all()
    assert (half.coverage > 0).any()


@pytest.mark.parametrize("exposure", [8.0, (4.0, 0.5, 2.0)])
def test_exposure_divides_out(
    scene: ei.Scene, reference: NDArray[np.float32], exposure: Any
) -> None:
    exposed = ei.View(reference * np.float32(exposure), exposure=np.float32(exposure))
    adam = ei.Adam(iterations=20, epsilon=1e-15)
    expected = ei.estimate(scene, reference, optimizer=adam)
    found = ei.estimate(scene, exposed, optimizer=adam)
    np.testing.assert_allclose(found.texels, expected.texels, atol=1e-3)


def test_returning_true_ends_the_run_with_what_it_has(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    maps: list[NDArray[np.float32]] = []

    def stop_after_three(iteration: ei.Iteration) -> bool:
        maps.append(iteration.texels)
        return iteration.index == 2

    result = ei.estimate(scene, reference, optimizer=ei.Adam(), on_iteration=stop_after_three)
    assert (len(result.history), result.status) == (3, "interrupted")
    np.testing.assert_array_equal(result.texels, maps[2])


def test_the_history_tells_loss_error_and_time_of_each_iteration(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    seen: list[ei.Iteration] = []
    truth = scene.envmap.texels
    result = ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=8),
        ground_truth=truth,
        on_iteration=seen.append,
    )
    assert [record.index for record in result.history] == list(range(8))
    seconds = [record.seconds for record in result.history]
    assert seconds == sorted(seconds)
    assert 0 < seconds[0] <= seconds[-1] <= result.seconds
    for record, iteration in zip(result.history, seen, strict=True):
        assert (record.loss, record.error) == (iteration.loss, iteration.error)
        loss = np.mean((iteration.image.astype(np.float64) - reference) ** 2)
        assert record.loss == pytest.approx(loss, rel=1e-4)
        error = sum_of_squared_errors(iteration.texels, truth)
        assert record.error == pytest.approx(error, rel=1e-4)


def test_without_a_ground_truth_there_is_no_error(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    result = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=2))
    assert [record.error for record in result.history] == [None, None]


def test_an_iteration_can_be_looked_at_after_the_run(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    iterations: list[ei.Iteration] = []
    at_once: list[tuple[NDArray[np.float32], NDArray[np.float32]]] = []
    ei.estimate(scene, reference, optimizer=ei.Adam(iterations=5), on_iteration=iterations.append)
    ei.estimate(
        scene,
        reference,
        optimizer=ei.Adam(iterations=5),
        on_iteration=lambda iteration: at_once.append((iteration.texels, iteration.image)),
    )
    for iteration, (texels, image) in zip(iterations, at_once, strict=True):
        np.testing.assert_allclose(iteration.texels, texels, rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(iteration.image, image, rtol=1e-5, atol=1e-6)


@pytest.mark.filterwarnings("ignore:reference image. is black")
def test_the_first_step_is_the_learning_rate_against_the_gradient(open_scene: ei.Scene) -> None:
    result = ei.estimate(
        open_scene, np.zeros((8, 8, 3)), optimizer=ei.Adam(iterations=1, learning_rate=0.25)
    )
    moved = result.texels[result.texels != 1]
    assert moved.size >= 12
    np.testing.assert_allclose(moved, 0.75, rtol=1e-3)
