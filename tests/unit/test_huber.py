from __future__ import annotations

import numpy as np
import pytest

import envmap_inverse as ei


@pytest.mark.parametrize(
    ("prediction", "expected"), [(1.0, 0), (1.25, 0.0625), (0.75, 0.0625), (1.5, 0.25), (4.0, 2.75)]
)
def test_it_is_squared_up_to_delta_and_linear_beyond(prediction: float, expected: float) -> None:
    found = ei.Huber(delta=0.5)(np.array([prediction]), np.array([1.0]))
    assert found[0] == pytest.approx(expected)


def test_a_large_delta_makes_it_the_squared_error(rng: np.random.Generator) -> None:
    images = rng.uniform(0, 2, (2, 50))
    np.testing.assert_allclose(ei.Huber(delta=10)(*images), ei.MSE()(*images), rtol=1e-12)


def test_beyond_delta_every_outlier_pulls_alike() -> None:
    prediction, observation = np.array([2.0, 50.0, 1000.0]), np.ones(3)
    pull = ei.Huber(delta=0.5).weight(prediction, observation) * (prediction - observation)
    np.testing.assert_allclose(pull, 0.5, rtol=1e-6)


def test_relative_residuals_do_not_see_how_bright_a_picture_is(rng: np.random.Generator) -> None:
    loss, images = ei.Huber(relative=True), rng.uniform(0.1, 2, (2, 50))
    np.testing.assert_allclose(loss(*(100 * images)), loss(*images), rtol=1e-12)


def test_relative_residuals_count_absolutely_below_epsilon() -> None:
    loss = ei.Huber(relative=True, epsilon=0.5, delta=10)
    assert loss(np.array([1.0]), np.array([0.0]))[0] == pytest.approx(4)


@pytest.mark.parametrize("field", ["delta", "epsilon"])
@pytest.mark.parametrize("value", [0.0, -1.0, np.nan, np.inf])
def test_numbers_that_cannot_be_are_refused(field: str, value: float) -> None:
    with pytest.raises(ei.InputError, match=f"{field} must be positive"):
        ei.Huber(**{field: value})
