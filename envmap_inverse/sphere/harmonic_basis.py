"""Real, orthonormal spherical harmonics, and integrals of maps with them. NumPy only.

The order is that of graphics: harmonic l, m has the index l (l + 1) + m. There is no
Condon-Shortley phase: Y_1 = sqrt(3 / 4 pi) (y, z, x), so that z is the polar axis of the formulas
(Ramamoorthi and Hanrahan 2001, eq. 3; Sloan 2008, "Stupid Spherical Harmonics Tricks", appendix
A2). Directions are those of the map's frame, with +y up.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.sphere.latlong import texel_directions

__all__ = [
    "MAX_ORDER",
    "basis",
    "cosine_factors",
    "degrees_of",
    "harmonics",
    "project",
    "turned",
]

MAX_ORDER = 8
NUM_NODES = 8
"""Of Gauss and Legendre between two rows."""

Array = NDArray[np.float64]

_POLAR = np.array([[0.0, 0, 1], [1, 0, 0], [0, 1, 0]])
"""Turns the map's axes so that its pole, +y, is the polar axis of the formulas."""


def basis(directions: ArrayLike, order: int) -> Array:
    """Evaluate all harmonics up to an order.

    Args:
        directions: shape (..., 3), any length but zero.
        order: highest degree l.

    Returns:
        Shape (..., (order + 1)^2).
    """
    vectors = np.asarray(directions, np.float64)
    x, y, z = np.moveaxis(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True), -1, 0)
    return np.stack(harmonics(x, y, z, order), axis=-1)


def harmonics(x: Any, y: Any, z: Any, order: int) -> list[Any]:
    """Evaluate all harmonics up to an order by arithmetic, so that Dr.Jit's arrays will do, too.

    Args:
        x: of unit vectors.
        y: the same.
        z: the same.
        order: highest degree l.

    Returns:
        Arrays as x, (order + 1)^2 of them.
    """
    found: list[Any] = [None] * (order + 1) ** 2
    cosine, sine = 0 * x + 1, 0 * x  # of m phi, times sin^m theta
    for m, polynomials in enumerate(_polynomials(z, order)):
        for degree, values in enumerate(polynomials, start=m):
            middle = degree * (degree + 1)
            if m:
                found[middle - m] = values * sine
            found[middle + m] = values * cosine
        cosine, sine = cosine * x - sine * y, sine * x + cosine * y
    return found


def degrees_of(order: int) -> NDArray[np.intp]:
    """Degree l of each harmonic up to an order, shape ((order + 1)^2,)."""
    return np.repeat(np.arange(order + 1), 2 * np.arange(order + 1) + 1)


def cosine_factors(order: int) -> Array:
    """Factors of each harmonic's radiance to its irradiance, shape ((order + 1)^2,).

    The coefficients pi, 2 pi / 3, pi / 4, 0, -pi / 24, ... of the clamped cosine (Ramamoorthi and
    Hanrahan 2001, eq. 8).
    """
    factors = np.zeros(order + 1)
    factors[:2] = (np.pi, 2 * np.pi / 3)[: order + 1]
    for n in range(2, order + 1, 2):
        sign = (-1) ** (n // 2 - 1)
        factors[n] = 2 * np.pi * sign * math.comb(n, n // 2) / ((n + 2) * (n - 1) * 2**n)
    return factors[degrees_of(order)]


def project(maps: ArrayLike, order: int) -> Array:
    """Integrate maps, interpolated bilinearly between texels, times each harmonic.

    Args:
        maps: shape (..., H, W, C).
        order: highest degree l.

    Returns:
        Shape (..., (order + 1)^2, C); exact up to rounding for maps as Mitsuba interpolates them.
    """
    array = np.asarray(maps, np.float64)
    height, width = array.shape[-3:-1]
    rows, columns = _row_integrals(height, order), _column_integrals(width, order)
    by_turn = np.einsum("...hwc,kw->...hkc", array, columns, optimize=True)
    found = np.empty((*array.shape[:-3], (order + 1) ** 2, array.shape[-1]))
    for m, row_weights in enumerate(rows):
        for degree, weights in enumerate(row_weights, start=m):
            middle = degree * (degree + 1)
            for place, turn in {middle + m: order + m, middle - m: order - m}.items():
                found[..., place, :] = np.einsum("h,...hc->...c", weights, by_turn[..., turn, :])
    return turned(found, _POLAR.T)


def turned(coefficients: ArrayLike, matrix: ArrayLike) -> Array:
    """Coefficients of the function f(R^-1 d), which is f turned or mirrored with R.

    Args:
        coefficients: of f, shape (..., (order + 1)^2, C).
        matrix: R, orthogonal, shape (3, 3).
    """
    array = np.asarray(coefficients, np.float64)
    order = math.isqrt(array.shape[-2]) - 1
    directions = texel_directions(2 * order + 3, 2 * order + 3).reshape(-1, 3)
    after = basis(directions @ np.asarray(matrix, np.float64).T, order)
    mixed = np.linalg.lstsq(basis(directions, order), after, rcond=None)[0]
    return np.asarray(np.einsum("jk,...jc->...kc", mixed, array))


def _polynomials(z: Any, order: int) -> list[list[Any]]:
    """Normalized Legendre functions over sin^m, by m and then by degree from m.

    The recursion of Holmes and Featherstone (2002, eq. 11), as in `harmonics.legendre`.
    """
    found = []
    sectoral = 0 * z + 1 / math.sqrt(4 * math.pi)
    for m in range(order + 1):
        if m > 0:
            sectoral = math.sqrt((2 * m + 1) / (2 * m) * (2 if m == 1 else 1)) * sectoral
        values = [sectoral, math.sqrt(2 * m + 3) * z * sectoral]
        for n in range(m + 2, order + 1):
            first = math.sqrt((4 * n**2 - 1) / (n**2 - m**2))
            second = math.sqrt(((n - 1) ** 2 - m**2) / (4 * (n - 1) ** 2 - 1))
            values.append(first * (z * values[-1] - second * values[-2]))
        found.append(values[: order - m + 1])
    return found


def _row_integrals(height: int, order: int) -> list[list[Array]]:
    """Integrals over the polar angle of each row's hat times each function, by m and degree."""
    nodes, weights = np.polynomial.legendre.leggauss(NUM_NODES)
    below = (nodes + 1) / 2
    step = np.pi / (height - 1)
    theta = (np.arange(height - 1)[:, None] + below) * step
    sine = np.sin(theta)
    found = []
    for m, polynomials in enumerate(_polynomials(np.cos(theta), order)):
        measure = sine ** (m + 1) * weights * step / 2
        sums = []
        for values in polynomials:
            hat = np.zeros(height)
            hat[:-1] = np.sum(measure * values * (1 - below), axis=1)
            hat[1:] += np.sum(measure * values * below, axis=1)
            sums.append(hat)
        found.append(sums)
    return found


def _column_integrals(width: int, order: int) -> Array:
    """Integrals over the azimuth of each column's hat times sin(-m phi), 1 or cos(m phi).

    Shape (2 order + 1, W), for m from -order; phi counts from +z towards +x.
    """
    phi = np.pi - 2 * np.pi * (np.arange(width) + 0.5) / width
    m = np.arange(-order, order + 1)[:, None]
    waves = np.where(m < 0, np.sin(-m * phi), np.cos(m * phi))
    return np.asarray(2 * np.pi / width * np.sinc(m / width) ** 2 * waves)
