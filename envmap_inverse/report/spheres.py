"""Look into a map, and light balls with it. NumPy only, so that no backend has to start."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.bilinear import bilinear
from envmap_inverse.sphere.latlong import (
    direction_to_uv,
    resample,
    texel_directions,
    texel_solid_angles,
)

__all__ = ["balls", "look_up", "still_view"]

Image = NDArray[np.float64]

BALL_PIXELS = 144
BALL_RADIUS = 0.94
SHARPNESS = np.float32(32)
STILL_SIZE = (480, 300)
STILL_FIELD_OF_VIEW = 80


def look_up(texels: NDArray[np.floating], directions: Image) -> Image:
    """Look up a map's radiance in some directions, bilinearly as Mitsuba's `envmap` does.

    Args:
        texels: shape (H, W, C).
        directions: directions in the map's own frame, shape (..., 3).

    Returns:
        Shape (..., C).
    """
    height, width, _ = texels.shape
    u, v = direction_to_uv(directions)
    padded = np.pad(texels, ((0, 0), (1, 1), (0, 0)), mode="wrap")
    return bilinear(padded, u * width + 0.5, v * (height - 1))


def balls(texels: NDArray[np.floating]) -> NDArray[np.float32]:
    """Draw a chrome, a rough and a white ball side by side, lit by a map and seen from its +z.

    They are seen from far away, and no ball sees another. Chrome reflects all light; the rough ball
    spreads the mirror image by a spherical Gaussian that halves at 12 degrees; the white one is
    diffuse with albedo 1.

    Args:
        texels: shape (H, W, 3); negative values count as 0.

    Returns:
        Radiance, shape (BALL_PIXELS, 3 * BALL_PIXELS, 3), 0 around the balls.
    """
    light = np.maximum(np.nan_to_num(texels), 0)
    samples = 2 * BALL_PIXELS
    x, y = np.meshgrid(*[((np.arange(samples) + 0.5) / BALL_PIXELS - 1) / BALL_RADIUS] * 2)
    inside = x**2 + y**2 < 1
    z = np.sqrt(np.maximum(1 - x**2 - y**2, 0))
    normals = np.stack([x, -y, z], axis=2)[inside]
    mirrored = 2 * normals[:, 2:] * normals - np.array([0.0, 0.0, 1.0])
    blurred, diffused = _spread(light)
    shown = look_up(light, mirrored), look_up(blurred, mirrored), look_up(diffused, normals)
    picture = np.zeros((3, samples, samples, 3))
    picture[:, inside] = shown
    smooth = picture.reshape(3, BALL_PIXELS, 2, BALL_PIXELS, 2, 3).mean(axis=(2, 4))
    return np.concatenate(smooth, axis=1).astype(np.float32)


def still_view(texels: NDArray[np.floating]) -> Image:
    """The view from inside a map towards its middle (+z), shape (h, w, 3)."""
    width, height = STILL_SIZE
    half = np.tan(np.radians(STILL_FIELD_OF_VIEW / 2))
    x, y = np.meshgrid(
        half * (2 * (np.arange(width) + 0.5) / width - 1),
        half * (1 - 2 * (np.arange(height) + 0.5) / height) * height / width,
    )
    return look_up(texels, np.stack([-x, y, np.ones_like(x)], axis=2))


def _spread(texels: NDArray[np.floating]) -> tuple[Image, Image]:
    """Average a map around each direction, by a spherical Gaussian and by a cosine; small maps.

    The first gives what the rough ball mirrors, by direction; the second the white ball's
    radiance, by its normal.
    """
    height, width, _ = texels.shape
    coarse = resample(texels, min(32, height), min(64, width)).astype(np.float32)
    sources = texel_directions(*coarse.shape[:2]).astype(np.float32).reshape(-1, 3)
    solid_angles = texel_solid_angles(*coarse.shape[:2]).astype(np.float32).ravel()
    cosines = texel_directions(33, 64).astype(np.float32) @ sources.T

    def mean(lobe: NDArray[np.float32]) -> Image:
        weights = lobe * solid_angles
        total = weights.sum(axis=2, keepdims=True)
        return np.asarray(weights @ coarse.reshape(-1, 3) / total, np.float64)

    return mean(np.exp(SHARPNESS * (cosines - 1))), mean(np.maximum(cosines, 0))
