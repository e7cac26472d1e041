from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from z_test import differ

import envmap_inverse as ei
from envmap_inverse.optimizers.probing import sees_blurred_light
from envmap_inverse.problem.blocks import in_blocks_of, largest_block, spread_out
from envmap_inverse.problem.problem import Problem

Image = NDArray[np.float32]
Make = Callable[..., ei.Scene]


def problem_of(scene: ei.Scene, *views: ei.View) -> Problem:
    return Problem.create(scene, list(views), loss=ei.MSE())


@pytest.fixture
def scene(make_scene: Make) -> ei.Scene:
    return make_scene(size=(7, 9))


@pytest.fixture
def picture(rng: np.random.Generator) -> Image:
    return rng.uniform(0.1, 1, (9, 7, 3)).astype(np.float32)


def test_a_recording_of_blocks_is_that_of_the_means_of_their_pixels(make_scene: Make) -> None:
    scene = make_scene(size=(7, 6), film={"rfilter": {"type": "gaussian"}})
    texels = scene.envmap.texels.reshape(-1, 3)

    def images(block: int, spp: int) -> list[Image]:
        found = []
        for seed in range(24):
            record = ei.LightTransport.record(scene, spp=spp, seed=seed, block=block)
            width, height = record.image_sizes[0]
            found.append((record.matvec(texels) + record.offset).reshape(height, width, 3))
        return found

    means = [
        image.reshape(2, 3, 7, 3)[:, :, :6].reshape(2, 3, 2, 3, 3).mean(axis=(1, 3))
        for image in images(1, 16)
    ]
    found = images(3, 144)
    assert found[0].shape == (2, 2, 3)
    assert not differ(np.stack(found), np.stack(means))
    assert differ(np.stack(found), np.stack(means)[:, ::-1])


def test_a_recording_of_blocks_goes_on_to_more_paths(scene: ei.Scene) -> None:
    first = ei.LightTransport.record(scene, spp=2, block=2)
    grown = ei.LightTransport.record(scene, spp=8, block=2, earlier=first)
    whole = ei.LightTransport.record(scene, spp=8, block=2)
    ones = np.ones((whole.shape[1], 3), np.float32)
    np.testing.assert_allclose(grown.matvec(ones), whole.matvec(ones), rtol=1e-5)
    with pytest.raises(ei.InputError, match="earlier"):
        ei.LightTransport.record(scene, spp=8, block=3, earlier=first)


def test_blocks_show_means_of_whole_squares(scene: ei.Scene, picture: Image) -> None:
    (view,) = in_blocks_of(problem_of(scene, ei.View(picture)), 2).views
    means = picture[:8, :6].reshape(4, 2, 3, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(view.image, means, rtol=1e-6)
    assert view.averaged == 4


def test_blocks_of_which_a_mask_covers_a_part_do_not_count(scene: ei.Scene, picture: Image) -> None:
    mask = np.full((9, 7), 0.5, np.float32)
    mask[0, 0] = mask[2:4, 2:4] = 0
    (view,) = in_blocks_of(problem_of(scene, ei.View(picture, mask=mask)), 2).views
    expected = np.full((4, 3), 0.5)
    expected[0, 0] = expected[1, 1] = 0
    np.testing.assert_array_equal(view.mask, expected)


def test_a_block_is_a_bound_where_a_pixel_is_clipped(scene: ei.Scene, picture: Image) -> None:
    picture[4, 4, 1] = 2
    (view,) = in_blocks_of(problem_of(scene, ei.View(picture, white=2)), 2).views
    assert np.argwhere(view.is_over).tolist() == [[2, 2, 1]]


@pytest.mark.parametrize(
    ("size", "wanted", "block"),
    [
        ((64, 64), 4096, 1),
        ((64, 64), 1024, 2),
        ((64, 64), 1000, 2),
        ((64, 64), 64, 8),
        ((1280, 1152), 1, 64),
    ],
)
def test_blocks_are_as_large_as_leaves_enough(
    make_scene: Make, size: tuple[int, int], wanted: int, block: int
) -> None:
    problem = problem_of(make_scene(size=size), ei.View(np.ones((*size[::-1], 3), np.float32)))
    assert largest_block(problem, wanted) == block


def test_blocks_leave_enough_of_each_view_that_is_not_clipped(make_scene: Make) -> None:
    scene = make_scene(size=(64, 64), cameras=((0, 0, 4), (4, 0, 0)))
    image = np.ones((64, 64, 3), np.float32)
    small = np.zeros((64, 64), np.float32)
    small[:16, :32] = 1  # 8 x 16 blocks of 2, 5 x 10 of 3
    clipped = np.where(np.arange(64) < 16, image.T, np.float32(2)).T
    assert largest_block(problem_of(scene, ei.View(image), ei.View(image, 1)), 64) == 8
    assert largest_block(problem_of(scene, ei.View(image), ei.View(image, 1, small)), 64) == 2
    views = ei.View(image), ei.View(np.ascontiguousarray(clipped), 1, white=2.0)
    assert largest_block(problem_of(scene, *views), 64) == 4


def test_a_scene_with_other_lights_has_no_blocks(make_scene: Make) -> None:
    scene = make_scene(size=(64, 64), lamp={"type": "point", "position": [0, 3, 0]})
    assert largest_block(problem_of(scene, ei.View(np.ones((64, 64, 3), np.float32))), 64) == 1


def test_blocks_spread_out_over_all_pixels() -> None:
    found = spread_out(np.array([[1, 2, 3]]), (7, 3), 2)
    assert found.tolist() == [[1, 1, 2, 2, 3, 3, 3]] * 3


@pytest.mark.parametrize(("material", "is_blurred"), [("mirror", False), ("diffuse", True)])
def test_a_few_paths_tell_whether_light_is_blurred(
    make_scene: Make, material: str, is_blurred: bool
) -> None:
    cameras: Any = ((0, 0, 4), (4, 0, 0))
    scene = make_scene(material, size=(32, 32), cameras=cameras)
    views = [ei.View(np.ones((32, 32, 3), np.float32), k) for k in range(2)]
    assert sees_blurred_light(problem_of(scene, *views), 0) == is_blurred
    corner = np.zeros((32, 32), np.float32)
    corner[:2] = 1  # where no object is
    assert not sees_blurred_light(problem_of(scene, replace(views[0], mask=corner)), 0)
