from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.backend import dr, mi, select_variant


@pytest.fixture
def images(rng: np.random.Generator) -> NDArray[np.float64]:
    return rng.uniform(0.001, 2, (2, 5, 4, 3))


@pytest.mark.parametrize(
    ("prediction", "observation", "expected"),
    [(2.0, 4.0, 0.25), (4.0, 2.0, 0.25), (3000.0, 1000.0, 4 / 9), (0.03, 0.01, 0.04), (0, 0, 0)],
)
def test_the_difference_counts_relative_to_the_larger_of_the_two_and_epsilon(
    prediction: float, observation: float, expected: float
) -> None:
    loss = ei.RelativeMSE(epsilon=0.1)
    found = loss(np.array([prediction]), np.array([observation]))
    assert found[0] == pytest.approx(expected)


def test_brighter_pictures_have_the_same_loss_with_an_epsilon_to_match(
    images: NDArray[np.float64],
) -> None:
    expected = ei.RelativeMSE(epsilon=0.01)(*images)
    found = ei.RelativeMSE(epsilon=10)(*(1000 * images))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


def test_a_pixel_never_counts_more_than_one_unless_it_is_negative(
    images: NDArray[np.float64],
) -> None:
    values = ei.RelativeMSE()(images[0], 1e6 * images[1])
    assert (values <= 1).all()
    assert values.max() > 0.99


def test_the_weight_times_the_squared_difference_is_the_loss(images: NDArray[np.float64]) -> None:
    loss, (prediction, observation) = ei.RelativeMSE(), images
    weighted = loss.weight(prediction, observation) * (prediction - observation) ** 2
    np.testing.assert_allclose(weighted, loss(prediction, observation), rtol=1e-5)


def test_dr_jit_arrays_have_the_loss_of_numpy_arrays(images: NDArray[np.float64]) -> None:
    select_variant()
    flat = [image.ravel() for image in images.astype(np.float32)]
    found = ei.RelativeMSE()(*(mi.Float(image) for image in flat))
    np.testing.assert_allclose(np.array(found), ei.RelativeMSE()(*flat), rtol=1e-5, atol=1e-7)


def test_the_denominator_has_no_gradient() -> None:
    select_variant()
    prediction = mi.Float([4.0])
    dr.enable_grad(prediction)
    dr.backward(ei.RelativeMSE()(prediction, mi.Float([2.0])))
    assert dr.grad(prediction)[0] == pytest.approx(2 * (4 - 2) / 4**2)


@pytest.mark.parametrize("epsilon", [0.0, -1.0, np.nan, np.inf])
def test_an_epsilon_that_cannot_be_is_refused(epsilon: float) -> None:
    with pytest.raises(ei.InputError, match="epsilon must be positive"):
        ei.RelativeMSE(epsilon=epsilon)
