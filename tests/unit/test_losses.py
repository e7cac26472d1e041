from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import InputError, losses
from envmap_inverse.backend import dr, mi, select_variant

Pair = tuple[NDArray[np.float32], NDArray[np.float32]]

radiances = st.floats(0, 1e4, width=32)
signed = st.floats(-16, 1e4, width=32)
pairs = st.tuples(*(st_np.arrays(np.float32, 8, elements=kind) for kind in (signed, radiances)))
"""Predictions and observations."""


@pytest.fixture(params=[kind.__name__ for kind in losses.LOSSES])
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


@settings(max_examples=20)
@given(pair=pairs)
def test_a_loss_is_never_negative(loss: losses.Loss, pair: Pair) -> None:
    assert (loss(*pair) >= 0).all()


@settings(max_examples=20)
@given(pair=pairs)
def test_the_weighted_difference_is_the_gradient(loss: losses.Loss, pair: Pair) -> None:
    """2 w (p - o), by automatic differentiation in float32."""
    select_variant()
    prediction, observation = pair
    x = mi.Float(prediction)
    dr.enable_grad(x)
    dr.backward(loss(x, mi.Float(observation)))
    expected = 2 * loss.weight(prediction, observation) * (prediction - observation)
    np.testing.assert_allclose(np.array(dr.grad(x)), expected, rtol=1e-3, atol=1e-3)


# Clipped observations


@pytest.mark.parametrize(("white", "black"), [(1, 1), (0, 1), (np.nan, 0)])
def test_white_is_above_black(white: float, black: float) -> None:
    with pytest.raises(InputError, match="white must be greater than black"):
        losses.Censored(white=white, black=black)


@settings(max_examples=20)
@given(pair=pairs, levels=st.tuples(radiances, radiances).filter(lambda pair: pair[0] < pair[1]))
def test_a_clipped_observation_is_a_bound(
    loss: losses.Loss, pair: Pair, levels: tuple[float, float]
) -> None:
    """Beyond it a prediction costs nothing and is not pulled, elsewhere it is as if unclipped."""
    censored = losses.Censored(loss, black=levels[0], white=levels[1])
    prediction, observation = pair
    is_free = (observation >= levels[1]) & (prediction > observation)
    is_free |= (observation <= levels[0]) & (prediction < observation)
    for found, whole in (
        (censored(*pair), loss(*pair)),
        (censored.weight(*pair), loss.weight(*pair)),
    ):
        np.testing.assert_array_equal(found, np.where(is_free, 0, whole))
