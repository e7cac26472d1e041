"""Tests of deviations, intervals and samples: how sure a recovered map is."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.problem.posterior import Posterior
from envmap_inverse.sphere.latlong import texel_solid_angles

Image = NDArray[np.float32]
HEIGHT, WIDTH = 24, 48


def natural_map(seed: int) -> Image:
    """Smooth waves with a lamp, about as bright as 1."""
    random = np.random.default_rng(seed)
    waves = np.fft.irfft2(
        np.fft.rfft2(random.standard_normal((HEIGHT, WIDTH)))
        / (1 + np.hypot(*np.meshgrid(range(WIDTH // 2 + 1), np.fft.fftfreq(HEIGHT) * HEIGHT))),
        s=(HEIGHT, WIDTH),
    )
    texels = np.exp(3 * waves)[:, :, None] * np.array([1.1, 1, 0.9])
    texels[6:8, 10 + seed : 13 + seed] += 20
    return texels.astype(np.float32)


def lit(material: str, texels: Image) -> tuple[ei.Scene, Image]:
    scene = ei.load_scene(bundled_scene("bunny", material).mi_scene, envmap=(WIDTH, HEIGHT))
    scene.set_film_size(32)
    scene.envmap.write(texels)
    return scene, ei.render(scene, spp=256, seed=5)


def estimated(material: str, texels: Image) -> ei.Estimate:
    scene, picture = lit(material, texels)
    return ei.estimate(scene, picture, optimizer=ei.Transport(spp=64))


@pytest.fixture(scope="module")
def truth() -> Image:
    return natural_map(1)


@pytest.fixture(scope="module")
def mirror(truth: Image) -> ei.Estimate:
    return estimated("mirror", truth)


@pytest.fixture(scope="module")
def diffuse(truth: Image) -> ei.Estimate:
    return estimated("diffuse", truth)


def known(result: ei.Estimate) -> Posterior:
    assert result.posterior is not None
    return result.posterior


def test_deviations_are_positive_and_finite(mirror: ei.Estimate) -> None:
    found = mirror.deviation
    assert found is not None
    assert (found.shape, found.dtype) == ((HEIGHT, WIDTH, 3), np.float32)
    assert np.isfinite(found).all()
    assert (found > 0).all()


def test_a_mirror_leaves_less_uncertain_than_a_diffuse_object(
    mirror: ei.Estimate, diffuse: ei.Estimate
) -> None:
    typical = [np.median(known(result).log_deviation) for result in (mirror, diffuse)]
    assert typical[0] < 0.85 * typical[1]


def test_what_is_not_seen_is_more_uncertain(mirror: ei.Estimate) -> None:
    logs = known(mirror).log_deviation
    strength = mirror.coverage.mean(axis=2)
    weak, strong = strength < np.quantile(strength, 0.1), strength > np.quantile(strength, 0.8)
    assert np.median(logs[weak]) > 1.3 * np.median(logs[strong])


@pytest.mark.parametrize("material", ["mirror", "diffuse"])
def test_intervals_hold_about_as_much_as_they_say(
    material: str, truth: Image, request: pytest.FixtureRequest
) -> None:
    result = request.getfixturevalue(material)
    weights = texel_solid_angles(HEIGHT, WIDTH)[:, :, None] * result.seen[:, :, None] * np.ones(3)
    held = []
    for probability in (0.5, 0.9, 0.99):
        low, high = result.interval(probability)
        assert (low < high).all()
        held.append(float(np.sum(weights * ((low < truth) & (truth < high))) / np.sum(weights)))
    assert held == sorted(held)
    assert 0.4 < held[0] < 0.95
    assert held[1] > 0.8
    assert held[2] > 0.9


def test_samples_explain_the_picture_as_well_as_the_map(diffuse: ei.Estimate, truth: Image) -> None:
    scene, picture = lit("diffuse", truth)
    drawn = diffuse.samples(4)
    assert (drawn.shape, drawn.dtype) == ((4, HEIGHT, WIDTH, 3), np.float32)
    assert (drawn > 0).all()
    rendered = [ei.render(scene, texels, spp=256, seed=6) for texels in drawn]
    errors = [np.sqrt(np.mean((image - picture) ** 2)) for image in rendered]
    assert max(errors) < 0.25 * picture.mean()
    spread = np.std(np.log(drawn), axis=0)
    assert np.median(spread) > 0.2  # though they are unlike each other


def test_samples_are_the_same_for_the_same_seed(mirror: ei.Estimate) -> None:
    np.testing.assert_array_equal(mirror.samples(2, seed=3), mirror.samples(2, seed=3))
    assert np.abs(mirror.samples(2, seed=3) - mirror.samples(2, seed=4)).max() > 0


@pytest.mark.parametrize("factor", [100.0, 0.01])
def test_all_is_in_the_units_of_the_pictures(
    mirror: ei.Estimate, truth: Image, factor: float
) -> None:
    scene, picture = lit("mirror", truth)
    scaled = ei.estimate(scene, factor * picture, optimizer=ei.Transport(spp=64))
    assert scaled.deviation is not None
    assert mirror.deviation is not None
    np.testing.assert_allclose(scaled.deviation, factor * mirror.deviation, rtol=2e-2)
    for ours, theirs in zip(scaled.interval(), mirror.interval(), strict=True):
        np.testing.assert_allclose(ours, factor * theirs, rtol=2e-2)


@pytest.mark.parametrize("probability", [0, 1, -0.5, np.nan])
def test_what_is_no_probability_is_refused(mirror: ei.Estimate, probability: float) -> None:
    with pytest.raises(ei.InputError, match="probability must lie between 0 and 1"):
        mirror.interval(probability)


def test_no_samples_are_refused(mirror: ei.Estimate) -> None:
    with pytest.raises(ei.InputError, match="count must be at least 1; found 0"):
        mirror.samples(0)


@pytest.mark.parametrize("ask", [lambda r: r.interval(), lambda r: r.samples(2)])
def test_adam_knows_no_uncertainty_and_says_so(truth: Image, ask: Any) -> None:
    scene, picture = lit("mirror", truth)
    result = ei.estimate(scene, picture, optimizer=ei.Adam(iterations=1))
    assert result.deviation is None
    with pytest.raises(ei.InputError, match=r"not known; estimate it with ei\.Transport\(\)"):
        ask(result)


def test_the_variance_of_a_sum_is_that_of_its_samples(diffuse: ei.Estimate) -> None:
    weights = np.cos(np.linspace(0, 2, HEIGHT))[:, None] * np.ones((1, WIDTH))
    sums = np.sum(diffuse.samples(64) * weights[:, :, None], axis=(1, 2, 3))
    assert diffuse.variance_of(weights) == pytest.approx(np.var(sums, ddof=1))
    assert diffuse.variance_of(3 * weights) == pytest.approx(9 * diffuse.variance_of(weights))


def test_light_from_all_sides_is_known_better_from_a_mirror(
    mirror: ei.Estimate, diffuse: ei.Estimate
) -> None:
    weights = np.repeat(texel_solid_angles(HEIGHT, WIDTH)[:, :, None], 3, axis=2)
    weights[:, : WIDTH // 2] *= -1  # one side less the other
    assert mirror.variance_of(weights) < diffuse.variance_of(weights)


@pytest.mark.parametrize(
    ("weights", "message"),
    [(np.ones((3, 4)), "weights must have the map's shape"), (None, "NaN or infinity")],
)
def test_weights_that_do_not_fit_are_refused(
    mirror: ei.Estimate, weights: Any, message: str
) -> None:
    given = np.full(mirror.texels.shape, np.nan) if weights is None else weights
    with pytest.raises(ei.InputError, match=message):
        mirror.variance_of(given)
