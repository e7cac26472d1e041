from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import losses


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


def test_mse_is_the_squared_difference() -> None:
    assert losses.MSE()(np.array([3.0, -1.0]), np.array([1.0, 1.0])).tolist() == [4, 4]
