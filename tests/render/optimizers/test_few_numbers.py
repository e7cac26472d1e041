"""Solving for the coefficients of a basis on the recorded light transport."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from keepers import Memory

import envmap_inverse as ei
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers import automatic_basis, loop
from envmap_inverse.problem.linear_posterior import LinearPosterior
from envmap_inverse.problem.problem import Problem

MakeScene = Callable[..., ei.Scene]
HEIGHT, WIDTH = 17, 32


@pytest.fixture
def smooth_map() -> np.ndarray:
    """Light of order 2, everywhere positive."""
    harmonics = ei.SH(order=2).basis((WIDTH, HEIGHT)).maps
    coefficients = np.random.default_rng(3).uniform(-0.2, 0.2, (9, 3))
    coefficients[0] = 4.0, 3.0, 2.0
    return np.float32(harmonics @ coefficients).reshape(HEIGHT, WIDTH, 3)


@pytest.fixture
def diffuse(make_scene: MakeScene, smooth_map: np.ndarray) -> ei.Scene:
    return make_scene("diffuse", size=(24, 24), texels=smooth_map)


def solved(scene: ei.Scene, image: np.ndarray, chosen: ei.SH | ei.SG | str) -> ei.Estimate:
    return ei.estimate(scene, image, optimizer=ei.Transport(spp=64, parameterization=chosen))


@pytest.mark.parametrize(("order", "bound"), [(2, 0.03), (4, 0.1)])
def test_light_of_few_harmonics_is_found(
    diffuse: ei.Scene, smooth_map: np.ndarray, order: int, bound: float
) -> None:
    found = solved(diffuse, ei.render(diffuse, spp=256), ei.SH(order=order))
    assert np.sqrt(np.mean((found.texels - smooth_map) ** 2)) < bound * smooth_map.mean()
    assert found.outliers is None


def test_the_map_is_a_sum_of_the_basis_and_its_deviation_that_of_the_coefficients(
    diffuse: ei.Scene,
) -> None:
    basis = ei.SH(order=2).basis((WIDTH, HEIGHT)).maps
    found = solved(diffuse, ei.render(diffuse, spp=64), ei.SH(order=2))
    known = found.posterior
    assert isinstance(known, LinearPosterior)
    np.testing.assert_allclose(
        found.texels.reshape(-1, 3), basis @ known.coefficients, rtol=1e-4, atol=1e-4
    )
    variance = np.sum((basis @ known.covariance[1]) * basis, axis=1)
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
    assert found.posterior.coefficients.min() == 0
    assert found.samples(8).min() >= 0


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
    with pytest.raises(InputError, match=f"SH, SG or 'auto'; found {found}"):
        ei.Transport(parameterization=choice)  # type: ignore[arg-type]
