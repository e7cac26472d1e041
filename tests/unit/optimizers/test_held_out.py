from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray

from envmap_inverse import View
from envmap_inverse.optimizers.held_out import split

masks = st_np.arrays(np.bool_, st_np.array_shapes(min_dims=2, max_dims=2, max_side=6)).filter(
    np.any
)


@settings(max_examples=25)
@given(mask=masks, share=st.floats(0.01, 0.99), seed=st.integers(0, 99))
def test_each_pixel_is_fitted_or_measured(mask: NDArray[np.bool_], share: float, seed: int) -> None:
    view = View(np.ones((*mask.shape, 3)), mask=mask)
    fitted, measured = split(view, share, np.random.default_rng(seed))
    if mask.sum() == 1:
        assert fitted is measured is view
        return
    np.testing.assert_array_equal(fitted.mask + measured.mask, mask)
    assert measured.mask.sum() == min(math.ceil(share * mask.sum()), mask.sum() - 1)


@settings(max_examples=25)
@given(mask=masks)
def test_without_a_share_all_are_both(mask: NDArray[np.bool_]) -> None:
    view = View(np.ones((*mask.shape, 3)), mask=mask)
    assert split(view, 0, np.random.default_rng(0)) == (view, view)
