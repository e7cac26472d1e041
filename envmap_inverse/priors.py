"""Priors: what is known about environment maps before a picture is seen. Arrays only.

A prior is an energy of the map. Near a map it is approximated by a quadratic form

    1/3 sum_c (x_c - centre_c)^T matrix (x_c - centre_c)

with the same gradient there, so that gradient descent and reweighted least squares can both use it.
Energies are means over the sphere and the channels, as losses are means over pixels and channels.
The transport optimizer measures radiance in units of the pictures' mean.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, Protocol, cast

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError, check_positive, is_auto
from envmap_inverse.quadratics import Quadratic, Relative, laplacian
from envmap_inverse.sphere import latlong
from envmap_inverse.system.arrays import as_columns, as_floats, constants, library_of

__all__ = [
    "PRIORS",
    "Chromaticity",
    "NaturalLight",
    "Prior",
    "Quadratic",
    "Smoothness",
    "Tikhonov",
    "TotalVariation",
    "Weight",
    "with_factor",
]


Weight = float | Literal["auto"]


class Prior(Protocol):
    """The functions that an optimizer calls on a prior, a dataclass with a field `weight`.

    Example:
        >>> priors: list[ei.Prior] = [ei.Smoothness(weight=1e-3), ei.Tikhonov()]
        >>> start = np.ones((8, 16, 3))
        >>> [prior.energy(start, start) for prior in priors]
        [0.0, 0.0]
    """

    @property
    def weight(self) -> Weight:
        """How much it counts beside the loss, or "auto"."""

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:
        """Energy of the map, by the formula in the prior's docstring, weight included.

        Args:
            texels: the map, shape (H, W, 3).
            initial: the start map, of the same shape.

        Returns:
            0 or more.
        """

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """Approximate the prior near `texels` by a quadratic form with the same gradient there.

        Quantities that have no gradient according to the prior's docstring are held constant.

        Args:
            texels: shape (H, W, 3).
            initial: the start map, shape (H, W, 3).
        """


@dataclass(frozen=True, kw_only=True)
class Chromaticity:
    """Pull towards the colour of the light around: rooms change less in colour than in brightness.

    Mean over the sphere and the channels of weight (x - k m)^2 / (m + epsilon)^2, with m the mean
    of the texel's channels and k the mean over its surroundings of x / (m + epsilon), scaled to a
    mean of 1. Brightness is left alone. The denominator and k have no gradient.

    Attributes:
        weight: how much it counts beside the loss, or "auto".
        radius: standard deviation of the Gaussian that weighs the surroundings, degrees.
        epsilon: radiance below which differences count absolutely.

    Example:
        >>> grey = np.ones((8, 16, 3))
        >>> bool(ei.Chromaticity().energy(grey * [1, 1, 0.5], grey) < 1e-6)
        True
    """

    weight: Weight = 0.02
    radius: float = 15.0
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_positive(weight=self.weight, radius=self.radius, epsilon=self.epsilon)

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:
        """See `Prior`."""
        return _energy_of_form(self, texels, initial)

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """See `Prior`."""
        light = np.maximum(texels, 0)
        level = light.mean(axis=2, keepdims=True) + self.epsilon
        around = latlong.blur(light / level, np.radians(self.radius))
        chroma = around / np.maximum(around.mean(axis=2, keepdims=True), 1e-6)
        weights = _number(self.weight) * _shares(texels) / level[:, :, 0] ** 2
        return Quadratic(
            matrix=_Colouring(
                weights=weights.reshape(-1, 1).astype(np.float32),
                chroma=as_columns(chroma.reshape(-1, 3)),
            ),
            centre=np.zeros_like(initial.reshape(-1, 3)),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Colouring:
    """The matrix of the quadratic form sum_i w_i (x_i - k_i mean(x_i))^2, i being texels."""

    weights: NDArray[np.float32]
    chroma: NDArray[np.float32]

    def __matmul__(self, texels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Product with a map, shape (H * W, 3)."""
        mean = np.float32(1 / 3) * (texels[:, 0] + texels[:, 1] + texels[:, 2])
        rest = texels - self.chroma * mean[:, None]
        rest *= self.weights
        pull = self.chroma * rest
        rest -= np.float32(1 / 3) * (pull[:, 0] + pull[:, 1] + pull[:, 2])[:, None]
        return rest

    def diagonal(self) -> NDArray[np.float32]:
        """Diagonal, averaged over the channels."""
        squares = np.sum(self.chroma**2, axis=1)
        product: NDArray[np.float32] = self.weights[:, 0] * (np.float32(1 / 3) + squares / 9)
        return product


@dataclass(frozen=True, kw_only=True)
class Smoothness:
    """Mean over the sphere of weight (grad x)^2: the Laplace-Beltrami operator.

    Attributes:
        weight: how much it counts beside the loss, the gradient being per radian; "auto" lets
            the transport optimizer choose it by held-out pixels.

    Example:
        >>> ei.Smoothness(weight=1e-2).energy(np.ones((8, 16, 3)), np.ones((8, 16, 3)))
        0.0
    """

    weight: Weight = 1e-4

    def __post_init__(self) -> None:
        """Check the number."""
        _check_positive(weight=self.weight)

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:  # noqa: ARG002 - see `Prior`
        """See `Prior`."""
        array = as_floats(texels, np.float64)
        first, second, ties = _edges(array)
        flat = array.reshape(-1, 3)
        squares = np.mean((flat[first] - flat[second]) ** 2, axis=1)
        return _number(self.weight) / (4 * np.pi) * float(np.sum(ties * squares))

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """See `Prior`."""
        first, second, ties = _edges(texels)
        matrix = laplacian(
            first, second, _number(self.weight) / (4 * np.pi) * ties, initial.size // 3
        )
        return Quadratic(matrix=matrix, centre=np.zeros_like(initial.reshape(-1, 3), np.float32))


@dataclass(frozen=True, kw_only=True)
class TotalVariation:
    """Total variation of log radiance, which keeps edges and treats dark and bright alike.

    The mean over the texels of weight (sqrt(r^2 + sharpness^2) - sharpness), summed over neighbours
    with the weights of `latlong.sphere_edges`. r is the root mean square over the channels of their
    difference, relative to their mean radiance, which has no gradient. It is reweighted as in
    lagged-diffusivity iteration (Vogel and Oman 1996). That pulls the brighter of two neighbours as
    hard as the darker one, while a lamp in a dark room should hardly be pulled; so texels brighter
    than `bright` are tied by the darker of the two.

    Attributes:
        weight: how much it counts beside the loss, or "auto".
        sharpness: relative difference below which it smooths rather than keeps edges.
        epsilon: radiance below which differences count absolutely.
        bright: radiance beyond which a texel is a lamp.

    Example:
        >>> half = np.where(np.arange(16)[:, None] < 8, np.ones((8, 16, 3)), 2)
        >>> bool(ei.TotalVariation().energy(half, half) > 0)
        True
    """

    weight: Weight = 0.04
    sharpness: float = 0.1
    epsilon: float = 0.03
    bright: float = 8.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_positive(
            weight=self.weight,
            sharpness=self.sharpness,
            epsilon=self.epsilon,
            bright=self.bright,
        )

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:  # noqa: ARG002 - see `Prior`
        """See `Prior`."""
        _, _, ties, relative, _ = self._differences(as_floats(texels))
        excess = np.hypot(relative, self.sharpness) - self.sharpness
        return _number(self.weight) * float(np.sum(ties * excess)) * 3 / np.size(texels)

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """See `Prior`."""
        first, second, ties, relative, level = self._differences(texels)
        strength = ties / (level**2 * np.hypot(relative, self.sharpness))
        size = texels.size // 3
        matrix = laplacian(first, second, _number(self.weight) / (2 * size) * strength, size)
        return Quadratic(matrix=matrix, centre=np.zeros_like(initial.reshape(-1, 3)))

    def _differences(self, texels: NDArray[np.float32]) -> tuple[NDArray[Any], ...]:
        """Neighbours, the weights of their ties, r, and the level that r is relative to."""
        first, second, ties = _edges(texels)
        flat = texels.reshape(-1, 3)
        brightness = np.maximum(flat, 0).mean(axis=1)
        level = (brightness[first] + brightness[second]) / 2 + self.epsilon
        relative = np.sqrt(np.mean((flat[first] - flat[second]) ** 2, axis=1)) / level
        darker = np.minimum(brightness[first], brightness[second])
        ties = ties * (darker + self.bright) / (level + self.bright)
        return first, second, ties, relative, level


@dataclass(frozen=True, kw_only=True)
class Tikhonov:
    """Pull towards the start map, relative to the brighter of the two.

    Mean over the sphere and the channels of weight (x - start)^2 / max(x, start)^2. The maximum is
    the larger of the means over the channels; it has no gradient.

    Attributes:
        weight: how much it counts beside the loss, or "auto".

    Example:
        >>> twice = np.full((8, 16, 3), 2.0)
        >>> round(ei.Tikhonov(weight=1.0).energy(twice, twice / 2), 6)
        0.25
    """

    weight: Weight = 0.003

    def __post_init__(self) -> None:
        """Check the number."""
        _check_positive(weight=self.weight)

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:
        """See `Prior`."""
        return _energy_of_form(self, texels, initial)

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """See `Prior`."""
        shares, start = _shares(texels).reshape(-1), initial.reshape(-1, 3)
        level = np.maximum(texels.reshape(-1, 3).mean(axis=1), start.mean(axis=1))
        diagonal = _number(self.weight) * shares / np.maximum(level, 1e-6) ** 2
        diags = library_of(diagonal).sparse.diags
        return Quadratic(matrix=diags(diagonal.astype(np.float32)).tocsr(), centre=start)


@dataclass(frozen=True, kw_only=True)
class NaturalLight:
    """Gaussian log radiance with about the spectrum of real panoramas.

    Mean over the sphere and the channels of weight (grad (log x - log start))^2, the gradient being
    per radian. The power of maps of this prior falls as 1 / (l (l + 1)) with the degree l of
    spherical harmonics, as measured on 28 panoramas (see `natural_light`). Radiance below `epsilon`
    counts as so bright. Unlike `TotalVariation` it smooths edges and dims lamps.

    Attributes:
        weight: how much it counts beside the loss, or "auto".
        epsilon: least radiance.

    Example:
        >>> ei.NaturalLight().energy(2 * np.ones((8, 16, 3)), np.ones((8, 16, 3)))
        0.0
    """

    weight: Weight = 1e-4
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        _check_positive(weight=self.weight, epsilon=self.epsilon)

    def energy(self, texels: ArrayLike, initial: ArrayLike) -> float:
        """See `Prior`."""
        maps = (
            np.maximum(as_floats(array, np.float64), self.epsilon) for array in (texels, initial)
        )
        logs, start = (np.log(array) for array in maps)
        return Smoothness(weight=self.weight).energy(logs - start, initial)

    def quadratic(self, texels: NDArray[np.float32], initial: NDArray[np.float32]) -> Quadratic:
        """See `Prior`; the form in log x, at the tangent of the logarithm."""
        light = np.maximum(texels, np.float32(self.epsilon)).reshape(-1, 3)
        start = np.maximum(initial, np.float32(self.epsilon)).reshape(-1, 3)
        form = Smoothness(weight=self.weight).quadratic(texels, initial)
        centre = texels.reshape(-1, 3) - light * np.log(light / start)
        return Quadratic(
            matrix=Relative(form.matrix, (1 / light).astype(np.float32)), centre=centre
        )


PRIORS: tuple[type[Prior], ...] = (Chromaticity, NaturalLight, Smoothness, Tikhonov, TotalVariation)
"""The priors that `--prior` offers and the tests try."""


def with_factor(prior: Prior, factor: float) -> Prior:
    """Replace the weight "auto" of a prior by the default weight times a factor."""
    if prior.weight != "auto":
        return prior
    known = cast("Any", prior)
    defaults: dict[str, Any] = {f.name: f.default for f in dataclasses.fields(known)}
    return cast("Prior", dataclasses.replace(known, weight=factor * defaults["weight"]))


def _energy_of_form(prior: Prior, texels: ArrayLike, initial: ArrayLike) -> float:
    """Energy of a prior that is a quadratic form apart from quantities held constant."""
    maps = as_floats(texels), as_floats(initial)
    return prior.quadratic(*maps).energy(maps[0])


def _edges(texels: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """See `latlong.sphere_edges`."""
    return constants(latlong.sphere_edges, *texels.shape[:2], beside=texels)


def _shares(texels: NDArray[Any]) -> NDArray[np.float64]:
    """Each texel's share of the sphere, shape (H, W)."""
    (found,) = constants(_solid_angles, *texels.shape[:2], beside=texels)
    shares: NDArray[np.float64] = found / (4 * np.pi)
    return shares


def _solid_angles(height: int, width: int) -> tuple[NDArray[np.float64]]:
    return (latlong.texel_solid_angles(height, width),)


def _number(weight: Weight) -> float:
    if weight == "auto":
        raise InputError("a prior's weight 'auto' is for the transport optimizer; give a number")
    return weight


def _check_positive(**values: Weight) -> None:
    """Check that all are positive numbers, or that the weight is "auto"."""
    numbers: Any = {k: v for k, v in values.items() if k != "weight" or not is_auto(v)}
    check_positive(**numbers)
