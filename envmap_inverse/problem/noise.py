"""The noise of a picture: how far its values lie from the light that made them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import check_numbers
from envmap_inverse.system.arrays import as_floats

__all__ = ["Noise", "estimate_noise", "expected_variance"]

MODEL_ERROR = 0.1
"""Error of a prediction, as a share, that the map's resolution and its priors leave."""

DARK = 0.01
"""Share of the pictures' mean below which light counts as so bright for that error."""

BLOCK = 8
"""Pixels on a side of the blocks in which a picture is taken for flat."""

BAND = 16 * BLOCK
"""Rows that are filtered at a time."""

NUM_LEVELS = 12
QUANTILE = 0.2
"""Share of the blocks of one brightness taken for flat; the others hold edges."""

_FLATTEST = 0.6
"""The variance of the flattest blocks over that of the noise, by simulation of normal noise."""


@dataclass(frozen=True, kw_only=True)
class Noise:
    """Standard deviation of a picture's values, given the value p that the light would give.

    The variance is read^2 + shot p + (relative p)^2: what a sensor adds to darkness, the number of
    photons (Foi et al. 2008), and what scales with the light, such as errors of the scene.

    Attributes:
        read: standard deviation where there is no light, in units of the picture's values.
        shot: variance per value, in the same units.
        relative: standard deviation as a share of the value.

    Example:
        >>> noise = ei.Noise(read=0.01, shot=0.001)
        >>> round(float(noise.variance(np.float32(0.9))), 6)
        0.001
    """

    read: float = 0.0
    shot: float = 0.0
    relative: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("read", "shot", "relative"):
            check_numbers(least=0, **{f"noise: {name}": getattr(self, name)})

    def variance(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Variance of a picture's values, from those that the light would give without noise."""
        light = np.maximum(values, 0)
        return as_floats(self.read**2 + self.shot * light + (self.relative * light) ** 2)


def expected_variance(
    light: NDArray[np.float32], noise: NDArray[np.float32], recorded: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Variance of residuals: of noise, of the recording and of an error of the map. Any shape.

    Args:
        light: predicted, in units of the pictures' mean.
        noise: variance of the pictures' noise.
        recorded: that of the recording.
    """
    return as_floats(noise + recorded + (MODEL_ERROR * np.maximum(light, np.float32(DARK))) ** 2)


def estimate_noise(image: ArrayLike, counts: NDArray[np.bool_] | None = None) -> Noise:
    """Estimate the noise of a picture from its flattest blocks.

    The picture is filtered so that independent noise stays and smooth shading goes. Of the blocks
    of about equal brightness, those of least variance are taken for flat; the curve of the noise
    model is fitted to their variances by non-negative least squares on relative errors. What has
    detail everywhere looks noisier than it is; noise that was smoothed or compressed away is not
    found.

    Args:
        image: values in proportion to radiance, shape (h, w, 3).
        counts: which values to go by, shape (h, w, 3); all if None.

    Returns:
        The noise, all 0 if the picture is too small to tell or has none.

    Example:
        >>> grey = np.full((64, 64, 3), 0.5) + np.random.default_rng(1).normal(0, 0.01, (64, 64, 3))
        >>> bool(0.008 < ei.estimate_noise(grey).variance(np.float32(0.5)) ** 0.5 < 0.012)
        True
    """
    from scipy import optimize  # noqa: PLC0415 - takes a while to load

    image = np.asarray(image, np.float32)
    height, width, _ = image.shape
    if min(height, width) < 3 * BLOCK:
        return Noise()
    usable = np.broadcast_to(np.True_, image.shape) if counts is None else counts
    parts = [
        _of_blocks(image, usable, range(top, min(top + BAND, height)))
        for top in range(0, height // BLOCK * BLOCK, BAND)
    ]
    means, variances, shares = (np.concatenate(each) for each in zip(*parts, strict=True))
    full = shares == 1
    levels, flattest = _flattest(means[full], variances[full])
    if len(levels) == 0:
        return Noise()
    design = np.stack([np.ones_like(levels), levels, levels**2], axis=1)
    scaled = design / flattest[:, None]
    size = np.maximum(scaled.max(axis=0), 1e-300)
    found, _ = optimize.nnls(scaled / size, np.ones(len(levels)))
    read, shot, relative = found / size
    return Noise(read=float(np.sqrt(read)), shot=float(shot), relative=float(np.sqrt(relative)))


def _of_blocks(
    image: NDArray[np.float32], usable: NDArray[np.bool_], rows: range
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Means of the blocks in some rows, their variances after the filter, and usable shares.

    A block counts if all that the filter reached does.
    """
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    around = slice(max(rows.start - 1, 0), rows.stop + 1)
    own = slice(rows.start - around.start, rows.stop - around.start)
    rest = _bends(_bends(image[around], 0), 1)[own] / np.float32(6)
    counts = usable[around]
    if not counts.all():
        counts = ndimage.binary_erosion(counts, np.ones((3, 3, 1), bool), border_value=1)
    return _blocks(image[rows.start : rows.stop]), _blocks(rest**2), _blocks(counts[own])


def _bends(image: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Second differences along an axis, with the edge's values beyond it.

    Those along both axes, over 6, keep the variance of independent noise and remove linear
    gradients (Immerkaer 1996).
    """
    steps = np.diff(image, axis=axis)
    return np.diff(steps, axis=axis, prepend=0, append=0)


def _blocks(array: NDArray[np.generic]) -> NDArray[np.float64]:
    """Means over whole blocks, flat; those of all channels."""
    height, width, channels = array.shape
    rows, columns = height // BLOCK, width // BLOCK
    cut = array[: rows * BLOCK, : columns * BLOCK].astype(np.float64)
    means = cut.reshape(rows, BLOCK, columns, BLOCK, channels).mean(axis=(1, 3))
    return np.asarray(means.ravel())


def _flattest(
    means: NDArray[np.float64], variances: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Brightness and noise of the flattest blocks, for levels of about as many blocks each."""
    order = np.argsort(means)
    order = order[variances[order] > 0]  # what has no noise at all was painted
    levels, flattest = [], []
    for part in (
        np.array_split(order, min(NUM_LEVELS, len(order) // 16)) if len(order) >= 16 else ()
    ):
        flat = part[variances[part] <= np.quantile(variances[part], QUANTILE)]
        levels.append(max(means[flat].mean(), 0.0))
        flattest.append(variances[flat].mean() / _FLATTEST)
    return np.array(levels), np.array(flattest)
