from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei

MakeScene = Callable[..., ei.Scene]
MakeMap = Callable[..., NDArray[np.float32]]

FRONT, BACK = (0.0, 0.0, 4.0), (0.0, 0.0, -4.0)
NO_SMALL_SPHERE = {"type": "sphere", "center": [0, 0, 40], "radius": 0.1}
HIDDEN = {"type": "path", "max_depth": 3, "hide_emitters": True}
LAMP = {"type": "point", "position": [0, 0, 4], "intensity": {"type": "rgb", "value": 100.0}}


@pytest.fixture(scope="module")
def spheres(make_scene: MakeScene, random_map: MakeMap) -> ei.Scene:
    """A mirror sphere from the front and from the back, under a map of 48 x 24 texels."""
    return make_scene(
        texels=random_map(24, 48), size=(40, 40), cameras=(FRONT, BACK), small=NO_SMALL_SPHERE
    )


@pytest.fixture(scope="module")
def ranked(spheres: ei.Scene) -> tuple[ei.ViewCoverage, ...]:
    """The front view as two candidates, and the back view."""
    return ei.rank_views(spheres, [0, 0, 1])


def alone(scene: ei.Scene, **options: Any) -> ei.Information:
    return ei.rank_views(scene, [0], **options)[0].alone


# What a view sees


def test_a_mirror_sphere_from_the_front_shows_what_is_behind_the_sensor(
    ranked: tuple[ei.ViewCoverage, ...],
) -> None:
    front = next(view for view in ranked if view.sensor == 0)
    assert 0.7 < front.alone.seen_share < 1
    assert front.alone.is_seen[12, 24]  # behind the sensor
    assert not front.alone.is_seen[12, 0]  # behind the sphere


def test_front_and_back_together_show_everything(ranked: tuple[ei.ViewCoverage, ...]) -> None:
    assert ranked[1].together.seen_share == 1


def test_a_hidden_backdrop_tells_nothing(make_scene: MakeScene) -> None:
    backdrop = {"large": NO_SMALL_SPHERE, "small": NO_SMALL_SPHERE}
    shown, hidden = (
        ei.rank_views(make_scene(**backdrop, integrator=integrator))[0]
        for integrator in (None, HIDDEN)
    )
    assert 0 < shown.alone.seen_share < 0.5
    assert shown.gain > 1
    assert hidden.alone.seen_share == 0
    assert hidden.gain == pytest.approx(0)
    assert (hidden.alone.log_deviation > 1.5).all()


def test_a_diffuse_sphere_reveals_hardly_a_texel(make_scene: MakeScene) -> None:
    options = {"small": NO_SMALL_SPHERE, "size": (48, 48), "integrator": HIDDEN}
    mirror, diffuse = (alone(make_scene(kind, **options)) for kind in ("mirror", "diffuse"))
    assert mirror.seen_share > 0.8
    assert diffuse.seen_share == 0
    assert diffuse.median_deviation > 1.4 * mirror.median_deviation


# How well


@pytest.mark.parametrize("material", ["mirror", "rough", "diffuse"])
def test_deviations_are_those_of_an_estimate(
    make_scene: MakeScene, random_map: MakeMap, material: str
) -> None:
    scene = make_scene(material, texels=random_map(24, 48), size=(32, 32), small=NO_SMALL_SPHERE)
    foreseen = alone(scene)
    noise = 1 + 0.05 * np.random.default_rng(0).standard_normal((32, 32, 3))
    picture = ei.View(ei.render(scene, spp=512, seed=3) * noise, noise=ei.Noise(relative=0.05))
    result = ei.estimate(scene, picture, optimizer=ei.Transport(spp=32))
    assert result.posterior is not None
    assert result.deviation is not None
    # The map that is found is not the true one, on which deviations depend a little.
    np.testing.assert_allclose(foreseen.log_deviation, result.posterior.log_deviation, rtol=0.1)
    shares = foreseen.deviation / result.deviation * result.texels / scene.envmap.texels
    np.testing.assert_allclose(np.median(shares), 1, rtol=0.05)


def test_few_paths_change_deviations_little(make_scene: MakeScene) -> None:
    scene = make_scene("diffuse", size=(16, 16))
    few, many = (alone(scene, spp=spp).median_deviation for spp in (16, 256))
    assert few == pytest.approx(many, rel=0.1)


def test_less_noise_leaves_less_uncertain(spheres: ei.Scene) -> None:
    noisy, clean = (alone(spheres, noise=noise) for noise in (0.5, 0.05))
    assert (clean.log_deviation < noisy.log_deviation).all()
    assert noisy.median_deviation > 1.1 * clean.median_deviation


def test_lamps_in_the_scene_drown_the_map(make_scene: MakeScene) -> None:
    dark, lit = (
        ei.rank_views(make_scene("diffuse", integrator=HIDDEN, **more))[0].gain
        for more in ({}, {"lamp": LAMP})
    )
    assert 0 < lit < 0.8 * dark


def test_a_black_map_stands_for_light_of_which_nothing_is_known(make_scene: MakeScene) -> None:
    black, white = (
        alone(make_scene(texels=np.full((8, 16, 3), value, np.float32))) for value in (0, 1)
    )
    np.testing.assert_array_equal(black.deviation, white.deviation)


# Which view comes first


def test_a_view_that_repeats_another_adds_less_than_a_new_one(
    ranked: tuple[ei.ViewCoverage, ...],
) -> None:
    assert sorted(view.sensor for view in ranked[:2]) == [0, 1]
    assert ranked[2].sensor == 0
    assert ranked[0].gain > ranked[1].gain > ranked[2].gain > 0


def test_gains_add_up_to_what_all_views_tell(
    spheres: ei.Scene, ranked: tuple[ei.ViewCoverage, ...]
) -> None:
    backwards = ei.rank_views(spheres, [1, 0, 0])
    assert sum(view.gain for view in ranked) == pytest.approx(sum(v.gain for v in backwards))
    np.testing.assert_allclose(
        backwards[-1].together.log_deviation, ranked[-1].together.log_deviation, rtol=1e-4
    )


def test_another_view_takes_no_knowledge_away(ranked: tuple[ei.ViewCoverage, ...]) -> None:
    for view in ranked:
        assert (view.together.log_deviation <= 1.0001 * view.alone.log_deviation).all()


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
    (view,) = ei.rank_views(scene, spp=2048)
    np.testing.assert_allclose(view.image, ei.render(scene, spp=4096), rtol=0, atol=0.1)


# Bad input


@pytest.mark.parametrize("noise", [0, -1, np.nan, np.inf])
def test_a_noise_that_cannot_be(scene: ei.Scene, noise: float) -> None:
    with pytest.raises(ei.InputError, match="noise must be a positive number"):
        ei.rank_views(scene, noise=noise)


def test_a_sensor_that_is_not_there(scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match=r"sensor 3: the scene has 1 sensor"):
        ei.rank_views(scene, [0, 3])
