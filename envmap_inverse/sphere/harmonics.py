"""Sums of spherical harmonics on the texels of a map, fast for many maps at once. NumPy, SciPy."""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.system.arrays import as_floats, library_of

__all__ = ["Harmonics", "legendre"]


def legendre(height: int, degree: int) -> NDArray[np.float64]:
    """Associated Legendre functions on the rows of a map, normalized over the sphere.

    By the three-term recursion in l from P_mm (Holmes and Featherstone 2002, eq. 11), which is
    stable up to degrees of about 1,900.

    Args:
        height: number of rows; the first and the last one are the poles.
        degree: highest degree l.

    Returns:
        Shape (degree + 1, height, degree + 1): order m, row, degree l; 0 where l < m. The integral
        of |P exp(i m phi)|^2 over the sphere is 1.
    """
    theta = np.linspace(0, np.pi, height)
    cosine, sine = np.cos(theta), np.sin(theta)
    found = np.zeros((degree + 1, height, degree + 1))
    sectoral = np.full(height, 1 / np.sqrt(4 * np.pi))
    for m in range(degree + 1):
        if m > 0:
            sectoral = -np.sqrt((2 * m + 1) / (2 * m)) * sine * sectoral
        values = found[m].T
        values[m] = sectoral
        if m < degree:
            values[m + 1] = np.sqrt(2 * m + 3) * cosine * sectoral
        for n in range(m + 2, degree + 1):
            first = np.sqrt((4 * n**2 - 1) / (n**2 - m**2))
            second = np.sqrt(((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1))
            values[n] = first * (cosine * values[n - 1] - second * values[n - 2])
    return found


class Harmonics:
    """Real harmonics, each degree times a factor, on the texels of maps of one size.

    Coefficients are arrays of shape (degree + 1, degree + 1, 2, columns): order m, degree l, the
    parts in cos(m phi) and sin(m phi). Those with l < m and the sines of m = 0 do not count.

    Attributes:
        degree: highest degree.
        shape: of the coefficients, without the columns.
    """

    def __init__(self, height: int, width: int, factors: NDArray[np.float64]) -> None:
        """Tabulate the functions.

        Args:
            height: of the map.
            width: of the map.
            factors: by degree, shape (degree + 1,).

        Raises:
            ValueError: if the map has too few columns for the degree.
        """
        self.height, self.width, self.degree = height, width, len(factors) - 1
        if 2 * self.degree >= width:
            raise ValueError(f"degree {self.degree} is too high for {width} columns")
        self.shape = (self.degree + 1, self.degree + 1, 2)
        norms = np.sqrt(np.where(np.arange(self.degree + 1) > 0, 2, 1))[:, None, None]
        self._rows = (legendre(height, self.degree) * factors * norms).astype(np.float32)

    @functools.cached_property
    def counts(self) -> NDArray[np.bool_]:
        """Which coefficients count, in their shape."""
        order, degree, part = np.ogrid[: self.degree + 1, : self.degree + 1, :2]
        return np.asarray((degree >= order) & ((order > 0) | (part == 0)))

    def synthesis(self, coefficients: NDArray[np.float32]) -> NDArray[np.float32]:
        """The maps that coefficients stand for, shape (height * width, columns)."""
        library = library_of(coefficients)
        orders, degrees, parts, columns = coefficients.shape
        by_row = library.array(self._rows) @ coefficients.reshape(orders, degrees, parts * columns)
        cosines, sines = np.moveaxis(by_row.reshape(orders, self.height, parts, columns), 2, 0)
        halves = np.where(np.arange(orders) > 0, 0.5, 1).astype(np.float32)[:, None, None]
        spectrum = library.numpy.zeros((self.width // 2 + 1, self.height, columns), np.complex64)
        # Columns are texel-centred: the first one is at phi = pi / width.
        centred = np.exp(1j * np.pi / self.width * np.arange(orders)).astype(np.complex64)
        turned = library.array(halves * centred[:, None, None])
        spectrum[:orders] = turned * (cosines - 1j * sines)
        maps = _inverse_fft(spectrum, self.width)
        return as_floats(maps.transpose(1, 0, 2).reshape(-1, columns), order="C")


def _inverse_fft(spectrum: NDArray[np.complex64], width: int) -> NDArray[np.float32]:
    """Real values of a spectrum along its first axis, on all of the processor's cores."""
    from scipy import fft  # noqa: PLC0415 - takes a while to load

    if library_of(spectrum).is_on_card:
        return as_floats(np.fft.irfft(spectrum, width, axis=0, norm="forward"))
    return as_floats(fft.irfft(spectrum, width, axis=0, norm="forward", workers=-1))
