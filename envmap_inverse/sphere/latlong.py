"""Geometry of latlong (equirectangular) environment maps. NumPy only.

Two row conventions exist. Mitsuba's `envmap` is **corner-aligned**: row 0 is exactly the zenith and
row H-1 exactly the nadir. Most image files and other renderers are **centred**: row 0 is half a row
below the zenith. Columns are texel-centred and periodic in both. Everything here is corner-aligned
unless it says otherwise.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.system.arrays import as_floats, constants

__all__ = [
    "angle_between",
    "blur",
    "direction_to_uv",
    "flatten_rgba",
    "resample",
    "sphere_edges",
    "texel_directions",
    "texel_solid_angles",
    "unflatten_rgba",
    "uv_to_direction",
]

Rows = Literal["corner", "centred"]


def uv_to_direction(u: ArrayLike, v: ArrayLike) -> NDArray[np.float64]:
    """Unit vector, in the map's own frame, for a point of the latlong plane.

    With phi = 2 pi u and theta = pi v this is (sin phi sin theta, cos theta, -cos phi sin theta),
    the inverse of `direction_to_uv` (Mitsuba 3.9, `envmap`).

    Args:
        u: azimuth as a fraction of a turn.
        v: polar angle as a fraction of a half turn; 0 is the zenith (+y).

    Returns:
        Shape (..., 3), where ... is the broadcast shape of u and v.
    """
    phi, theta = np.broadcast_arrays(
        2 * np.pi * np.asarray(u, np.float64), np.pi * np.asarray(v, np.float64)
    )
    return np.stack(
        [np.sin(phi) * np.sin(theta), np.cos(theta), -np.cos(phi) * np.sin(theta)], axis=-1
    )


def direction_to_uv(direction: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Point of the latlong plane where a direction in the map's own frame is looked up.

    u = atan2(x, -z) / 2 pi (modulo 1) and v = acos(y) / pi (Mitsuba 3.9, `envmap`).

    Args:
        direction: shape (..., 3), any length but zero.

    Returns:
        (u, v), each of shape (...); u in [0, 1), v in [0, 1].
    """
    x, y, z = np.moveaxis(np.asarray(direction, np.float64), -1, 0)
    u = np.arctan2(x, -z) / (2 * np.pi)
    v = np.arctan2(np.hypot(x, z), y) / np.pi
    return u - np.floor(u), v


def angle_between(a: ArrayLike, b: ArrayLike) -> NDArray[np.float64]:
    """Angle between vectors of any length but zero: the arc tangent of |a x b| / a . b.

    Unlike the arc cosine it is precise for small angles.

    Args:
        a: shape (..., 3).
        b: shape (..., 3); the leading axes broadcast.

    Returns:
        Radians from 0 to pi, shape (...).
    """
    (ax, ay, az), (bx, by, bz) = (np.moveaxis(np.asarray(v, np.float64), -1, 0) for v in (a, b))
    cross = np.sqrt((ay * bz - az * by) ** 2 + (az * bx - ax * bz) ** 2 + (ax * by - ay * bx) ** 2)
    return np.asarray(np.arctan2(cross, ax * bx + ay * by + az * bz))


def texel_directions(height: int, width: int) -> NDArray[np.float64]:
    """Unit vector that each texel's centre stands for, in the map's own frame.

    Args:
        height: number of rows, at least 2.
        width: number of columns, without halo.

    Returns:
        Shape (H, W, 3).

    Raises:
        ValueError: if height < 2 or width < 1.
    """
    _check_size(height, width)
    u = (np.arange(width) + 0.5) / width
    v = np.arange(height) / (height - 1)
    return uv_to_direction(u[None, :], v[:, None])


def texel_solid_angles(height: int, width: int) -> NDArray[np.float64]:
    """Solid angle that each texel's bilinear footprint subtends.

    Rows are corner-aligned and columns texel-centred, as in Mitsuba 3.9's `envmap`. Integrating the
    hat function of row i over the sphere gives, with D = pi / (H - 1) and theta_i = i D,
    (2 pi / W) sin(theta_i) 2 (1 - cos D) / D inside and (2 pi / W) (1 - sin D / D) at both poles.

    Args:
        height: number of rows, at least 2.
        width: number of columns, without halo.

    Returns:
        Shape (H, W), steradians; sums to 4 pi.

    Raises:
        ValueError: if height < 2 or width < 1.
    """
    _check_size(height, width)
    return np.tile(_row_weights(height, "corner")[:, None] * (2 * np.pi / width), (1, width))


def sphere_edges(
    height: int, width: int
) -> tuple[NDArray[np.int32], NDArray[np.int32], NDArray[np.float64]]:
    """Pairs of neighbouring texels and how strongly they are tied on the sphere.

    With the weights w, sum w (f_i - f_j)^2 is the finite-volume integral of |grad f|^2: each weight
    is the length of the cells' common side over the distance between their centres
    (Laplace-Beltrami). Columns are periodic. The texels of a pole row, which are all one point, are
    tied as if they lay half a row away from it.

    Args:
        height: number of rows, at least 2.
        width: number of columns.

    Returns:
        (first, second, weight): flat indices row * width + column, and weights, each of shape (E,).

    Raises:
        ValueError: if height < 2 or width < 1.
    """
    _check_size(height, width)
    step, turn = np.pi / (height - 1), 2 * np.pi / width
    theta = np.arange(height) * step
    index = np.arange(height * width, dtype=np.int32).reshape(height, width)
    along = step / (np.maximum(np.sin(theta), np.sin(step / 2)) * turn)
    along[[0, -1]] /= 2
    down = np.sin(theta[:-1] + step / 2) * turn / step
    first = np.concatenate([index.ravel(), index[:-1].ravel()])
    second = np.concatenate([np.roll(index, -1, axis=1).ravel(), index[1:].ravel()])
    return first, second, np.concatenate([np.repeat(along, width), np.repeat(down, width)])


def flatten_rgba(texels: ArrayLike) -> NDArray[np.float32]:
    """Texels as a flat RGBA array with alpha 1, the layout of the tutorial.

    Args:
        texels: shape (H, W, 3).

    Returns:
        Shape (H * W * 4,), float32.

    Raises:
        ValueError: if texels does not have shape (H, W, 3).
    """
    array = np.asarray(texels, np.float32)
    if array.ndim != 3 or array.shape[2] != 3:
        raise ValueError(f"texels must have shape (H, W, 3); found {array.shape}")
    rgba = np.ones((*array.shape[:2], 4), np.float32)
    rgba[..., :3] = array
    return rgba.reshape(-1)


def unflatten_rgba(rgba: ArrayLike, resolution: tuple[int, int]) -> NDArray[np.float32]:
    """Texels from a flat RGBA array; alpha is dropped.

    Args:
        rgba: shape (W * H * 4,).
        resolution: (width, height) of the map.

    Returns:
        Shape (H, W, 3), float32.

    Raises:
        ValueError: if the array does not hold width * height * 4 numbers.
    """
    width, height = resolution
    array = np.asarray(rgba, np.float32)
    if array.shape != (width * height * 4,):
        raise ValueError(
            f"flat RGBA for a {width} x {height} map must have shape ({width * height * 4},); "
            f"found {array.shape}"
        )
    return np.ascontiguousarray(array.reshape(height, width, 4)[..., :3])


def resample(
    texels: ArrayLike, height: int, width: int, *, rows: Rows = "corner", to_rows: Rows = "corner"
) -> NDArray[np.float64]:
    """Resample a map so that its integral over the sphere is kept exactly.

    Each texel owns a cell whose area is its solid angle; a new texel is the area-weighted mean of
    the cells that its own cell overlaps. Constants stay constant and an unchanged size (with an
    unchanged row convention) is the identity.

    Args:
        texels: shape (H, W, C).
        height: new number of rows, at least 2.
        width: new number of columns, at least 1.
        rows: row convention of `texels`.
        to_rows: row convention of the result.

    Returns:
        Shape (height, width, C).

    Raises:
        ValueError: if a size is too small or texels is not three-dimensional.
    """
    array = np.asarray(texels, np.float64)
    if array.ndim != 3:
        raise ValueError(f"texels must have shape (H, W, C); found {array.shape}")
    _check_size(height, width)
    _check_size(*array.shape[:2])
    row_map = _overlaps(_row_weights(array.shape[0], rows), _row_weights(height, to_rows))
    column_map = _overlaps(np.ones(array.shape[1]), np.ones(width))
    tall: NDArray[np.float64] = np.tensordot(row_map, array, axes=(1, 0))
    return np.moveaxis(np.tensordot(column_map, tall, axes=(1, 1)), 0, 1)


def blur(texels: ArrayLike, radius: float) -> NDArray[np.float64]:
    """Mean of a map around each texel, weighted by solid angle and a Gaussian of the distance.

    The Gaussian is applied along meridians and then along parallels. Nothing beyond a pole is
    counted, which matters little: parallels near it are averaged all the way round.

    Args:
        texels: shape (H, W, C).
        radius: standard deviation of the Gaussian, radians.

    Returns:
        Shape (H, W, C).
    """
    array = as_floats(texels, np.float64)
    height, width, _ = array.shape
    along_meridians, areas, totals, along_parallels = constants(
        _gaussians, height, width, radius, beside=array
    )
    # By Fourier transforms: threads of a matrix product would spin beside the caller's.
    spectrum = np.fft.rfft(array * areas, 2 * height, axis=0) * along_meridians
    means = np.fft.irfft(spectrum, 2 * height, axis=0)[:height] / totals
    blurred: NDArray[np.float64] = np.fft.irfft(
        np.fft.rfft(means, axis=1) * along_parallels, width, axis=1
    )
    return blurred


def _gaussians(height: int, width: int, radius: float) -> tuple[NDArray[Any], ...]:
    """What `blur` multiplies or divides by.

    Returns:
        The spectrum of the Gaussian of rows, the rows' areas and the sums of these under the
        Gaussian, and the spectra of the Gaussians of each row: all with three axes.
    """
    theta = np.linspace(0, np.pi, height)
    spacing = np.pi / (height - 1)
    rows = np.minimum(np.arange(2 * height), np.arange(2 * height, 0, -1))
    kernel = np.fft.rfft(np.exp(-((rows * spacing / radius) ** 2) / 2))
    areas = texel_solid_angles(height, width)[:, 0]
    sums = np.fft.irfft(np.fft.rfft(areas, 2 * height) * kernel, 2 * height)[:height]
    turns = radius / np.maximum(np.sin(theta), 0.25 / height)[:, None] * np.arange(width // 2 + 1)
    rows_first = (kernel[:, None, None], areas[:, None, None], sums[:, None, None])
    return *rows_first, np.exp(-(turns**2) / 2)[:, :, None]


def _check_size(height: int, width: int) -> None:
    if height < 2 or width < 1:
        raise ValueError(f"a map needs at least 2 rows and 1 column; found {width} x {height}")


def _row_weights(height: int, rows: Rows) -> NDArray[np.float64]:
    """Integral of sin(theta) over each row's footprint, shape (H,); sums to 2."""
    if rows == "centred":
        return np.asarray(-np.diff(np.cos(np.linspace(0, np.pi, height + 1))))
    step = np.pi / (height - 1)
    theta = np.arange(height) * step
    weights: NDArray[np.float64] = np.sin(theta) * 2 * (1 - np.cos(step)) / step
    weights[[0, -1]] = 1 - np.sin(step) / step
    return weights


def _overlaps(source: NDArray[np.float64], target: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each target cell that each source cell covers, shape (targets, sources).

    Both partition the same interval; the arguments are the lengths of their cells.
    """
    old = np.concatenate([[0.0], np.cumsum(source) / source.sum()])
    new = np.concatenate([[0.0], np.cumsum(target) / target.sum()])
    low = np.maximum(new[:-1, None], old[None, :-1])
    high = np.minimum(new[1:, None], old[None, 1:])
    shared = np.maximum(high - low, 0.0)
    return np.asarray(shared / shared.sum(axis=1, keepdims=True))
