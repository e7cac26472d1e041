"""LDR-FLIP: how visible the difference is when alternating between two pictures.

Andersson et al., "FLIP: a difference evaluator for alternating images", Proceedings of the ACM on
Computer Graphics and Interactive Techniques 3(2), 2020; the numbers of its equations stand below.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["PIXELS_PER_DEGREE", "flip_map"]

Image = NDArray[np.float64]

PIXELS_PER_DEGREE = 67.0206
"""Of a monitor of 3840 pixels and 0.7 m, seen from 0.7 m."""

TO_XYZ = (
    np.array(
        [
            [10135552 / 2, 8788810 / 2, 4435075 / 2],
            [2613072, 8788810, 887015],
            [1425312 / 6, 8788810 / 6, 70074185 / 6],
        ]
    )
    / 12288897
)
WHITE = TO_XYZ.sum(axis=1)
LUMINANCE, RED_GREEN, BLUE_YELLOW = (
    ((1.0, 0.0047),),
    ((1.0, 0.0053),),
    ((34.1, 0.04), (13.5, 0.025)),
)
"""Contrast sensitivity: weights and widths of the Gaussians, table 1."""
FEATURE_WIDTH = 0.082
"""Degrees from the maximum to the minimum of the filter of edges."""
EXPONENT, KNEE, AT_KNEE, FEATURE_EXPONENT = 0.7, 0.4, 0.95, 0.5


def flip_map(image: Image, reference: Image) -> Image:
    """The error of each pixel, from 0 (nobody sees it) to 1.

    Args:
        image: sRGB from 0 to 1, shape (h, w, 3).
        reference: the same.

    Returns:
        Shape (h, w).
    """
    opponents = [_opponent(_linear(each)) for each in (image, reference)]
    colours = [_lab(_seen(each)) for each in opponents]
    colour = _redistributed(_distance(*colours) ** EXPONENT)
    features = [_features((each[..., 0] + 16) / 116) for each in opponents]
    difference = np.max([abs(a - b) for a, b in zip(*features, strict=True)], axis=0)
    feature = (difference / math.sqrt(2)) ** FEATURE_EXPONENT
    found: Image = colour ** (1 - np.minimum(feature, 1))  # (17)
    return found


def _linear(srgb: Image) -> Image:
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def _opponent(linear: Image) -> Image:
    """YCxCz, a linear Lab."""
    x, y, z = np.moveaxis(linear @ TO_XYZ.T / WHITE, 2, 0)
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=2)


def _seen(opponent: Image) -> Image:
    """Linear RGB of what the eye resolves of YCxCz."""
    sensitivities = (LUMINANCE, RED_GREEN, BLUE_YELLOW)
    luminance, red_green, blue_yellow = (
        _blurred(opponent[..., channel], gaussians)
        for channel, gaussians in enumerate(sensitivities)
    )
    y = (luminance + 16) / 116
    xyz = np.stack([red_green / 500 + y, y, y - blue_yellow / 200], axis=2) * WHITE
    seen: Image = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    return seen


def _blurred(channel: Image, gaussians: tuple[tuple[float, float], ...]) -> Image:
    """Under a sum of Gaussians, normalized, (4) and (5)."""
    widest = max(width for _, width in (*LUMINANCE, *RED_GREEN, *BLUE_YELLOW))
    radius = math.ceil(3 * math.sqrt(widest / (2 * math.pi**2)) * PIXELS_PER_DEGREE)
    degrees = np.arange(-radius, radius + 1) / PIXELS_PER_DEGREE
    total, weights = np.zeros_like(channel), 0.0
    for weight, width in gaussians:
        kernel = np.exp(-((math.pi * degrees) ** 2) / width)
        share = weight * math.sqrt(math.pi / width) * kernel.sum() ** 2
        total += share * _filtered(channel, kernel / kernel.sum(), kernel / kernel.sum())
        weights += share
    return total / weights


def _lab(linear: Image) -> Image:
    """Lab, with less colour where it is dark (Hunt's effect)."""
    share = linear @ TO_XYZ.T / WHITE
    edge = 6 / 29
    x, y, z = np.moveaxis(
        np.where(share > edge**3, np.cbrt(share), share / (3 * edge**2) + 4 / 29), 2, 0
    )
    lightness = 116 * y - 16
    return np.stack(
        [lightness, 0.01 * lightness * 500 * (x - y), 0.01 * lightness * 200 * (y - z)], axis=2
    )


def _distance(a: Image, b: Image) -> Image:
    """HyAB: of lightness and of colour apart."""
    lightness, *colour = np.moveaxis(a - b, -1, 0)
    found: Image = abs(lightness) + np.hypot(*colour)
    return found


def _redistributed(error: Image) -> Image:
    """Errors up to `KNEE` of the largest fill the range to `AT_KNEE`, (8)."""
    green, blue = _lab(np.array([[[0.0, 1, 0], [0, 0, 1]]]))[0]
    most = float(_distance(green, blue)) ** EXPONENT
    knee = KNEE * most
    above = AT_KNEE + (error - knee) / (most - knee) * (1 - AT_KNEE)
    found: Image = np.where(error < knee, error * AT_KNEE / knee, above)
    return found


def _features(luminance: Image) -> tuple[Image, Image]:
    """Strength of edges and of points, (11) to (14)."""
    deviation = 0.5 * FEATURE_WIDTH * PIXELS_PER_DEGREE
    radius = math.ceil(3 * deviation)
    x = np.arange(-radius, radius + 1.0)
    bell = np.exp(-(x**2) / (2 * deviation**2))
    across = bell / bell.sum()
    found = []
    for profile in (-x * bell, (x**2 / deviation**2 - 1) * bell):
        signs = np.where(profile > 0, 1, -1)
        sums = [abs(profile[signs == sign].sum()) for sign in (1, -1)]
        along = profile / np.where(signs > 0, *sums)
        found.append(
            np.hypot(_filtered(luminance, along, across), _filtered(luminance, across, along))
        )
    return found[0], found[1]


def _filtered(channel: Image, along_rows: Image, along_columns: Image) -> Image:
    from scipy.ndimage import correlate1d  # noqa: PLC0415 - slow to import

    first = correlate1d(channel, along_rows, axis=1, mode="nearest")
    found: Image = correlate1d(first, along_columns, axis=0, mode="nearest")
    return found
