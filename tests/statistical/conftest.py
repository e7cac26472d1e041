from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

Images = NDArray[np.floating]

SIGNIFICANCE = 0.01
"""Probability that a comparison of two equal renderings fails; seeds are fixed, so it never does
by chance once it has passed."""


def p_values(first: Images, second: Images) -> NDArray[np.float64]:
    """Welch's test of each value: do both stacks of independent images have one mean?"""
    means = [images.mean(axis=0, dtype=np.float64) for images in (first, second)]
    errors = [
        images.var(axis=0, ddof=1, dtype=np.float64) / len(images) for images in (first, second)
    ]
    variance = errors[0] + errors[1]
    rounding = 1e-5 * (np.abs(means[0]) + np.abs(means[1]) + 1e-3)
    difference = means[0] - means[1]
    is_exact = variance <= rounding**2  # no noise: then the means must agree
    variance = np.maximum(variance, rounding**2)
    z = difference / np.sqrt(variance)
    degrees = min(len(first), len(second)) - 1
    p = 2 * stats.t.sf(np.abs(z), degrees)
    return np.where(is_exact, np.abs(difference) <= 3 * rounding, p)


@pytest.fixture(scope="session")
def differ() -> Callable[[Images, Images], bool]:
    """Whether two stacks of renderings, of independent seeds each, differ in some pixel.

    The significance of one value is that of all after Sidak: 1 - (1 - a)^(1 / n).
    """

    def test(first: Images, second: Images) -> bool:
        p = p_values(np.asarray(first), np.asarray(second))
        return bool(p.min() < 1 - (1 - SIGNIFICANCE) ** (1 / p.size))

    return test
