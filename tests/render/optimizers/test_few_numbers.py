"""Solving for the coefficients of a basis on the recorded light transport."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from keepers import Memory

import envmap_inverse as ei
from envmap_inverse.backend import select_variant
from envmap_inverse.errors import InputError
from envmap_inverse.light_models.family import texels_of
from envmap_inverse.optimizers import automatic_basis, loop
from envmap_inverse.optimizers.adam.drawn import Drawn
from envmap_inverse.optimizers.least_squares import shown_maps
from envmap_inverse.problem.numbers_posterior import NumbersPosterior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.other_light import light_alone
from envmap_inverse.sphere import harmonic_basis
from envmap_inverse.sphere.latlong import (
    angle_between,
    flatten_rgba,
    texel_directions,
    texel_solid_angles,
)

MakeScene = Callable[..., ei.Scene]
HEIGHT, WIDTH = 17, 32


def map_of(chosen: ei.SH | ei.SG | ei.SunSky, numbers: np.ndarray) -> np.ndarray:
    texels = texels_of(chosen.family((WIDTH, HEIGHT)), numbers)
    return np.float32(texels).reshape(HEIGHT, WIDTH, 3)


@pytest.fixture
def smooth_map() -> np.ndarray:
    """Light of order 2, everywhere positive."""
    coefficients = np.random.default_rng(3).uniform(-0.2, 0.2, (9, 3))
    coefficients[0] = 4.0, 3.0, 2.0
    return map_of(ei.SH(order=2), coefficients.ravel())


@pytest.fixture
def diffuse(make_scene: MakeScene, smooth_map: np.ndarray) -> ei.Scene:
    return make_scene("diffuse", size=(24, 24), texels=smooth_map)


def solved(scene: ei.Scene, image: np.ndarray, chosen: ei.SH | ei.SG | str) -> ei.Estimate:
    return ei.estimate(scene, image, optimizer=ei.Transport(spp=64, parameterization=chosen))


@pytest.mark.parametrize(("order", "bound"), [(2, 0.02), (4, 0.1)])
def test_light_of_few_harmonics_is_found(
    diffuse: ei.Scene, smooth_map: np.ndarray, order: int, bound: float
) -> None:
    found = solved(diffuse, ei.render(diffuse, spp=256), ei.SH(order=order))
    assert np.sqrt(np.mean((found.texels - smooth_map) ** 2)) < bound * smooth_map.mean()
    assert found.outliers is None


def test_the_map_is_a_sum_of_harmonics_and_its_deviation_that_of_the_coefficients(
    diffuse: ei.Scene,
) -> None:
    found = solved(diffuse, ei.render(diffuse, spp=64), ei.SH(order=2))
    known = found.posterior
    assert isinstance(known, NumbersPosterior)
    expected = known.unit * map_of(ei.SH(order=2), known.numbers)
    np.testing.assert_allclose(found.texels, expected, rtol=1e-4, atol=1e-4)
    basis = harmonic_basis.basis(texel_directions(HEIGHT, WIDTH), 2).reshape(-1, 9)
    of_green = known.covariance[1::3, 1::3]
    variance = known.unit**2 * np.sum((basis @ of_green) * basis, axis=1) + known.lacking[1] ** 2
    deviation = found.deviation.reshape(-1, 3)[:, 1]
    np.testing.assert_allclose(deviation, np.sqrt(variance), rtol=1e-4)
    drawn = np.std(found.samples(400), axis=0).reshape(-1, 3)[:, 1]
    np.testing.assert_allclose(drawn, deviation, rtol=0.2)


def test_deviations_hold_the_errors(diffuse: ei.Scene, smooth_map: np.ndarray) -> None:
    found = solved(diffuse, ei.render(diffuse, spp=32), ei.SH(order=4))
    errors = (found.texels - smooth_map) / found.deviation
    assert 0.2 < np.sqrt(np.mean(errors**2)) < 1.5
    low, high = found.interval(0.9)
    assert np.mean((low <= smooth_map) & (smooth_map <= high)) > 0.8


def test_lobes_stay_positive(make_scene: MakeScene) -> None:
    lit = np.full((HEIGHT, WIDTH, 3), 0.05, np.float32)
    lit[3, 5] = 50
    scene = make_scene("diffuse", size=(16, 16), texels=lit)
    found = solved(scene, ei.render(scene, spp=64), ei.SG(lobes=24))
    assert found.texels.min() >= 0
    assert found.posterior.numbers.min() == 0
    assert found.samples(8).min() >= 0


def test_free_lobes_turn_to_the_light(make_scene: MakeScene) -> None:
    """One of four lobes lies 30 degrees off the lamp; fixed ones cannot show where that is."""
    true = ei.SG(lobes=4, free=True).family((WIDTH, HEIGHT)).mean.reshape(4, 7).copy()
    axis = np.array([0.6, 0.64, 0.48])
    true[0] = [*axis, np.log(8), 5, 4, 3]
    lit = map_of(ei.SG(lobes=4, free=True), true.ravel())
    scene = make_scene("rough", size=(24, 24), texels=lit)
    image = ei.render(scene, spp=128)
    errors = {}
    for free in (False, True):
        found = solved(scene, image, ei.SG(lobes=4, free=free))
        errors[free] = np.sqrt(np.mean((found.texels - lit) ** 2)) / lit.mean()
    described = found.posterior.described()
    brightest = int(np.argmax(np.sum(described["amplitudes"], axis=1)))
    assert np.degrees(angle_between(described["axes"][brightest], axis)) < 3
    assert errors[True] < 0.15 < 2 * errors[False] / 3


DAY = np.array([4.0, 0.3, -0.4, *[0.3] * 3, *[0.5] * 3, 0.3, 0.2, 0.1])
SUN = np.array([0.48, 0.6, -0.64])


@pytest.fixture(scope="module")
def under_a_sky(make_scene: MakeScene) -> tuple[ei.Estimate, np.ndarray]:
    select_variant()
    lit = map_of(ei.SunSky(), DAY)
    scene = make_scene("diffuse", size=(16, 16), texels=lit)
    return solved(scene, ei.render(scene, spp=64, seed=3), ei.SunSky()), lit


def test_sun_and_sky_are_found_on_a_diffuse_ball(
    under_a_sky: tuple[ei.Estimate, np.ndarray],
) -> None:
    found, lit = under_a_sky
    entries = found.posterior.described()
    assert np.degrees(angle_between(entries["sun_direction"], SUN)) < 2
    assert entries["turbidity"] == pytest.approx(4, abs=0.5)
    light, true = (ei.spherical_harmonics(each, 4).coefficients for each in (found.texels, lit))
    assert np.linalg.norm(light - true) < 0.1 * np.linalg.norm(true)
    assert found.fit.verdict == "within noise"
    assert found.parameterization == "SunSky()"


def test_random_skies_spread_as_their_deviations_say(
    under_a_sky: tuple[ei.Estimate, np.ndarray],
) -> None:
    found, _ = under_a_sky
    entries, maps = found.posterior.described(), found.samples(64)
    assert (maps >= 0).all()
    lower = maps[:, -4, 5]
    np.testing.assert_allclose(lower.std(axis=0), found.deviation[-4, 5], rtol=0.3)
    light = maps * texel_solid_angles(HEIGHT, WIDTH)[:, :, None]
    spread = np.std(light.sum(axis=(1, 2)), axis=0)
    assert (spread < 4 * np.array(entries["sun_irradiance_deviation"])).all()


def test_a_map_that_is_too_coarse_is_reported_and_its_deviations_count_that(
    make_scene: MakeScene,
) -> None:
    lit = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    lit[4:10, 4:14] = 2
    scene = make_scene("mirror", size=(24, 24), texels=lit)
    found = solved(scene, ei.render(scene, spp=64), ei.SH(order=2))
    assert found.fit.verdict == "no"
    assert found.fit.reason.startswith("SH(order=2) may have too few numbers for what the pictures")
    assert 0.3 < np.sqrt(np.mean(((found.texels - lit) / found.deviation) ** 2)) < 1.5
    assert found.posterior.lacking.min() > 0.1


@pytest.mark.parametrize(("material", "kind"), [("diffuse", ei.SH), ("mirror", ei.Direct)])
def test_auto_takes_what_predicts_unseen_pixels_best(
    make_scene: MakeScene, smooth_map: np.ndarray, material: str, kind: type
) -> None:
    texels = np.full((HEIGHT, WIDTH, 3), 0.2, np.float32)
    texels[4:10, 4:14] = 2
    if kind is ei.SH:
        texels = smooth_map
    scene = make_scene(material, size=(24, 24), texels=texels)
    image = ei.render(scene, spp=64)
    optimizer = ei.Transport()
    problem = Problem.create(
        scene, image, loss=optimizer.default_loss, priors=optimizer.default_priors
    )
    transport = ei.LightTransport.record(scene, spp=64)
    found = automatic_basis.chosen(optimizer, problem, transport, seed=0)
    assert isinstance(found, kind)


def test_unknown_exposures_are_found_with_the_harmonics(
    diffuse: ei.Scene, smooth_map: np.ndarray
) -> None:
    image = ei.render(diffuse, spp=256)
    views = [ei.View(image), ei.View(3 * image, exposure="auto")]
    found = solved(diffuse, views, ei.SH(order=2))
    np.testing.assert_allclose(found.exposures[1], 3, rtol=1e-2)
    assert np.sqrt(np.mean((found.texels - smooth_map) ** 2)) < 0.03 * smooth_map.mean()


def test_a_run_that_goes_on_ends_with_the_same_coefficients(diffuse: ei.Scene) -> None:
    optimizer = ei.Transport(spp=16, parameterization=ei.SH(order=2))
    image = ei.render(diffuse, spp=16)
    problem = Problem.create(diffuse, image, loss=ei.QuasiLikelihood(), priors=())
    memory = Memory(2)
    whole = loop.run(optimizer, problem, None, memory)
    resumed = loop.run(optimizer, problem, None, memory)
    np.testing.assert_allclose(resumed.texels, whole.texels, rtol=1e-5)
    np.testing.assert_allclose(resumed.posterior.covariance, whole.posterior.covariance, rtol=1e-4)


@pytest.mark.parametrize(
    ("choice", "found"), [(ei.Exp(), "Exp"), ("automatic", "'automatic'"), (3, "int")]
)
def test_what_only_adam_can_solve_for_is_refused(choice: object, found: str) -> None:
    with pytest.raises(InputError, match=f"SH, SG, SunSky or 'auto'; found {found}"):
        ei.Transport(parameterization=choice)  # type: ignore[arg-type]


def test_adam_refuses_what_is_not_a_parameterization() -> None:
    with pytest.raises(InputError, match=r"Adam cannot solve for auto, which is for Transport"):
        ei.Adam(parameterization="auto")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"recorded_spp: hardly any recorded path meets the sun"):
        ei.Adam(parameterization=ei.SunSky(), recorded_spp=4)


def test_the_gradient_of_a_day_is_its_directional_derivative(rng: np.random.Generator) -> None:
    select_variant()
    from envmap_inverse.backend import dr, mi

    day = Drawn(ei.SunSky().family((WIDTH, HEIGHT)), np.full((HEIGHT, WIDTH, 3), 0.5))
    falls = np.maximum(texel_directions(HEIGHT, WIDTH) @ SUN, 0)
    pull = (falls * texel_solid_angles(HEIGHT, WIDTH))[:, :, None] * np.array([1, 0.8, 0.6])
    at, along = 0.3 * rng.standard_normal((2, len(DAY)))
    ahead, behind = (day.map_of(at + sign * 0.02 * along) for sign in (1, -1))
    expected = np.sum((ahead - behind) * pull.reshape(-1, 3)) / 0.04
    numbers = mi.Float(at)
    dr.enable_grad(numbers)
    texels = day.to_texels(numbers, (WIDTH, HEIGHT))
    dr.backward(texels * mi.Float(flatten_rgba(pull.astype(np.float32))))
    assert np.array(dr.grad(numbers)) @ along == pytest.approx(expected, rel=0.02)


def test_adam_turns_the_sun_to_where_it_is(make_scene: MakeScene) -> None:
    """From where most light of the map comes from, which the sky draws towards the zenith."""
    lit = map_of(ei.SunSky(), DAY)
    scene = make_scene("diffuse", size=(16, 16), texels=lit)
    adam = ei.Adam(iterations=25, learning_rate=0.05, spp=4, parameterization=ei.SunSky())
    image = ei.render(scene, spp=64, seed=3)
    found = ei.estimate(scene, image, optimizer=adam, initial=lit)
    assert found.history[-1].loss < 0.2 * found.history[0].loss
    start = Drawn(ei.SunSky().family((WIDTH, HEIGHT)), lit)
    before = start.map_of(np.array(start.from_texels(flatten_rgba(lit), (WIDTH, HEIGHT))))
    errors = [
        np.linalg.norm(ei.spherical_harmonics(each - lit, 2).coefficients)
        for each in (found.texels, before.reshape(lit.shape))
    ]
    assert errors[0] < 0.7 * errors[1]


def test_noise_in_the_picture_of_the_sun_does_not_count_as_sunlight(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A square of one noisy picture is larger than the sun's; a product of two is not."""

    def noisy(*arguments: Any) -> np.ndarray:
        image = light_alone(*arguments)
        seed = arguments[-1]
        return image * np.random.default_rng(seed).exponential(size=image.shape)

    monkeypatch.setattr(shown_maps, "light_alone", noisy)
    scene = make_scene("diffuse", size=(32, 32), texels=map_of(ei.SunSky(), DAY))
    problem = Problem.create(scene, ei.render(scene), loss=ei.QuasiLikelihood(), priors=())
    family = ei.SunSky().family((WIDTH, HEIGHT))
    shown = shown_maps.ShownMaps(problem, ei.LightTransport.record(scene, spp=4), family)
    tangents = family.tangents(DAY)
    sun = tangents.spots[0]
    exact = light_alone(scene, (sun.share * sun.light).reshape(HEIGHT, WIDTH, 3), [0], 256)
    first, second = (each[:, -len(tangents.spots)].T for each in shown.columns(tangents))
    square = np.sum(exact**2)
    assert np.sum(first * second) == pytest.approx(square, rel=0.15)
    assert np.sum(first**2) > 1.7 * square
