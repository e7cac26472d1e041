from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any, NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray
from threadpoolctl import threadpool_info, threadpool_limits

import envmap_inverse as ei
from envmap_inverse.optimizers.choices import default_optimizer
from envmap_inverse.sphere import latlong

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

QUICK = ei.Adam(iterations=2)


@pytest.fixture
def reference(scene: ei.Scene) -> NDArray[np.float32]:
    return ei.render(scene, spp=16, seed=12345)


def test_an_estimate_leaves_the_scenes_map_as_it_was(
    scene: ei.Scene, reference: NDArray[np.float32], random_map: MakeMap
) -> None:
    before = ei.render(scene, spp=4)
    ei.estimate(scene, reference, optimizer=QUICK)
    np.testing.assert_array_equal(scene.envmap.texels, random_map())
    np.testing.assert_array_equal(ei.render(scene, spp=4), before)


def test_an_estimate_that_fails_leaves_the_scenes_map_as_it_was(
    scene: ei.Scene, reference: NDArray[np.float32], random_map: MakeMap
) -> None:
    def fail(_: ei.Iteration) -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ei.estimate(scene, reference, optimizer=QUICK, on_iteration=fail)
    np.testing.assert_array_equal(scene.envmap.texels, random_map())


def test_an_estimate_does_not_look_at_the_scenes_map(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    expected = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=5))
    scene.set_envmap(np.full((8, 16, 3), 77))
    found = ei.estimate(scene, reference, optimizer=ei.Adam(iterations=5))
    np.testing.assert_allclose(found.texels, expected.texels, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.coverage, expected.coverage, rtol=1e-5, atol=1e-8)


def test_an_estimate_starts_white(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    adam = ei.Adam(iterations=1, learning_rate=1e-6)
    result = ei.estimate(scene, reference, optimizer=adam)
    np.testing.assert_allclose(result.texels, 1, atol=2e-6)


def test_an_estimate_starts_from_the_map_it_is_given(
    scene: ei.Scene, reference: NDArray[np.float32], random_map: MakeMap
) -> None:
    adam, start = ei.Adam(iterations=1, learning_rate=1e-6), random_map(seed=4)
    for initial in (start, latlong.flatten_rgba(start)):
        result = ei.estimate(scene, reference, optimizer=adam, initial=initial)
        np.testing.assert_allclose(result.texels, start, atol=2e-6)


def test_an_estimate_is_float32_texels_and_coverage_of_the_maps_shape(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    result = ei.estimate(scene, reference, optimizer=QUICK)
    for array in (result.texels, result.coverage):
        assert (array.dtype, array.shape) == (np.float32, (8, 16, 3))


def test_the_phases_add_up_to_no_more_than_the_whole(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    result = ei.estimate(scene, reference, optimizer=QUICK)
    assert set(result.phases) >= {"optimize", "coverage"}
    assert 0 < sum(result.phases.values()) <= result.seconds


def test_adam_has_a_hundred_steps(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    assert len(ei.estimate(scene, reference, optimizer=ei.Adam()).history) == 100


def test_a_picture_a_view_and_a_list_of_either_are_taken(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    for views in (reference, ei.View(reference), [reference], (ei.View(reference), reference)):
        assert len(ei.estimate(scene, views, optimizer=QUICK).history) == 2


def test_coverage_is_the_column_sums_of_the_light_transport(make_scene: MakeScene) -> None:
    scene = make_scene(texels=np.ones((3, 4, 3), np.float32))
    result = ei.estimate(scene, ei.render(scene, spp=1), optimizer=QUICK)
    responses = np.zeros((8, 3, 4, 3))
    for row, column in np.ndindex(3, 4):
        texels = np.zeros((3, 4, 3))
        texels[row, column] = 1
        for seed in range(8):
            image = ei.render(scene, texels, spp=16, seed=50 + seed)
            responses[seed, row, column] = image.mean((0, 1)) / 3  # of all values of the image
    spread = responses.std(axis=0, ddof=1) * np.sqrt(1 + 1 / 8)
    assert spread.sum() < 0.05 * responses.mean(axis=0).sum()
    # Student's t of 7 degrees of freedom: one of the 36 exceeds 6.7 in 1 % of all runs
    deviation = np.abs(result.coverage - responses.mean(axis=0))
    assert (deviation <= 6.7 * spread + 1e-6).all()


def test_coverage_is_positive_where_something_is_seen_and_zero_elsewhere(
    make_scene: MakeScene, random_map: MakeMap
) -> None:
    behind = {"type": "sphere", "center": [0, 0, 40], "radius": 0.1}
    scene = make_scene(texels=random_map(9, 16), large=behind, small=behind)
    coverage = ei.estimate(scene, np.ones((8, 8, 3)), optimizer=QUICK).coverage

    sides = (np.arange(400) + 0.5) / 200 - 1
    x, y = np.meshgrid(sides, sides)
    extent = np.tan(np.radians(20))
    rays = np.stack([x * extent, y * extent, np.full_like(x, -1)], axis=-1).reshape(-1, 3)
    u, v = latlong.direction_to_uv(rays)
    column, row = u * 16 - 0.5, v * 8
    share = np.zeros((9, 16))
    for i, k in ((0, 0), (0, 1), (1, 0), (1, 1)):
        rows, columns = np.floor(row).astype(int) + i, np.floor(column).astype(int) + k
        weights = (1 - np.abs(row - rows)) * (1 - np.abs(column - columns))
        np.add.at(share, (rows, columns % 16), weights / len(rays))

    assert (coverage >= 0).all()
    assert (coverage[share == 0] == 0).all()
    assert (coverage[share > 0.01] > 0).all()
    np.testing.assert_allclose(coverage.sum(axis=2), share, atol=0.02)


def test_all_that_a_camera_sees_of_a_white_map_adds_up(
    make_scene: MakeScene, material: str
) -> None:
    scene = make_scene(material)
    coverage = ei.estimate(scene, np.ones((8, 8, 3)), optimizer=QUICK).coverage
    expected = ei.render(scene, np.ones((8, 16, 3)), spp=1024).mean()
    assert coverage.sum() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize(
    ("views", "message"),
    [
        (np.ones(8), r"must have shape \(h, w, 3\)"),
        (np.ones((8, 8, 4)), r"must have shape \(h, w, 3\)"),
        (np.full((8, 8, 3), np.nan), "192 values are NaN or infinite"),
        ([], "no reference image"),
    ],
)
def test_references_that_do_not_fit_are_refused(scene: ei.Scene, views: Any, message: str) -> None:
    with pytest.raises(ei.InputError, match=message):
        ei.estimate(scene, views)


def test_transport_is_the_default_optimizer(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    found = ei.estimate(scene, reference)
    expected = ei.estimate(scene, reference, optimizer=ei.Transport())
    np.testing.assert_array_equal(found.texels, expected.texels)


FOG = {"type": "homogeneous", "albedo": 0.5, "sigma_t": 0.1}


@pytest.mark.parametrize(
    ("described", "reason"),
    [
        (
            {"integrator": {"type": "direct", "emitter_samples": 2, "bsdf_samples": 0}},
            r"bsdf_samples",
        ),
        ({"fog": {"type": "sphere", "radius": 0.1, "interior": FOG}}, "participating media cannot"),
    ],
)
def test_a_scene_that_cannot_be_recorded_is_left_to_the_robust_adam(
    make_scene: MakeScene, described: dict[str, Any], reason: str
) -> None:
    scene = make_scene(**described)
    with pytest.warns(UserWarning, match=rf"{reason}.*; Adam\.robust\(\) is taken"):
        assert default_optimizer(scene) == ei.Adam.robust
    with pytest.raises(ei.InputError, match=rf"{reason}.*; use the Adam optimizer"):
        ei.estimate(scene, np.ones((8, 8, 3)), optimizer=ei.Transport())


def test_a_film_follows_a_picture_of_another_aspect(scene: ei.Scene) -> None:
    with pytest.warns(UserWarning, match="is 12 x 8, but the film of sensor 0 is 8 x 8"):
        ei.estimate(scene, np.ones((8, 12, 3)), optimizer=QUICK)
    assert scene.film_size() == (12, 8)


def test_clipped_values_of_a_large_picture_stay_bounds(make_scene: MakeScene) -> None:
    """The brightest quarter of a picture is cut off; what is left tells a dark map if exact."""
    large, small = make_scene(size=(24, 24)), make_scene(size=(8, 8))
    image = ei.render(large, spp=64)
    white = float(np.percentile(image, 75))
    views = [ei.View(np.minimum(image, white), white=level) for level in (white, None)]
    maps = [ei.estimate(small, view, optimizer=ei.Transport()).texels for view in views]
    assert maps[0].mean() > maps[1].mean()


def test_a_view_of_a_sensor_that_the_scene_does_not_have_is_refused(scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="sensor 3: the scene has 1 sensor"):
        ei.estimate(scene, ei.View(np.ones((8, 8, 3)), sensor=3))


def test_a_film_without_rgb_is_refused(make_scene: MakeScene) -> None:
    scene = make_scene(film={"pixel_format": "luminance"})
    with pytest.raises(ei.InputError, match="set its pixel_format"):
        ei.estimate(scene, np.ones((8, 8, 3)), optimizer=QUICK)


def test_an_alpha_channel_of_the_film_does_not_matter(
    make_scene: MakeScene, reference: NDArray[np.float32]
) -> None:
    results = [
        ei.estimate(scene, reference, optimizer=ei.Adam(iterations=5))
        for scene in (make_scene(), make_scene(film={"pixel_format": "rgba"}))
    ]
    np.testing.assert_allclose(*(result.texels for result in results), rtol=1e-5, atol=1e-6)


def test_the_public_api_runs_as_a_program() -> None:
    code = """
import numpy as np
import envmap_inverse as ei
from envmap_inverse.bundled import bunny

scene = ei.load_scene(bunny())
scene.set_film_size(16)
image = ei.render(scene, spp=4, seed=1)
result = ei.estimate(scene, image, optimizer=ei.Adam(iterations=3), loss=ei.MSE())
print(result.texels.shape, len(result.history), scene.envmap.rgba.shape)
"""
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert (done.stdout, done.stderr) == ("(125, 250, 3) 3 (125000,)\n", "")


def test_a_start_map_is_no_file_name(scene: ei.Scene, reference: NDArray[np.float32]) -> None:
    with pytest.raises(
        ei.InputError, match=r"initial map: is the name 'start\.exr'; read the file"
    ):
        ei.estimate(scene, reference, initial="start.exr")


def test_blas_has_one_thread_during_an_estimate(
    scene: ei.Scene, reference: NDArray[np.float32]
) -> None:
    found: set[int] = set()

    def look(_: ei.Iteration) -> None:
        found.update(
            pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"
        )

    with threadpool_limits(2, user_api="blas"):
        ei.estimate(scene, reference, optimizer=QUICK, on_iteration=look)
    assert found == {1}
