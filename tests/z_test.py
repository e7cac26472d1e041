"""Whether two stacks of renderings, of independent seeds each, have one mean."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Images = NDArray[np.floating]

SIGNIFICANCE = 0.01
"""Probability that a comparison of two equal renderings fails; seeds are fixed, so it never does
by chance once it has passed."""


HALF_STEP = 1 / 512
"""Texture units round the position between two texels to 8 bits (CUDA's programming guide)."""


def differ(
    first: Images, second: Images, significance: float = SIGNIFICANCE, rounding: float = 0
) -> bool:
    """Whether two stacks differ in some pixel by more than a rounding.

    The significance of one value is that of all after Sidak: 1 - (1 - a)^(1 / n).
    """
    p = p_values(np.asarray(first), np.asarray(second), rounding)
    return bool(p.min() < 1 - (1 - significance) ** (1 / p.size))


def look_up_rounding(texels: Images) -> float:
    """Largest error of a look-up of a map by texture units: half a step between its texels."""
    across, down = texels - np.roll(texels, 1, axis=1), np.diff(texels, axis=0)
    return HALF_STEP * float(np.abs(across).max() + np.abs(down).max())


def p_values(first: Images, second: Images, allowed: float = 0) -> NDArray[np.float64]:
    """Welch's test of each value: do both stacks have one mean, up to what is allowed?"""
    means = [images.mean(axis=0, dtype=np.float64) for images in (first, second)]
    errors = [
        images.var(axis=0, ddof=1, dtype=np.float64) / len(images) for images in (first, second)
    ]
    variance = errors[0] + errors[1]
    rounding = 1e-5 * (np.abs(means[0]) + np.abs(means[1]) + 1e-3)
    difference = means[0] - means[1]
    difference -= np.clip(difference, -allowed, allowed)
    is_exact = variance <= rounding**2  # no noise: then the means must agree
    variance = np.maximum(variance, rounding**2)
    z = difference / np.sqrt(variance)
    degrees = min(len(first), len(second)) - 1
    p = 2 * stats.t.sf(np.abs(z), degrees)
    return np.where(is_exact, np.abs(difference) <= 3 * rounding, p)


def with_means(images: list[Images]) -> Images:
    """A row per picture: its values and the means of its channels, which are less noisy."""
    stack = np.stack(images).reshape(len(images), -1, 3)
    means = stack.mean(axis=1, keepdims=True)
    return np.concatenate([stack, means], axis=1).reshape(len(images), -1)
