from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.sphere.latlong import texel_solid_angles

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

FRONT, BACK = (0.0, 0.0, 4.0), (0.0, 0.0, -4.0)
NO_SMALL_SPHERE = {"type": "sphere", "center": [0, 0, 40], "radius": 0.1}
HIDDEN = {"type": "path", "max_depth": 3, "hide_emitters": True}
LAMP = {"type": "point", "position": [0, 0, 4], "intensity": {"type": "rgb", "value": 100.0}}


@pytest.fixture(scope="module")
def spheres(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """A mirror sphere from the front and from the back, under a map of 64 x 32 texels."""
    return make_scene(
        texels=random_map(32, 64), size=(32, 32), cameras=(FRONT, BACK), small=NO_SMALL_SPHERE
    )


@pytest.fixture(scope="module")
def ranked(spheres: ei.Scene) -> tuple[ei.ViewCoverage, ...]:
    """The front view as two candidates, and the back view."""
    return ei.rank_views(spheres, [0, 0, 1])


def precision(scene: ei.Scene, **options: Any) -> NDArray[np.float64]:
    return ei.rank_views(scene, [0], **options)[0].alone.precision


# What a view sees


def test_a_mirror_sphere_from_the_front_shows_all_but_what_it_hides(
    ranked: tuple[ei.ViewCoverage, ...],
) -> None:
    front = next(view for view in ranked if view.sensor == 0)
    # A sphere of radius 1 hides a cone of asin(1 / 4) from a point at distance 4.
    hidden = (1 - np.sqrt(1 - 1 / 16)) / 2
    assert 0.95 < front.alone.seen_share <= 1 - hidden / 2
    seen = front.alone.is_seen
    assert seen[16, 32]  # behind the sensor
    assert not seen[16, 0]  # behind the sphere


def test_front_and_back_together_show_everything(ranked: tuple[ei.ViewCoverage, ...]) -> None:
    assert ranked[1].together.seen_share == 1


def test_a_hidden_backdrop_is_not_seen(make_scene: MakeScene) -> None:
    backdrop = {"large": NO_SMALL_SPHERE, "small": NO_SMALL_SPHERE}
    shown, hidden = (
        ei.rank_views(make_scene(**backdrop, integrator=integrator))[0].alone
        for integrator in (None, HIDDEN)
    )
    assert 0 < shown.seen_share < 0.5
    assert hidden.seen_share == 0
    assert hidden.median_deviation == 1
    np.testing.assert_array_equal(hidden.deviation, 1)


# How well


@pytest.mark.parametrize("material", ["mirror", "diffuse"])
def test_the_precision_is_the_diagonal_of_the_weighted_normal_matrix(
    make_scene: MakeScene, material: str
) -> None:
    scene = make_scene(material, size=(6, 6))
    exact = sum(ei.LightTransport.record(scene, spp=2**14).channels).toarray() / 3
    expected = np.sum((exact / (0.1 * exact.sum(axis=1, keepdims=True))) ** 2, axis=0)
    found = np.mean([precision(scene, noise=0.1, spp=256, seed=k) for k in range(4)], axis=0)
    # Of the map's 16 x 8 texels all but those at the poles are patches of their own.
    inner, expected = found[1:-1], expected.reshape(8, 16)[1:-1]
    np.testing.assert_allclose(inner, expected, rtol=0.1, atol=0.02 * expected.max())


def test_few_paths_do_not_raise_the_precision(make_scene: MakeScene) -> None:
    scene = make_scene("diffuse", size=(16, 16))
    few = np.mean([precision(scene, spp=2, seed=k).sum() for k in range(8)])
    assert few == pytest.approx(precision(scene, spp=256).sum(), rel=0.1)


def test_the_deviation_halves_where_the_noise_does(spheres: ei.Scene) -> None:
    coarse, fine = (precision(spheres, noise=noise) for noise in (0.1, 0.05))
    np.testing.assert_allclose(fine, 4 * coarse)


def test_lamps_in_the_scene_drown_the_map(make_scene: MakeScene) -> None:
    dark, lit = (
        precision(make_scene("diffuse", integrator=HIDDEN, **more), spp=64).sum()
        for more in ({}, {"lamp": LAMP})
    )
    assert 0 < lit < dark / 2


# Which view comes first


def test_a_view_that_repeats_another_adds_less_than_a_new_one(
    ranked: tuple[ei.ViewCoverage, ...],
) -> None:
    assert sorted(view.sensor for view in ranked[:2]) == [0, 1]
    assert ranked[2].sensor == 0
    assert ranked[0].gain > ranked[1].gain > ranked[2].gain


def test_what_is_measured_twice_is_known_by_half_a_bit_more_at_most(spheres: ei.Scene) -> None:
    first, again = ei.rank_views(spheres, [0, 0])
    assert 0.4 < again.gain <= 0.5
    np.testing.assert_allclose(again.together.precision, 2 * first.alone.precision)


def test_gains_are_the_falls_of_the_mean_log_deviation(
    ranked: tuple[ei.ViewCoverage, ...],
) -> None:
    weights = texel_solid_angles(32, 64) / (4 * np.pi)
    bits = [np.sum(weights * -np.log2(view.together.deviation)) for view in ranked]
    np.testing.assert_allclose([view.gain for view in ranked], np.diff([0, *bits]))


def test_all_sensors_are_candidates_by_default(make_scene: MakeScene) -> None:
    views = ei.rank_views(make_scene(cameras=(FRONT, BACK)))
    assert sorted(view.sensor for view in views) == [0, 1]


# What else a view comes with


def test_the_coverage_tells_how_texels_add_up_to_the_mean_pixel(
    spheres: ei.Scene, ranked: tuple[ei.ViewCoverage, ...]
) -> None:
    view = ranked[0]
    mean = np.sum(view.coverage * spheres.envmap.texels, axis=(0, 1))
    np.testing.assert_allclose(mean, view.image.mean(axis=(0, 1)), rtol=1e-4)


def test_the_image_is_that_of_the_scene(make_scene: MakeScene) -> None:
    scene = make_scene(lamp=LAMP, size=(10, 6))
    (view,) = ei.rank_views(scene, spp=1024)
    np.testing.assert_allclose(view.image, ei.render(scene, spp=4096), rtol=0, atol=0.1)


# Bad input


@pytest.mark.parametrize("noise", [0, -1, np.nan, np.inf])
def test_a_noise_that_cannot_be(scene: ei.Scene, noise: float) -> None:
    with pytest.raises(ei.InputError, match="noise must be a positive number"):
        ei.rank_views(scene, noise=noise)


def test_a_sensor_that_is_not_there(scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match=r"sensor 3: the scene has 1 sensor"):
        ei.rank_views(scene, [0, 3])
