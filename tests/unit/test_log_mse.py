from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi, select_variant


@pytest.mark.parametrize(
    ("prediction", "observation"), [(2.0, 4.0), (4.0, 2.0), (3000.0, 1.0), (0.0, 0.5), (0.0, 0.0)]
)
def test_it_is_the_squared_difference_of_logarithms(prediction: float, observation: float) -> None:
    found = ei.LogMSE(epsilon=0.1)(np.array([prediction]), np.array([observation]))
    assert found[0] == pytest.approx(np.log((prediction + 0.1) / (observation + 0.1)) ** 2)


def test_a_factor_counts_alike_up_and_down_and_in_bright_and_dark_pixels() -> None:
    observation = np.array([1.0, 1000.0])
    loss = ei.LogMSE(epsilon=1e-9)
    values = [loss(factor * observation, observation) for factor in (2.0, 0.5)]
    np.testing.assert_allclose(values, np.log(2) ** 2, rtol=1e-6)


def test_below_zero_the_logarithm_goes_on_as_its_tangent() -> None:
    loss, zero = ei.LogMSE(epsilon=0.1), np.zeros(3)
    found = loss(np.array([-0.1, -0.2, -1.0]), zero)
    np.testing.assert_allclose(found, [1, 4, 100])


def test_a_negative_prediction_is_drawn_upwards() -> None:
    select_variant()
    prediction = mi.Float([-1.0])
    dr.enable_grad(prediction)
    dr.backward(ei.LogMSE()(prediction, mi.Float([0.5])))
    assert dr.grad(prediction)[0] < -1
    assert ei.LogMSE().weight(np.float32([-1.0]), np.float32([0.5]))[0] > 0


def test_the_weight_goes_over_into_its_limit_where_prediction_and_observation_meet() -> None:
    observation = np.full(5, 0.3)
    prediction = observation + np.array([0, 1e-9, 1e-8, 1e-6, 1e-4])
    found = ei.LogMSE().weight(prediction, observation)
    np.testing.assert_allclose(found, 1 / 0.31**2, rtol=1e-3)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.nan, np.inf])
def test_an_epsilon_that_cannot_be_is_refused(epsilon: float) -> None:
    with pytest.raises(ei.InputError, match="epsilon must be positive"):
        ei.LogMSE(epsilon=epsilon)
