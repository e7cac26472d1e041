from __future__ import annotations

import numpy as np

from envmap_inverse.run.summary import few_numbers_in_words


def test_texels_need_no_words() -> None:
    assert few_numbers_in_words({"few_numbers": None}) == []


def test_sun_and_sky_are_told_with_their_deviations() -> None:
    numbers = {
        "parameterization": "SunSky()",
        "numbers": 12,
        "turbidity": 3.217,
        "turbidity_deviation": 0.123,
        "sun_direction": [0.6, 0.8, 0.0],
        "sun_direction_deviation": np.radians([2, 0.5]).tolist(),
        "sun_scale": 2.0,
        "sun_scale_deviation": 0.1,
        "sky_scale": 1.5,
        "sky_scale_deviation": 0.01,
    }
    assert few_numbers_in_words({"few_numbers": numbers}) == [
        "solved for the 12 numbers of SunSky()",
        "turbidity 3.22 +- 0.12, sun at 0.600, 0.800, 0.000 +- 2 x 0.5 degrees, "
        "sun_scale 2 +- 0.1, sky_scale 1.5 +- 0.01",
    ]
