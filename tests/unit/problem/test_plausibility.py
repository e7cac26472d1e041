from __future__ import annotations

import warnings
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import MSE, InputError, View
from envmap_inverse.problem.plausibility import LARGEST, checked
from envmap_inverse.problem.problem import Problem

numbers = st.sampled_from([0.0, 2.0**60, -(2.0**60)]) | st.floats(-4, 2**20, width=32)


class FakeScene:
    """A sensor of 3 x 2 pixels."""

    def film_size(self, _sensor: int) -> tuple[int, int]:
        return 3, 2

    def sensor(self, _index: int) -> Any:
        return SimpleNamespace(film=lambda: "HDRFilm[ pixel_format = rgb ]")


def problem(image: Any, initial: Any, mask: Any = None) -> Problem:
    scene: Any = FakeScene()
    return Problem(scene=scene, views=(View(image, mask=mask),), loss=MSE(), initial=initial)


@settings(max_examples=25)
@given(
    image=st_np.arrays(np.float32, (2, 3, 3), elements=numbers),
    mask=st_np.arrays(np.bool_, (2, 3)).filter(np.any),
    initial=st_np.arrays(np.float32, (2, 4, 3), elements=st.floats(-4, 2**20, width=32)),
)
def test_what_passes_has_no_number_that_no_light_has_and_passes_again(
    image: NDArray[np.float32], mask: NDArray[np.bool_], initial: NDArray[np.float32]
) -> None:
    given_problem = problem(image, initial, mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if not (np.abs(image).max(axis=2) <= LARGEST)[mask].any():
            with pytest.raises(InputError, match="no others are left"):
                checked(given_problem)
            return
        once = checked(given_problem)
        twice = checked(once)
    view = once.views[0]
    assert np.abs(view.image[view.weights > 0]).max() <= LARGEST
    assert once.initial.min() >= 0
    assert once.initial.any()
    np.testing.assert_array_equal(twice.initial, once.initial)
    np.testing.assert_array_equal(twice.views[0].image, view.image)
    np.testing.assert_array_equal(twice.views[0].weights, view.weights)
    unchanged = (np.abs(image) <= LARGEST).all(axis=2)
    np.testing.assert_array_equal(view.image[unchanged], image[unchanged])
