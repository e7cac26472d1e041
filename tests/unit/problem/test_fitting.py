"""Pictures that are averaged down, and the films that follow them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from envmap_inverse import InputError, View
from envmap_inverse.problem.fitting import area_mean, fit_films, map_size_for, resized
from envmap_inverse.problem.noise import Noise

sides = st.integers(1, 12)


class _Films:
    """A scene as far as `fit_films` knows one."""

    def __init__(self, *sizes: tuple[int, int], has_cameras: bool = False) -> None:
        self.sizes = list(sizes)
        self.has_cameras = has_cameras

    def film_size(self, sensor: int = 0) -> tuple[int, int]:
        return self.sizes[sensor]

    def set_film_size(self, size: tuple[int, int], sensor: int = 0) -> None:
        self.sizes[sensor] = size

    def sensor(self, index: int) -> Any:
        film = SimpleNamespace(size=lambda: self.sizes[index], crop_size=lambda: self.sizes[index])
        return SimpleNamespace(film=lambda: film, class_name=lambda: "PerspectiveCamera")


def picture(width: int, height: int, value: float = 0.5, **more: Any) -> View:
    return View(np.full((height, width, 3), value, np.float32), **more)


def test_whole_cells_are_plain_means(rng: np.random.Generator) -> None:
    image = rng.random((6, 8, 3))
    expected = image.reshape(3, 2, 2, 4, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(area_mean(image, 2, 3), expected, rtol=1e-6)


@given(st.data(), sides, sides)
def test_the_mean_of_an_image_stays(data: st.DataObject, width: int, height: int) -> None:
    smaller = data.draw(st.tuples(st.integers(1, width), st.integers(1, height)))
    image = np.random.default_rng(width * 99 + height).random((height, width, 3))
    found = area_mean(image, *smaller)
    assert found.shape == (smaller[1], smaller[0], 3)
    np.testing.assert_allclose(found.mean(axis=(0, 1)), image.mean(axis=(0, 1)), rtol=1e-5)


def test_parts_of_pixels_count_as_such() -> None:
    image = np.array([[[1.0], [2.0], [6.0]]])
    np.testing.assert_allclose(area_mean(image, 2, 1)[0, :, 0], [2 / 1.5 - 0.0, 7 / 1.5])


def test_a_pixel_is_clipped_where_any_of_its_parts_is() -> None:
    image = np.full((4, 4, 3), 0.5, np.float32)
    image[0, 0, 1] = 1.0
    image[3, 3] = 0.1
    view = resized(View(image, white=1.0, black=0.1), 2, 2)
    assert np.argwhere(view.is_over).tolist() == [[0, 0, 1]]
    assert np.argwhere(view.is_under).tolist() == [[1, 1, 0], [1, 1, 1], [1, 1, 2]]
    low, high = view.bounds
    assert (low[0, 0, 1], high[0, 0, 1]) == (pytest.approx(0.625), np.inf)
    assert (low[1, 1, 0], high[1, 1, 0]) == (-np.inf, pytest.approx(0.4))


def test_dark_parts_that_hide_next_to_nothing_leave_a_mean_exact() -> None:
    image = np.full((2, 4, 3), 0.5, np.float32)
    image[0, 0] = 0.001
    image[:, 2:] = 0.001
    view = resized(View(image, black=0.001), 2, 1)
    assert np.argwhere(view.is_under).tolist() == [[0, 1, 0], [0, 1, 1], [0, 1, 2]]


@pytest.mark.parametrize("black", [0.1, 0.001])
def test_a_mean_of_clipped_values_bounds_what_they_hide(
    rng: np.random.Generator, black: float
) -> None:
    true = rng.random((12, 18, 3)) ** 4 * 1.1
    photo = View(np.clip(true, black, 1).astype(np.float32), white=1.0, black=black)
    view, means = resized(photo, 9, 6), area_mean(true, 9, 6)
    low, high = view.bounds
    hidden = np.where(view.is_over, black, 0.01 * means)
    assert (means >= low - hidden - 1e-6).all()
    assert (means <= high + 1e-6).all()
    for flags in (view.is_over, view.is_under, ~view.is_over & ~view.is_under):
        assert flags.any()


def test_a_pixel_that_is_clipped_at_both_ends_counts_as_clipped_at_the_top() -> None:
    image = np.full((2, 4, 3), 0.5, np.float32)
    image[0, 0], image[1, 1] = 1.0, 0.1
    view = resized(View(image, white=1.0, black=0.1), 2, 1)
    assert view.is_over[0, 0].all()
    assert not view.is_under.any()


def test_masked_parts_count_neither_in_the_mean_nor_as_clipped() -> None:
    image = np.full((2, 4, 3), 0.5, np.float32)
    image[0, 0] = 1.0
    mask = np.ones((2, 4), np.float32)
    mask[0, 0], mask[:, 2:] = 0, 0.5
    view = resized(View(image, mask=mask, white=1.0), 2, 1)
    np.testing.assert_allclose(view.image, 0.5)
    np.testing.assert_allclose(view.mask, [[0.75, 0.5]])
    assert not view.is_over.any()


def test_the_noise_of_means_is_that_of_means(rng: np.random.Generator) -> None:
    clean, noise = np.full((80, 120, 3), 0.5), Noise(read=0.02, shot=0.001, relative=0.0)
    noisy = clean + rng.normal(size=clean.shape) * np.sqrt(noise.variance(clean))
    view = resized(View(noisy, noise=noise), 30, 20)
    assert isinstance(view.noise, Noise)
    expected = float(np.sqrt(view.noise.variance(np.float32(0.5))))
    assert view.image.std() == pytest.approx(expected, rel=0.06)  # 1,800 values
    assert resized(View(noisy), 30, 20).noise == "auto"


def test_a_picture_of_its_own_size_is_left_alone() -> None:
    view = picture(6, 4)
    assert resized(view, 6, 4) is view


def fitted(scene: Any, *views: View, **options: Any) -> tuple[View, ...]:
    return fit_films(scene, views, **options)


def test_a_film_takes_the_size_of_its_picture() -> None:
    scene = _Films((4, 3), (8, 8))
    (view,) = fitted(scene, picture(8, 6))
    assert scene.sizes == [(8, 6), (8, 8)]
    assert view.image.shape == (6, 8, 3)


def test_a_film_of_another_aspect_follows_with_a_warning() -> None:
    scene = _Films((512, 512))
    message = "picture is 640 x 400, but the film of sensor 0 is 512 x 512, .*horizontal field"
    with pytest.warns(UserWarning, match=message.replace("picture is", "is")):
        fitted(scene, picture(640, 400))
    assert scene.sizes == [(640, 400)]


@pytest.mark.parametrize(("own", "aspect"), [((1600, 1000), 1.6), ((1000, 1500), 2 / 3)])
def test_large_pictures_are_averaged_down_to_a_megapixel(
    own: tuple[int, int], aspect: float
) -> None:
    scene = _Films(own)
    fitted(scene, picture(*own))
    width, height = scene.sizes[0]
    assert 0.95e6 < width * height <= 1e6
    assert abs(width - aspect * height) < 0.1
    fitted(scene, picture(*own), max_pixels=None)
    assert scene.sizes == [own]


def test_pictures_of_their_films_size_can_keep_it() -> None:
    scene = _Films((1600, 1000))
    view = picture(1600, 1000)
    assert fitted(scene, view, is_size_kept=True) == (view,)
    assert scene.sizes == [(1600, 1000)]


@pytest.mark.parametrize(
    ("size", "film"), [(4, (4, 2)), (8, (8, 5)), ((8, 5), (8, 5)), ((4, 3), (4, 3))]
)
def test_a_size_that_is_asked_for_is_that_of_film_and_picture(
    size: int | tuple[int, int], film: tuple[int, int]
) -> None:
    scene = _Films((16, 10))
    (view,) = fitted(scene, picture(16, 10), size=size)
    assert scene.sizes == [film]
    assert view.image.shape[1::-1] == film


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (0, "--size 0: must be at least 1 pixel"),
        ((4, 0), "--size 4x0: must be at least 1 pixel"),
        ((8, 8), r"--size 8x8: photo is 16 x 10, of another aspect; give --size 8 or --size 8x5"),
        (32, "--size 32: photo is only 16 x 10, and pictures are not enlarged; .*at most 16"),
    ],
)
def test_a_size_that_does_not_fit_is_refused(size: int | tuple[int, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        fitted(_Films((16, 10)), picture(16, 10, name="photo"), size=size)


def test_pictures_of_one_sensor_get_the_size_of_the_smallest() -> None:
    scene = _Films((4, 4))
    views = fitted(scene, picture(12, 12), picture(6, 6), picture(9, 9))
    assert scene.sizes == [(6, 6)]
    assert {view.image.shape for view in views} == {(6, 6, 3)}


def test_pictures_of_one_sensor_with_two_aspects_are_refused() -> None:
    upright = picture(4, 6, name="upright.jpg")
    with pytest.raises(InputError, match=r"flat\.jpg: is 8 x 6, but upright\.jpg, of the same"):
        fitted(_Films((4, 4)), upright, picture(8, 6, name="flat.jpg"))


def test_a_picture_of_another_aspect_than_its_camera_is_refused() -> None:
    with pytest.raises(InputError, match=r"as its camera says; .*uncropped"):
        fitted(_Films((64, 48), has_cameras=True), picture(64, 64))
    fitted(_Films((4000, 2667), has_cameras=True), picture(1000, 667))  # rounded


def test_an_unknown_map_has_no_more_texels_than_the_pictures_have_pixels() -> None:
    assert map_size_for([picture(640, 400)]) == (256, 128)
    assert map_size_for([picture(100, 50)]) == (100, 50)
    assert map_size_for([picture(100, 50), picture(100, 50)]) == (140, 70)
    assert map_size_for([picture(4, 4)]) == (16, 8)
    mask: NDArray[np.float32] = np.zeros((50, 100), np.float32)
    mask[:, :50] = 1
    assert map_size_for([picture(100, 50, mask=mask)]) == (70, 35)
