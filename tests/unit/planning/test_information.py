from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmap_inverse.planning.information import Information
from envmap_inverse.sphere.latlong import texel_solid_angles


def of(log_deviation: np.ndarray) -> Information:
    known = np.asarray(log_deviation, np.float32)
    return Information(log_deviation=known, deviation=known)


def test_the_median_deviation_is_by_solid_angle() -> None:
    known = np.full((5, 8, 3), 0.5)
    known[[0, 1, 4]] = 1.5  # more texels, and less of the sphere
    assert of(known).median_deviation == pytest.approx(0.5)


def test_the_seen_share_is_by_solid_angle() -> None:
    known = np.full((5, 8, 3), 1.5)
    known[0] = 0.4
    solid_angles = texel_solid_angles(5, 8)[0].sum()
    assert of(known).seen_share == pytest.approx(solid_angles / (4 * np.pi))


def test_a_texel_is_seen_if_all_of_its_channels_are_known() -> None:
    known = np.full((5, 8, 3), 0.4)
    known[2, 3, 1] = 1.5
    assert np.argwhere(~of(known).is_seen).tolist() == [[2, 3]]


@given(deviation=st.floats(0.01, 2))
def test_nothing_is_seen_where_light_is_known_no_better_than_to_a_factor(deviation: float) -> None:
    information = of(np.full((4, 8, 3), deviation))
    assert information.seen_share == pytest.approx(float(deviation <= 0.6))
