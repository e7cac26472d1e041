from __future__ import annotations

import functools

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.metrics import log_rmse

SIZE = 64
HAND = np.s_[26:40, 22:36]
"""5 % of the film."""


@functools.cache
def _case() -> tuple[ei.Scene, np.ndarray, np.ndarray, float]:
    """The rough bunny, its map, its picture and the error of the map from that."""
    scene = bundled_scene("bunny", "rough")
    scene.set_film_size(SIZE)
    truth = read_image(map_file("museum"))
    scene.envmap.write(truth)
    picture = ei.render(scene, spp=64, seed=7)
    found = ei.estimate(scene, picture)
    assert found.outliers is not None
    assert not found.outliers[0].any()
    return scene, truth, picture, log_rmse(found.texels, truth)


@functools.cache
def _covered(brightness: float) -> tuple[ei.Estimate, ei.Estimate]:
    """Estimates from a picture that a hand covers in part: without outliers, and with all pixels.

    The first is the one that warns.
    """
    scene, _, picture, _ = _case()
    covered = picture.copy()
    covered[HAND] = np.array([0.9, 0.6, 0.45]) * picture.mean() * brightness
    with pytest.warns(
        UserWarning, match=r"reference image: \d(\.\d)? % of its pixels go with no map"
    ):
        found = ei.estimate(scene, covered)
    return found, ei.estimate(scene, covered, optimizer=ei.Transport(max_outliers=0))


@pytest.mark.parametrize("brightness", [0.25, 4.0])
def test_a_hand_is_found_and_does_at_most_half_of_the_harm_that_it_would_do(
    brightness: float,
) -> None:
    _, truth, _, error = _case()
    found, harmed = _covered(brightness)
    assert harmed.outliers is None
    assert found.outliers is not None
    assert found.outliers[0][HAND].mean() > 0.4
    assert np.mean(found.outliers[0]) < 0.09
    harm = log_rmse(harmed.texels, truth) - error
    assert log_rmse(found.texels, truth) - error < harm / 2


@pytest.mark.filterwarnings("ignore:.*of its pixels go with no map")
def test_dust_hardly_changes_the_map() -> None:
    scene, truth, picture, error = _case()
    random = np.random.default_rng(5)
    dusty = picture.copy()
    chosen = random.choice(SIZE**2, SIZE**2 // 20, replace=False)
    dusty.reshape(-1, 3)[chosen] *= random.choice([0.2, 3.0], (len(chosen), 1))
    assert log_rmse(ei.estimate(scene, dusty).texels, truth) < 1.05 * error


def test_a_fit_is_judged_by_the_pixels_that_were_not_left_out() -> None:
    found, kept = (each.fit for each in _covered(4.0))
    assert found is not None
    assert kept is not None
    assert kept.verdict != found.verdict == "within noise"
    assert found.chi2 < 0.7 * kept.chi2


def test_brackets_have_no_outliers_as_their_lamps_would_be_taken_for_them() -> None:
    scene, _, picture, _ = _case()
    views = [ei.View(picture), ei.View(picture / 4, exposure=0.25)]
    assert ei.estimate(scene, views, optimizer=ei.Transport(spp=16, rounds=1)).outliers is None


def test_a_scene_that_explains_nothing_has_no_outliers() -> None:
    scene, _, picture, _ = _case()
    found = ei.estimate(scene, np.ascontiguousarray(picture[::-1]))
    assert found.outliers is not None
    assert not found.outliers[0].any()


def test_the_share_of_outliers_has_bounds() -> None:
    with pytest.raises(InputError, match="max_outliers must lie from 0 to below 1; found 1"):
        ei.Transport(max_outliers=1)


def test_light_that_is_finer_than_the_map_is_no_outlier() -> None:
    """A mirror shows lamps that are finer than the texels, which no map explains."""
    scene = bundled_scene("ball", "mirror")
    scene.set_film_size(128, 0)
    scene.set_envmap(read_image(map_file("museum")))
    picture = ei.render(scene, spp=128, seed=3)
    scene.set_map_size(128, 64)
    found = ei.estimate(scene, picture)
    assert found.outliers is not None
    assert not found.outliers[0].any()
