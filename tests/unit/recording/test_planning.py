from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np

from envmap_inverse.recording.planning import Information, _patches
from envmap_inverse.sphere.latlong import texel_solid_angles


def test_patches_measure_six_degrees_each_way() -> None:
    patch = _patches(512, 1024)
    solid_angles = np.bincount(patch.ravel(), texel_solid_angles(512, 1024).ravel())
    square = np.radians(6) ** 2
    assert solid_angles.min() > 0.8 * square
    assert solid_angles.max() < 1.25 * square


def test_texels_larger_than_patches_are_patches_but_for_the_poles() -> None:
    inner = _patches(8, 16)[1:-1]
    assert len(np.unique(inner)) == inner.size


def test_what_is_unseen_is_known_as_before() -> None:
    nothing = Information(precision=np.zeros((4, 8)))
    assert (nothing.seen_share, nothing.median_deviation) == (0, 1)


def test_the_median_deviation_is_by_solid_angle_and_of_what_is_seen() -> None:
    precision = np.zeros((5, 8))
    precision[0] = 99  # a small cap
    precision[2] = 3
    information = Information(precision=precision)
    solid_angles = texel_solid_angles(5, 8)[[0, 2]].sum()
    assert information.seen_share == pytest.approx(solid_angles / (4 * np.pi))
    assert information.median_deviation == pytest.approx(0.5)
    np.testing.assert_allclose(information.deviation[:, 0], [0.1, 1, 0.5, 1, 1])


@given(height=st.integers(2, 70), width=st.integers(1, 140))
def test_each_texel_is_in_a_patch_and_each_patch_has_texels(height: int, width: int) -> None:
    patch = _patches(height, width)
    assert patch.shape == (height, width)
    assert np.unique(patch).tolist() == list(range(patch.max() + 1))
    for row in patch:  # pieces of a zone, one after the other
        assert (np.diff(row) >= 0).all()


@given(pair=st_np.arrays(np.float64, (2, 5, 8), elements=st.floats(0, 1e6)))
def test_another_view_takes_no_knowledge_away(pair: np.ndarray) -> None:
    one, both = Information(precision=pair[0]), Information(precision=pair[0] + pair[1])
    assert (both.deviation <= one.deviation).all()
    assert both.seen_share >= one.seen_share
    assert 0 < both.deviation.min() <= both.median_deviation <= 1
