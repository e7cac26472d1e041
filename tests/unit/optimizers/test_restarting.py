from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy import sparse

from envmap_inverse.optimizers.least_squares.restarting import restarted

WIDTH, HEIGHT = 16, 9
SUN, FAR = 4 * WIDTH + 3, 6 * WIDTH + 12


def solved_anew(trace: float) -> Any:
    """The map that a sun comes to, of which its own pixel sees a trace of a texel far away."""
    matrix = sparse.eye_array(WIDTH * HEIGHT, format="lil", dtype=np.float32)
    matrix[FAR, FAR], matrix[SUN, FAR] = 0, trace  # no other pixel sees it
    channel = matrix.tocsr()
    transport: Any = SimpleNamespace(
        resolution=(WIDTH, HEIGHT), rows=np.arange(WIDTH * HEIGHT), channels=(channel,) * 3
    )
    before = np.ones((WIDTH * HEIGHT, 3), np.float32)
    light = before.copy()
    light[SUN] = 200
    part = np.zeros(WIDTH * HEIGHT, bool)
    part[[SUN, FAR]] = True
    return restarted(
        transport,
        before,
        part,
        predicted=channel @ before,
        target=channel @ light,
        weights=np.ones(len(before), np.float32),
        usual=np.ones(3, np.float32),
    )


def test_a_texel_of_which_the_pixels_of_a_sun_see_a_trace_is_no_speck() -> None:
    found = solved_anew(trace=0.01)
    assert found[FAR].max() < 2
    np.testing.assert_allclose(found[SUN], 200, rtol=0.05)


def test_texels_that_are_seen_well_are_left_to_their_pixels() -> None:
    found = solved_anew(trace=0.5)
    np.testing.assert_allclose(found[SUN] + 0.5 * found[FAR], 200.5, rtol=0.02)
