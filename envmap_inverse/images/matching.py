"""Where one image lies in another: normalized correlation with masks, then least squares."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

__all__ = ["Masked", "Offset", "best_offset", "refined_offset"]

Masked = tuple[NDArray[np.float32], NDArray[np.bool_]]
"""Values (h, w), and which of them count."""

LEAST_OVERLAP = 0.5
"""Share of the largest overlap that an offset must have."""

STEPS, SETTLED = 15, 1e-3
"""Most steps of least squares, and the pixels of the last one."""

ALIKE = 4.0
"""How many pixels count as one, as errors of neighbours are alike."""


@dataclass(frozen=True, kw_only=True)
class Offset:
    """Where an image shows what a reference shows: as many columns and rows further on.

    Attributes:
        x: columns to the right.
        y: rows down.
        likeness: correlation of the two, at most 1.
        deviation: standard deviation of x and of y in pixels; infinite before it is refined.
    """

    x: float
    y: float
    likeness: float
    deviation: float = np.inf

    def after(self, other: Offset) -> Offset:
        """The offset against the reference of another offset, which is that of this reference."""
        deviation = float(np.hypot(self.deviation, other.deviation))
        return replace(self, x=self.x + other.x, y=self.y + other.y, deviation=deviation)


def best_offset(reference: Masked, image: Masked, *, reach: int | None = None) -> Offset | None:
    """The whole offset of the highest correlation over the pixels that count in both.

    Masked normalized cross-correlation by Fourier transforms (Padfield 2012). Unlike phase
    correlation it leaves out what counts in one of the two only, such as what is clipped. Neither
    a factor on the values nor a constant added to them makes a difference: nor, for logarithms,
    another exposure or another contrast.

    Args:
        reference: the reference.
        image: the image, of any size.
        reach: largest offset along each axis; None for all at which the two overlap.

    Returns:
        The offset; None if the two have nothing to compare.
    """
    from scipy import fft  # noqa: PLC0415 - takes a while to load

    sizes = np.array([values.shape for values, _ in (reference, image)])
    low, high = (1 - sizes[0], sizes[1] - 1) if reach is None else (np.full(2, -reach), [reach] * 2)
    # So large that the offsets looked at do not wrap round onto each other.
    least = sizes.max(axis=0) + np.maximum(-low, high)
    shape = [fft.next_fast_len(int(side), real=True) for side in least]
    rows, columns = (np.arange(first, last + 1) for first, last in zip(low, high, strict=True))
    at = np.ix_(rows % shape[0], columns % shape[1])
    first, second = (_transforms(masked, shape) for masked in (reference, image))

    def sums(one: NDArray[np.complex128], other: NDArray[np.complex128]) -> NDArray[np.float64]:
        found: NDArray[np.float64] = fft.irfft2(np.conj(one) * other, shape)[at]
        return found

    overlap = np.rint(sums(first[0], second[0]))
    overlap[overlap < max(LEAST_OVERLAP * overlap.max(), 2)] = np.inf  # nothing to compare
    of_first, of_second = sums(first[1], second[0]), sums(first[0], second[1])
    product = sums(first[1], second[1]) - of_first * of_second / overlap
    squares = [
        np.maximum(total - mean**2 / overlap, 0)
        for total, mean in (
            (sums(first[2], second[0]), of_first),
            (sums(first[0], second[2]), of_second),
        )
    ]
    spread = np.sqrt(squares[0] * squares[1])
    is_flat = (spread <= 1e-6 * spread[np.isfinite(overlap)].max(initial=0)) | ~np.isfinite(overlap)
    if is_flat.all():
        return None
    likeness = np.where(is_flat, -1, product / np.where(is_flat, 1, spread))
    row, column = np.unravel_index(np.argmax(likeness), likeness.shape)
    return Offset(
        x=float(columns[column]), y=float(rows[row]), likeness=float(likeness[row, column])
    )


def refined_offset(reference: Masked, image: Masked, start: Offset) -> Offset:
    """An offset to a part of a pixel, by least squares (Lucas and Kanade 1981).

    The image, moved back, times a factor plus a constant is to be the reference, over pixels that
    count in both. Large residuals count less and less, as what moved between the pictures does.

    Args:
        reference: the reference.
        image: the image.
        start: the offset to within a pixel or so.

    Returns:
        The offset with its deviation; the start, if the pixels do not tell.
    """
    values, counts = reference[0].astype(np.float64), _inner(reference[1])
    filled, inner = _filled(image), _inner(image[1]).astype(np.float32)
    place, found = np.array([start.x, start.y]), start
    for _ in range(STEPS):
        moved, whole = _read(filled, inner, place, values.shape)
        chosen = counts & (whole > 1 - 1e-4)
        step, deviation = _step(values, moved, chosen)
        if not np.isfinite(deviation) or np.abs(place + step - [start.x, start.y]).max() > 2:
            return start
        place = place + step
        found = replace(start, x=float(place[0]), y=float(place[1]), deviation=deviation)
        if np.abs(step).max() < SETTLED:
            break
    return found


def _transforms(masked: Masked, shape: list[int]) -> list[NDArray[np.complex128]]:
    """Fourier transforms of what counts, of the values, and of their squares."""
    from scipy import fft  # noqa: PLC0415 - takes a while to load

    values, counts = masked
    level = values[counts].mean(dtype=np.float64) if counts.any() else 0.0
    centred = np.where(counts, values - level, 0.0)
    return [fft.rfft2(array, shape) for array in (counts.astype(np.float64), centred, centred**2)]


def _inner(counts: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The pixels that count and whose neighbours do."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    return np.asarray(ndimage.binary_erosion(counts, np.ones((3, 3), bool)))


def _filled(image: Masked) -> NDArray[np.float64]:
    """The values, with those that do not count replaced by the nearest that do."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    nearest = ndimage.distance_transform_edt(~image[1], return_distances=False, return_indices=True)
    return np.asarray(image[0].astype(np.float64)[tuple(nearest)])


def _read(
    filled: NDArray[np.float64],
    inner: NDArray[np.float32],
    place: NDArray[np.float64],
    shape: tuple[int, ...],
) -> tuple[NDArray[np.float64], NDArray[np.float32]]:
    """The image moved back by an offset, by cubic interpolation, and how much counts of it."""
    from scipy import ndimage  # noqa: PLC0415 - takes a while to load

    grid = np.meshgrid(
        np.arange(shape[0]) + place[1], np.arange(shape[1]) + place[0], indexing="ij"
    )
    moved = ndimage.map_coordinates(filled, grid, order=3, mode="nearest")
    whole = ndimage.map_coordinates(inner, grid, order=1, mode="constant")
    return np.asarray(moved), np.asarray(whole)


def _step(
    values: NDArray[np.float64], moved: NDArray[np.float64], chosen: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], float]:
    """A step of x and y towards equal images, and its deviation; infinite if nothing tells."""
    nowhere = np.zeros(2), np.inf
    if np.count_nonzero(chosen) < 16:
        return nowhere
    down, across = (np.gradient(moved, axis=axis) for axis in (0, 1))
    design = np.stack([-across[chosen], -down[chosen], moved[chosen], np.ones(chosen.sum())], 1)
    wanted, weights = values[chosen], np.ones(len(design))
    for _ in range(4):  # residuals that are large beside the others count less
        normal = design.T @ (weights[:, None] * design)
        try:
            inverse = np.linalg.inv(normal)
        except np.linalg.LinAlgError:
            return nowhere
        found = inverse @ (design.T @ (weights * wanted))
        rest = wanted - design @ found
        size = 1.4826 * float(np.median(np.abs(rest))) or 1e-12
        weights = 1 / (1 + (rest / (2 * size)) ** 2) ** 2
    level = float(np.sum(weights * rest**2) / np.sum(weights))
    deviation = float(np.sqrt(max(inverse[0, 0], inverse[1, 1]) * level * ALIKE))
    if not np.isfinite(deviation) or abs(found[2]) < 1e-3:
        return nowhere
    # The design has the derivatives of the moved image, which the factor scales.
    return np.asarray(-found[:2] / found[2]), deviation / abs(float(found[2]))
