from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import losses
from envmap_inverse.backend import mi, select_variant


@pytest.fixture(params=losses.__all__)
def loss(request: pytest.FixtureRequest) -> losses.Loss:
    made: losses.Loss = getattr(losses, request.param)()
    return made


@pytest.fixture
def images(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(0, 2, (2, 5, 4, 3))


def test_a_loss_has_a_value_per_element(loss: losses.Loss, images: NDArray[np.float64]) -> None:
    assert loss(*images).shape == (5, 4, 3)


def test_a_loss_looks_at_each_element_alone(loss: losses.Loss, images: NDArray[np.float64]) -> None:
    changed = images.copy()
    changed[0, 2, 1, 0] += 1
    differs = loss(*changed) != loss(*images)
    assert np.argwhere(differs).tolist() == [[2, 1, 0]]


def test_a_perfect_prediction_has_no_loss(loss: losses.Loss, images: NDArray[np.float64]) -> None:
    np.testing.assert_array_equal(loss(images[0], images[0]), 0)


def test_a_loss_grows_with_the_distance(loss: losses.Loss, images: NDArray[np.float64]) -> None:
    observation, error = images[0], images[1] + 0.01
    values = [loss(observation + step * error, observation) for step in (0, 0.5, 1)]
    assert (values[0] < values[1]).all()
    assert (values[1] < values[2]).all()


def test_dr_jit_arrays_have_the_loss_of_numpy_arrays(
    loss: losses.Loss, images: NDArray[np.float64]
) -> None:
    select_variant()
    flat = [image.ravel() for image in images.astype(np.float32)]
    found = np.array(loss(*(mi.Float(image) for image in flat)))
    np.testing.assert_allclose(found, loss(*flat), rtol=1e-4, atol=1e-6)


def test_weights_are_positive(loss: losses.Loss, images: NDArray[np.float64]) -> None:
    assert (loss.weight(*images) > 0).all()
    assert (loss.weight(images[0], images[0]) > 0).all()


@pytest.mark.parametrize("start", [0.01, 1.0, 100.0])
def test_reweighted_least_squares_finds_the_number_that_predicts_best(
    loss: losses.Loss, start: float
) -> None:
    gain, observation = np.array([0.5, 1.0, 2.0, 1.0]), np.array([0.6, 1.1, 1.8, 2.0])
    candidates = np.geomspace(0.01, 100, 1001)[:, None]
    x = start
    for _ in range(30):
        weight = loss.weight(x * gain, observation)
        x = np.sum(weight * gain * observation) / np.sum(weight * gain**2)
    lowest = loss(candidates * gain, observation[None]).sum(axis=1).min()
    assert loss(x * gain, observation).sum() < 1.01 * lowest


def test_mse_is_the_squared_difference() -> None:
    assert losses.MSE()(np.array([3.0, -1.0]), np.array([1.0, 1.0])).tolist() == [4, 4]
