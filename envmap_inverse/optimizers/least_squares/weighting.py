"""How much each value of the pictures counts, beside its loss and its noise."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.pictures import Pictures, Pixels
from envmap_inverse.recording.blocks import elementwise
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.arrays import as_columns

__all__ = ["balance", "unresolved", "weighting"]

NOISY = 3.0
"""Where noise rules the pictures, priors count that much more."""

STEPS = 4
"""Of the balance, after which it changes little."""

Texels = NDArray[Any]
"""Shape (H * W, 3)."""


def weighting(
    transport: LightTransport,
    pictures: Pictures,
    weights: Pixels,
    texels: Texels,
    predicted: Pixels,
    noise_floor: float,
) -> tuple[Pixels, float]:
    """Weights of the squared differences, and by how much more the priors count.

    The weights are those of the loss and of the values. Variance of the residuals stands beside the
    square of what the loss calls large: that of the pictures, of the recording and of the light
    that the map does not resolve.

    Where noise of the pictures rules, priors count up to 3 times as much: the square root of its
    share in the variance of the residuals, averaged over the pixels, says how far it rules.

    Args:
        transport: the recording.
        pictures: what is fitted.
        weights: of the values.
        texels: the present map.
        predicted: the pictures by it.
        noise_floor: relative noise below which noise does not count.
    """
    floor = np.float32(noise_floor**2)
    of_loss, noise = pictures.loss_weights(predicted), pictures.noise(predicted)
    others = transport.variance(texels)
    others += transport.sum_of_squares(unresolved(texels, transport.resolution))
    shares = elementwise(lambda w, n: w * n / (floor + w * n), of_loss, noise)
    found = elementwise(
        lambda of_value, w, n, r: of_value * w / (1 + w * (n + r) / floor),
        *(weights, of_loss, noise, others),
    )
    share = np.sum(weights * shares) / np.sum(weights)
    return found, 1 + (NOISY - 1) * float(np.sqrt(share))


def unresolved(texels: Texels, resolution: tuple[int, int]) -> Texels:
    """Variance of the light that a texel stands for: its mean squared difference to neighbours.

    Beside a lamp no map of this resolution explains all pixels. If the dark ones counted by their
    own brightness alone, their errors would be the largest by far, and the lamp be dimmed for them.

    Args:
        texels: a map.
        resolution: its width and height.
    """
    width, height = resolution
    light = texels.reshape(height, width, 3)
    across = (light - np.roll(light, 1, axis=1)) ** 2
    down = np.diff(light, axis=0) ** 2
    sums = across + np.roll(across, -1, axis=1)
    sums[:-1] += down
    sums[1:] += down
    return as_columns(np.float32(0.25) * sums.reshape(-1, 3))


def balance(
    transport: LightTransport, weights: Pixels, is_exact: NDArray[np.bool_], most: int
) -> Pixels:
    """Factors on weights with which exact values see each texel as much as all values would.

    The error that a map's resolution leaves is the same one in all exposures of a bracket. Without
    the factors, dark pixels would count once for each, and a lamp beside them only once, in the
    shortest.

    Args:
        transport: the recording.
        weights: of all values.
        is_exact: which values are not clipped.
        most: greatest factor: the number of pictures.

    Returns:
        By steps of factors w <- w T 1 / T (T' w e / T' w_0), as Richardson's and Lucy's.
    """
    wanted = transport.rmatvec(weights)
    light = transport.matvec(np.ones_like(wanted))
    factors = np.ones_like(weights)
    for _ in range(STEPS):
        known = transport.rmatvec(weights * factors * is_exact)
        share = np.where(wanted > 0, known / np.maximum(wanted, np.float32(1e-30)), np.float32(1))
        least = light / np.float32(most)
        seen = np.maximum(transport.matvec(share), least)
        factors = np.where(light > 0, factors * light / np.maximum(seen, np.float32(1e-30)), 1)
        factors = as_columns(np.minimum(factors, np.float32(most)).astype(np.float32))
    return factors
