"""Check that a camera's distortion moves no pixel noticeably, so that it is a pinhole."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError

__all__ = ["COLMAP_MODELS", "check_pinhole"]

MAX_SHIFT = 0.05
"""In pixels; calibrations report this much for lenses without distortion."""

COLMAP_MODELS = {
    "SIMPLE_PINHOLE": "f cx cy",
    "PINHOLE": "fx fy cx cy",
    "SIMPLE_RADIAL": "f cx cy k1",
    "RADIAL": "f cx cy k1 k2",
    "OPENCV": "fx fy cx cy k1 k2 p1 p2",
    "FULL_OPENCV": "fx fy cx cy k1 k2 p1 p2 k3 k4 k5 k6",
}
"""The models that can be pinholes, and their parameters in COLMAP's order."""

_STEPS = 33


def check_pinhole(
    model: Any,
    distortion: Mapping[str, float],
    *,
    size: tuple[int, int],
    focal_lengths: tuple[float, float],
    principal_point: tuple[float, float],
) -> None:
    """Check that a camera is a pinhole, or distorted by at most `MAX_SHIFT` at every pixel.

    Args:
        model: a name in `COLMAP_MODELS`.
        distortion: OpenCV's k1 to k6, p1 and p2; in OPENCV, k3 and k4 belong to r^6 and r^8.
        size: (width, height) of the picture.
        focal_lengths: (x, y) in pixels.
        principal_point: (x, y) in pixels.

    Raises:
        InputError: if it is not; the message is to follow the camera's place in a file.
    """
    remedy = "undistort the pictures first, e.g. with `colmap image_undistorter`"
    if model not in COLMAP_MODELS:
        names = ", ".join(COLMAP_MODELS)
        raise InputError(f"camera model {model!r} is not one of {names}; {remedy}")
    bent = [f"{key}={value:g}" for key, value in distortion.items() if value != 0]
    if not bent:
        return
    with np.errstate(all="ignore"):  # what overflows is not small
        sides = [
            (np.linspace(0, side, _STEPS) - centre) / np.float64(focal)
            for side, centre, focal in zip(size, principal_point, focal_lengths, strict=True)
        ]
        shift = np.array(focal_lengths) * _displacement(model, distortion, *np.meshgrid(*sides))
        largest = float(np.linalg.norm(shift, axis=-1).max())
    if not largest <= MAX_SHIFT:
        raise InputError(
            f"its {model} camera is distorted ({', '.join(bent)}), by up to {largest:.3g} pixels; "
            f"{remedy}"
        )


def _displacement(
    model: Any, distortion: Mapping[str, float], x: NDArray[np.float64], y: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Shift of points (x, y) at depth 1, shape (..., 2), after OpenCV's calibration chapter."""
    k1, k2, k3, k4, k5, k6, p1, p2 = (
        distortion.get(name, 0.0) for name in ("k1", "k2", "k3", "k4", "k5", "k6", "p1", "p2")
    )
    s = x**2 + y**2
    if model == "FULL_OPENCV":
        scale = (1 + s * (k1 + s * (k2 + s * k3))) / (1 + s * (k4 + s * (k5 + s * k6)))
    else:
        scale = 1 + s * (k1 + s * (k2 + s * (k3 + s * k4)))
    return np.stack(
        [
            x * (scale - 1) + 2 * p1 * x * y + p2 * (s + 2 * x**2),
            y * (scale - 1) + p1 * (s + 2 * y**2) + 2 * p2 * x * y,
        ],
        axis=-1,
    )
