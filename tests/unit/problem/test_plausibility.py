from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import InputError, View
from envmap_inverse.problem.plausibility import LARGEST, checked_start, checked_view

numbers = st.sampled_from([0.0, 2.0**60, -(2.0**60)]) | st.floats(-4, 2**20, width=32)


@settings(max_examples=25)
@given(
    image=st_np.arrays(np.float32, (2, 3, 3), elements=numbers),
    mask=st_np.arrays(np.bool_, (2, 3)).filter(np.any),
    initial=st_np.arrays(np.float32, (2, 4, 3), elements=st.floats(-4, 2**20, width=32)),
)
def test_what_passes_has_no_number_that_no_light_has_and_passes_again(
    image: NDArray[np.float32], mask: NDArray[np.bool_], initial: NDArray[np.float32]
) -> None:
    view = View(image, mask=mask)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        if not (np.abs(image).max(axis=2) <= LARGEST)[mask].any():
            with pytest.raises(InputError, match="no others are left"):
                checked_view(view)
            return
        once = checked_view(view)
        start = checked_start(initial, [once])
        twice, again = checked_view(once), checked_start(start, [once])
    assert np.abs(once.image[once.weights > 0]).max() <= LARGEST
    assert start.min() >= 0
    assert start.any()
    np.testing.assert_array_equal(again, start)
    np.testing.assert_array_equal(twice.image, once.image)
    np.testing.assert_array_equal(twice.weights, once.weights)
    unchanged = (np.abs(image) <= LARGEST).all(axis=2)
    np.testing.assert_array_equal(once.image[unchanged], image[unchanged])
