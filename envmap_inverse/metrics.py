"""Errors between environment maps. NumPy and SciPy only.

Every function takes the estimate and the ground truth, both texels (H, W, 3) with corner-aligned
rows, and optionally `weights` (H, W): the part of each texel that counts, from 0 to 1, to restrict
the error to a region of the sphere. Except in `sum_of_squared_errors`, texels are weighted by their
exact solid angle (`latlong.texel_solid_angles`), so that means are integrals over the sphere of the
bilinear interpolation of the texels' errors. Channels count equally. Every function raises a
`ValueError` if the shapes differ or the weights leave no texel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.sphere.averages import weighted_mean, weighted_median
from envmap_inverse.sphere.latlong import angle_between, texel_solid_angles
from envmap_inverse.sphere.lights import find_lights, match_lights

__all__ = [
    "NAMES",
    "angular_error",
    "compare_lights",
    "compare_maps",
    "energy_ratio",
    "log_rmse",
    "median_angular_error",
    "relative_rmse",
    "rmse",
    "si_rmse",
    "sum_of_squared_errors",
    "tonemapped_psnr",
]

Texels = NDArray[np.float64]
Weights = NDArray[np.float64]

NAMES = {
    "sse": "sum of squared errors",
    "rmse": "RMSE",
    "relative_rmse": "relative RMSE",
    "log_rmse": "log RMSE",
    "si_rmse": "scale-invariant RMSE",
    "angular_mean_deg": "colour angle, mean (degrees)",
    "angular_median_deg": "colour angle, median (degrees)",
    "psnr_db": "PSNR, tone-mapped (dB)",
    "energy_ratio": "energy ratio",
    "direction_mean_deg": "light angle, mean (degrees)",
    "direction_max_deg": "light angle, max (degrees)",
}
"""Names for people of what `compare_maps` finds, in every table and page."""


def compare_maps(
    estimate: ArrayLike, ground_truth: ArrayLike, coverage: ArrayLike | None = None
) -> dict[str, Any]:
    """Compute all errors between two maps, by their names in `summary.json` and `evaluate --json`.

    Args:
        estimate: texels (H, W, 3).
        ground_truth: texels of the same shape.
        coverage: how strongly the pictures see each texel, shape (H, W) or (H, W, 3). A texel is
            seen if its coverage is above 0 in any channel, that is, if any traced path carried
            light from there to a picture.

    Returns:
        `sse`, `rmse`, `relative_rmse`, `log_rmse`, `si_rmse`, `angular_mean_deg`,
        `angular_median_deg`, `psnr_db`, `energy_ratio` (a list of three) and `lights` (see
        `compare_lights`). With a coverage also `seen` and `unseen`: each has its `share` of the
        sphere's solid angle and, unless that is 0, the same errors in that region alone.

    Raises:
        ValueError: if the shapes do not fit.
    """
    a, b = (np.ascontiguousarray(texels, np.float64) for texels in (estimate, ground_truth))
    errors = _errors(a, b, None)
    if coverage is None:
        return errors
    solid_angles = texel_solid_angles(*b.shape[:2])
    seen = np.any(np.atleast_3d(coverage) > 0, axis=2)
    if seen.shape != solid_angles.shape:
        raise ValueError(f"coverage of {seen.shape} texels for a map of {solid_angles.shape}")
    for name, region in (("seen", seen), ("unseen", ~seen)):
        share = float(np.sum(solid_angles * region) / np.sum(solid_angles))
        errors[name] = {"share": share}
        if region.any():
            errors[name] |= _errors(a, b, region)
    return errors


def _errors(
    estimate: ArrayLike, ground_truth: ArrayLike, weights: ArrayLike | None
) -> dict[str, Any]:
    pair = (estimate, ground_truth)
    return {
        "sse": sum_of_squared_errors(*pair, weights=weights),
        "rmse": rmse(*pair, weights=weights),
        "relative_rmse": relative_rmse(*pair, weights=weights),
        "log_rmse": log_rmse(*pair, weights=weights),
        "si_rmse": si_rmse(*pair, weights=weights),
        "angular_mean_deg": angular_error(*pair, weights=weights),
        "angular_median_deg": median_angular_error(*pair, weights=weights),
        "psnr_db": tonemapped_psnr(*pair, weights=weights),
        "energy_ratio": energy_ratio(*pair, weights=weights).tolist(),
        "lights": compare_lights(*pair, weights=weights),
    }


def sum_of_squared_errors(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Sum over all texels and channels of (estimate - ground_truth)^2, the tutorial's error.

    All texels count equally, whatever solid angle they subtend; alpha, equal in both, adds nothing.

    Returns:
        Radiance squared; 0 or more.
    """
    a, b, _ = _checked(estimate, ground_truth, weights)
    squares = (a - b) ** 2
    return float(np.sum(squares if weights is None else squares * np.asarray(weights)[..., None]))


def rmse(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Root mean square over the sphere of estimate - ground_truth.

    Returns:
        Radiance; 0 or more.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    return _root_mean(w, (a - b) ** 2)


def relative_rmse(
    estimate: ArrayLike,
    ground_truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    epsilon: float = 0.01,
) -> float:
    """Root mean over the sphere of (estimate - ground_truth)^2 / (ground_truth^2 + epsilon).

    The relative MSE of rendering, as in Rousselle, Knaus and Zwicker, "Adaptive sampling and
    reconstruction using greedy error minimization", ACM TOG 30(6), 2011.

    Returns:
        A ratio; 0 or more, for a black estimate at most 1.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    return _root_mean(w, (a - b) ** 2 / (b**2 + epsilon))


def log_rmse(
    estimate: ArrayLike,
    ground_truth: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    floor: float = 0.01,
) -> float:
    """Root mean square over the sphere of log(estimate + floor) - log(ground_truth + floor).

    Negative values count as 0; below the radiance `floor` differences fade. Apart from the floor,
    as in Eigen, Puhrsch and Fergus, "Depth map prediction from a single image", NIPS 2014.

    Returns:
        Natural-log units; 0 or more. A map off by the factor e has about 1.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    return _root_mean(w, (np.log(np.maximum(a, 0) + floor) - np.log(np.maximum(b, 0) + floor)) ** 2)


def si_rmse(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """RMSE after the estimate is multiplied by the number s that minimizes it.

    With <x, y> the mean over the sphere and the channels of x y, s = <e, t> / <e, e> (0 for a black
    estimate). After Grosse et al., "Ground truth dataset and baseline evaluations for intrinsic
    image algorithms", ICCV 2009. It ignores an unknown exposure.

    Returns:
        Radiance; from 0 to the root mean square of the ground truth.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    norm = weighted_mean(a * a, w)
    scale = weighted_mean(a * b, w) / norm if norm > 0 else 0.0
    return _root_mean(w, (scale * a - b) ** 2)


def angular_error(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Mean colour angle: over the sphere, between two texels as RGB vectors.

    It compares colours, not brightness. Negative values count as 0; a black texel counts as grey.
    This is the error measure of colour constancy: Hordley and Finlayson, "Reevaluation of color
    constancy algorithm performance", JOSA A 23(5), 2006.

    Returns:
        Degrees, from 0 to 90.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    return float(np.degrees(np.sum(w * _colour_angles(a, b))))


def median_angular_error(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """The colour angle that half of the solid angle does not exceed; see `angular_error`.

    Returns:
        Degrees, from 0 to 90.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    return float(np.degrees(weighted_median(_colour_angles(a, b), w)))


def tonemapped_psnr(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> float:
    """Peak signal-to-noise ratio of the maps as a display shows them: -10 log10 of the mean square.

    Both are shown as min(1, alpha L^(1/2.4)), the tone mapping of StyleLight (Wang et al., ECCV
    2022), with the alpha that shows the median of the ground truth's positive values as 0.5; the
    median is by solid angle over the whole sphere. Negative values are shown as 0.

    Returns:
        Decibels, 0 or more; infinite for maps that look the same.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    a, b = (np.maximum(array, 0) ** (1 / 2.4) for array in (a, b))
    sphere = np.broadcast_to(texel_solid_angles(*w.shape)[..., None], b.shape)
    alpha = 0.5 / weighted_median(b[b > 0], sphere[b > 0]) if b.any() else 1.0
    a, b = (np.minimum(alpha * array, 1) for array in (a, b))
    with np.errstate(divide="ignore"):
        return float(-10 * np.log10(weighted_mean((a - b) ** 2, w)))


def energy_ratio(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Integral of the estimate over the sphere, divided by the ground truth's.

    Returns:
        A ratio per channel, shape (3,); 1 is right, infinite or NaN where the truth is black.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.tensordot(w, a, 2) / np.tensordot(w, b, 2)


def compare_lights(
    estimate: ArrayLike, ground_truth: ArrayLike, *, weights: ArrayLike | None = None
) -> dict[str, float | int | None]:
    """Compare the brightest lights of the estimate with the true ones.

    The lights of each map are its bright blobs (`lights.find_lights`: three times its mean
    luminance, a hundredth of its energy), paired in the best way within 30 degrees
    (`lights.match_lights`).

    Returns:
        `ground_truth` and `estimate`: the numbers of lights; `missed` and `extra`: how many of
        those have no partner; `direction_mean_deg`, weighted by the energies of the true lights,
        and `direction_max_deg`: degrees from 0 to 30, None if there is no pair.
    """
    a, b, w = _checked(estimate, ground_truth, weights)
    found, true = find_lights(a, w), find_lights(b, w)
    pairs, degrees = match_lights(true, found)
    num_pairs, energies = len(pairs), true.shares[pairs[:, 0]]
    return {
        "ground_truth": len(true.shares),
        "estimate": len(found.shares),
        "missed": len(true.shares) - num_pairs,
        "extra": len(found.shares) - num_pairs,
        "direction_mean_deg": float(np.average(degrees, weights=energies)) if num_pairs else None,
        "direction_max_deg": float(degrees.max()) if num_pairs else None,
    }


def _checked(
    estimate: ArrayLike, ground_truth: ArrayLike, weights: ArrayLike | None
) -> tuple[Texels, Texels, Weights]:
    """Check both maps; return them and each texel's share of the weighted solid angle, sum 1."""
    first, second = np.asarray(estimate, np.float64), np.asarray(ground_truth, np.float64)
    if first.shape != second.shape:
        raise ValueError(f"maps of unequal shape: {first.shape} and {second.shape}")
    if first.ndim != 3 or first.shape[2] != 3:
        raise ValueError(f"texels must have shape (H, W, 3); found {first.shape}")
    shares = texel_solid_angles(*first.shape[:2])
    if weights is not None:
        if np.shape(weights) != shares.shape:
            raise ValueError(f"weights of unequal shape: {np.shape(weights)}, not {shares.shape}")
        shares = shares * np.asarray(weights)
    if not shares.sum() > 0:
        raise ValueError("the weights leave no texel")
    return first, second, shares / shares.sum()


def _root_mean(shares: Weights, squares: Texels) -> float:
    return float(np.sqrt(weighted_mean(squares, shares)))


def _colour_angles(a: Texels, b: Texels) -> NDArray[np.float64]:
    """Angle in radians between the texels' colours, shape (H, W)."""
    a, b = (np.maximum(array, 0) for array in (a, b))
    a, b = (np.where(array.any(axis=2, keepdims=True), array, 1.0) for array in (a, b))
    return angle_between(a, b)
