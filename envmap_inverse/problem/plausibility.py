"""Numbers that a problem can hold and no light can have: what is done about each.

Every rule warns and names what it found; docs/faults.md lists them.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.problem.view import View, start_exposures

__all__ = [
    "LARGEST",
    "checked_start",
    "checked_truth",
    "checked_view",
    "warn_of_dark_pixels",
    "warn_of_scale",
]

LARGEST = 1e12
"""Largest radiance that is believed; the sun's disk has about 2e7 W m^-2 sr^-1. Sums of the
squares of larger ones leave float32."""

NOISE_LIMIT = 5
"""Standard deviations of the noise of darkness that negative values may have."""

FLOOR = 0.01
"""Start value in place of a black map, over the mean of the references."""

BRIGHT, FEW = 0.05, 0.001
"""A bright value, as a share of a reference's mean; the share of pixels not worth a warning."""


def warn_of_scale(scale: float) -> None:
    """Warn of the scale of a scene's emitter: the map that is found has it applied."""
    if scale != 1:
        _warn(
            f"the scene's emitter has scale {scale:g}; the recovered map is the light itself, with "
            "the scale applied: give it scale 1 where it is used"
        )


def checked_view(view: View) -> View:
    """Mask the pixels above `LARGEST`; warn of other values that no light has.

    Negative pixels are kept: the noise of a camera lies on both sides of 0. A warning names those
    that the noise does not explain.

    Raises:
        InputError: if no pixel is left.
    """
    used = view.mask > 0
    too_bright: NDArray[np.bool_] = np.any(np.abs(view.image) > LARGEST, axis=2)
    if (too_bright & used).any():
        row, column = np.argwhere(too_bright & used)[0]
        found = f"{view.name}: {(too_bright & used).sum()} pixels are above {LARGEST:g}"
        if not (used & ~too_bright).any():
            raise InputError(f"{found}, and no others are left; is it linear radiance?")
        _warn(f"{found}, brighter than any light, the first at x={column}, y={row}; left out")
        image = np.where(too_bright[..., None], np.float32(0), view.image)
        view = replace(view, image=image, mask=np.where(too_bright, np.float32(0), view.mask))
    values = view.image[view.weights > 0]
    darkness = float(np.sqrt(view.noise_model.variance(np.zeros(1, np.float32))[0]))
    strange = int((values < -NOISE_LIMIT * darkness).sum())
    if strange:
        _warn(
            f"{view.name}: {strange} values are negative beyond the picture's noise, which no "
            "light is; they are kept; set them to 0 if they are not a camera's"
        )
    if not (values > 0).any():
        _warn(f"{view.name}: is black; only a black map explains it")
    return view


def checked_start(texels: NDArray[np.float32], views: Sequence[View]) -> NDArray[np.float32]:
    """Set negative texels of a start map to 0, and a black one to `FLOOR` times the references.

    A black map has no gradient.

    Args:
        texels: the start map, shape (H, W, 3).
        views: checked views, whose mean radiance is that of the references.

    Raises:
        InputError: if a texel is above `LARGEST`.
    """
    _check_brightness("initial map", texels)
    if (texels < 0).any():
        _warn(f"initial map: {(texels < 0).sum()} values are negative; they are taken for 0")
        texels = np.maximum(texels, np.float32(0))
    if texels.any():
        return texels
    exposures, _ = start_exposures(views)
    light = [
        np.maximum(view.image / exposure, 0)[view.weights > 0].mean()
        for view, exposure in zip(views, exposures, strict=True)
    ]
    floor = np.float32(FLOOR * np.mean(light) or FLOOR)
    _warn(
        f"initial map: is black, and a black map has no gradient; the start is {floor:.3g} "
        "everywhere in its place"
    )
    return np.full_like(texels, floor)


def checked_truth(texels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Warn of a ground truth that is black or has negative texels.

    Raises:
        InputError: if a texel is above `LARGEST`.
    """
    _check_brightness("ground truth", texels)
    if (texels < 0).any():
        _warn(f"ground truth: {(texels < 0).sum()} values are negative, which no light is")
    if not texels.any():
        _warn("ground truth: is black; errors relative to it mean nothing")
    return texels


def warn_of_dark_pixels(view: View, image: NDArray[np.float32]) -> None:
    """Warn of pixels that are bright in a reference, but that no map can make so.

    Args:
        view: the reference.
        image: what the recovered map makes of the view, shape (h, w, 3).
    """
    bright = view.image > BRIGHT * max(float(view.image.mean()), 0)
    count = int(((image == 0) & bright & (view.weights > 0)).any(axis=2).sum())
    if count > FEW * bright[..., 0].size:
        _warn(
            f"{view.name}: {count} pixels are bright where the scene shows no light of the map; "
            "does the picture fit the scene and its sensor?"
        )


def _check_brightness(name: str, texels: NDArray[np.float32]) -> None:
    if (np.abs(texels) > LARGEST).any():
        raise InputError(f"{name}: has texels above {LARGEST:g}, brighter than any light")


def _warn(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=4)
