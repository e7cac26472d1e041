"""Errors between images. NumPy and SciPy only; HDR-FLIP needs the extra `flip`, LDR-FLIP does not.

Every function takes an image, the reference, both (h, w, C), and optionally a mask (h, w): the
weight of each pixel from 0 (ignored) to 1. Channels count equally. Every function raises an
`InputError` if the shapes do not fit or the mask leaves no pixel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.flip import flip_map

__all__ = ["hdr_flip", "ldr_flip", "mse", "psnr", "relative_mse", "ssim"]

Image = NDArray[np.float64]

WINDOW_RADIUS = 5
"""Pixels from the centre of SSIM's 11 x 11 window to its edge."""


def mse(image: ArrayLike, reference: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """Mean of (image - reference)^2.

    Returns:
        The images' unit squared; 0 or more.
    """
    a, b, weights = _checked(image, reference, mask)
    return _mean((a - b) ** 2, weights)


def relative_mse(
    image: ArrayLike,
    reference: ArrayLike,
    *,
    mask: ArrayLike | None = None,
    epsilon: float = 0.01,
) -> float:
    """Mean of (image - reference)^2 / (reference^2 + epsilon).

    As in Rousselle, Knaus and Zwicker, "Adaptive sampling and reconstruction using greedy error
    minimization", ACM TOG 30(6), 2011.

    Returns:
        A ratio; 0 or more, for a black image at most 1.
    """
    a, b, weights = _checked(image, reference, mask)
    return _mean((a - b) ** 2 / (b**2 + epsilon), weights)


def psnr(
    image: ArrayLike, reference: ArrayLike, *, mask: ArrayLike | None = None, peak: float = 1.0
) -> float:
    """Peak signal-to-noise ratio, 10 log10(peak^2 / MSE).

    Args:
        image: values up to `peak`, e.g. tone-mapped ones up to 1.
        reference: the same.
        mask: weight of each pixel.
        peak: the largest value there can be.

    Returns:
        Decibels; infinite for equal images.
    """
    with np.errstate(divide="ignore"):
        return float(10 * np.log10(peak**2 / np.float64(mse(image, reference, mask=mask))))


def ssim(
    image: ArrayLike, reference: ArrayLike, *, mask: ArrayLike | None = None, peak: float = 1.0
) -> float:
    """Mean structural similarity of the channels.

    With means, variances and the covariance under a Gaussian window of 11 x 11 pixels and standard
    deviation 1.5, C1 = (0.01 peak)^2 and C2 = (0.03 peak)^2, it is the mean of
    (2 mu_x mu_y + C1) (2 sigma_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (sigma_x^2 + sigma_y^2 + C2))
    over the pixels whose window lies in the image: Wang et al., "Image quality assessment: from
    error visibility to structural similarity", IEEE TIP 13(4), 2004. A mask weights each window by
    its centre; its other pixels may lie outside the mask.

    Args:
        image: values up to `peak`, e.g. tone-mapped ones up to 1; at least 11 x 11 pixels.
        reference: the same.
        mask: weight of each pixel.
        peak: the largest value there can be.

    Returns:
        From -1 to 1; equal images have 1.
    """
    a, b, weights = _checked(image, reference, mask)
    if min(weights.shape) <= 2 * WINDOW_RADIUS:
        raise InputError(f"SSIM needs images of at least 11 x 11 pixels; found {weights.shape}")
    inside = slice(WINDOW_RADIUS, -WINDOW_RADIUS)
    weights = weights[inside, inside]
    if not weights.any():
        raise InputError("the mask leaves no pixel whose window of 11 x 11 lies in the image")
    mean_a, mean_b = _windowed(a), _windowed(b)
    variances = _windowed(a * a) - mean_a**2 + _windowed(b * b) - mean_b**2
    covariance = _windowed(a * b) - mean_a * mean_b
    c1, c2 = (0.01 * peak) ** 2, (0.03 * peak) ** 2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    structure = (2 * covariance + c2) / (variances + c2)
    return _mean((luminance * structure)[inside, inside], weights)


def ldr_flip(image: ArrayLike, reference: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """Mean LDR-FLIP: how visible the difference is when alternating between the images.

    At 67 pixels per degree of the visual field: Andersson et al., "FLIP: a difference evaluator for
    alternating images", Proc. ACM CGIT 3(2), 2020.

    Args:
        image: sRGB from 0 to 1, as it is displayed.
        reference: the same.
        mask: weight of each pixel.

    Returns:
        From 0 (nobody sees it) to 1.

    Raises:
        InputError: also if a value lies outside 0 to 1, or the images are not RGB.
    """
    a, b, weights = _checked(image, reference, mask)
    if a.shape[2] != 3 or not all((each >= 0).all() and (each <= 1).all() for each in (a, b)):
        raise InputError("LDR-FLIP needs RGB images of values from 0 to 1")
    return _mean(flip_map(a, b)[..., None], weights)


def hdr_flip(image: ArrayLike, reference: ArrayLike, *, mask: ArrayLike | None = None) -> float:
    """Mean HDR-FLIP: how visible the difference is when alternating between the images.

    It is the largest LDR-FLIP over a range of exposures that the reference determines, at 67 pixels
    per degree of the visual field: Andersson et al., "Visualizing errors in rendered high dynamic
    range images", Eurographics 2021 (Short Papers), by the authors' package `flip-evaluator`.

    Args:
        image: linear RGB; negative values count as 0.
        reference: the same; not black.
        mask: weight of each pixel.

    Returns:
        From 0 (nobody sees it) to 1.

    Raises:
        InputError: also if `flip-evaluator` is not installed, or an image has NaN or infinity.
    """
    try:
        from flip_evaluator import evaluate  # noqa: PLC0415 - an optional dependency
    except ImportError:
        raise InputError(
            "HDR-FLIP needs flip-evaluator; install it with pip install 'envmap-inverse[flip]'"
        ) from None
    a, b, weights = _checked(image, reference, mask)
    # flip-evaluator ends the process if it cannot use its input.
    if not (np.isfinite(a).all() and np.isfinite(b).all() and b.max() > 1e-5 and b.shape[2] == 3):
        raise InputError("HDR-FLIP needs RGB images without NaN, and a reference that is not black")
    first, second = (np.maximum(array, 0).astype(np.float32) for array in (a, b))
    return _mean(evaluate(second, first, "HDR", applyMagma=False)[0], weights)


def _checked(
    image: ArrayLike, reference: ArrayLike, mask: ArrayLike | None
) -> tuple[Image, Image, Image]:
    """Check both images; return them, and the weights of their pixels (h, w)."""
    a, b = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    if a.shape != b.shape or a.ndim != 3:
        raise InputError(f"images must have one shape (h, w, C); found {a.shape} and {b.shape}")
    weights = np.ones(a.shape[:2]) if mask is None else np.asarray(mask, np.float64)
    if weights.shape != a.shape[:2]:
        raise InputError(f"the mask has {weights.shape} (rows, columns), the image {a.shape[:2]}")
    if not weights.any():
        raise InputError("the mask leaves no pixel")
    return a, b, weights


def _mean(values: NDArray[Any], weights: Image) -> float:
    return float(np.average(values.mean(axis=2), weights=weights))


def _windowed(values: Image) -> Image:
    """Means under the Gaussian window, shape (h, w, C)."""
    from scipy.ndimage import gaussian_filter  # noqa: PLC0415 - slow to import

    found: Image = gaussian_filter(values, 1.5, radius=WINDOW_RADIUS, axes=(0, 1))
    return found
