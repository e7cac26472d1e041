"""Losses: how far a rendered pixel is from an observed one.

A loss is a function of two arrays, from NumPy or Dr.Jit, that returns a value per element; the
optimizers average it over pixels, channels and views. For least squares it also returns the weight
w with which w (p - o)^2 replaces it near a prediction p: both have the same gradient there.

Adam sees renderings of few samples. Their noise has no effect on the mean gradient of `MSE`, which
is linear in them, but biases those of the other losses; more `spp`, or `recorded_spp`, helps.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr
from envmap_inverse.errors import InputError, check_positive
from envmap_inverse.system.arrays import as_floats, has_numpy_functions

__all__ = [
    "LOSSES",
    "MSE",
    "Censored",
    "Huber",
    "LogMSE",
    "Loss",
    "QuasiLikelihood",
    "RelativeMSE",
]


class Loss(Protocol):
    """The functions that an optimizer calls on a loss.

    Example:
        >>> class AbsoluteError:
        ...     def __call__(self, prediction, observation):
        ...         return abs(prediction - observation)
        ...
        ...     def weight(self, prediction, observation):
        ...         return 0.5 / np.maximum(np.abs(prediction - observation), np.float32(1e-3))
        >>> loss: ei.Loss = AbsoluteError()
        >>> result = ei.estimate(scene, image, optimizer=ei.Transport(spp=4), loss=loss)
    """

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Weight of each element's squared difference, in the shape of the arguments."""


@dataclass(frozen=True, kw_only=True)
class MSE:
    """Mean squared error, (p - o)^2.

    Example:
        >>> ei.MSE()(np.array([1.0, 3.0]), np.array([1.0, 1.0]))
        array([0., 4.])
    """

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        difference = prediction - observation
        return difference * difference

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """1 for each element."""
        return np.ones_like(prediction + observation)


@dataclass(frozen=True)
class Censored:
    """Another loss, one-sided where an observation is clipped (Tobin 1958).

    From `white` up, an observation is a lower bound, and from `black` down, an upper bound: a
    prediction beyond it costs nothing. `estimate` uses the two levels for views without levels of
    their own.

    Attributes:
        loss: the other loss.
        white: value from which pictures are clipped at the top; 1.0 for linearized 8-bit ones.
        black: value from which pictures are clipped at the bottom.

    Example:
        >>> loss = ei.Censored(ei.MSE(), white=1.0)
        >>> loss(np.array([0.5, 7.0]), np.array([1.0, 1.0]))
        array([0.25, 0.  ])
    """

    loss: Loss = field(default_factory=MSE)
    white: float = np.inf
    black: float = -np.inf

    def __post_init__(self) -> None:
        """Check the numbers."""
        if not self.black < self.white:
            raise InputError(
                f"white must be greater than black; found {self.white} and {self.black}"
            )

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        return self.loss(prediction, self._nearest(prediction, observation))

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """The other loss's weight, or 0 where the prediction costs nothing."""
        nearest = self._nearest(prediction, observation)
        weight = self.loss.weight(prediction, observation)
        return as_floats(weight * (nearest == observation))

    def _nearest(self, prediction: Any, observation: Any) -> Any:
        """The value allowed by the observation that is nearest to the prediction."""
        select = np.where if has_numpy_functions(prediction) else dr.select
        smaller, larger = -_maximum(-prediction, -observation), _maximum(prediction, observation)
        above = select(observation >= self.white, larger, observation)
        return select(observation <= self.black, smaller, above)


@dataclass(frozen=True, kw_only=True)
class Huber:
    """Squared up to a residual r of delta, linear beyond: r^2, or delta (2 abs(r) - delta).

    Outliers (a reflection missing from the scene, a person) pull no harder than delta (Huber 1964).
    The residual r is p - o, or, if relative, (p - o) / max(o, epsilon).

    Attributes:
        delta: residual from which the loss is linear: radiance, or a share of the observation.
        relative: whether residuals are relative to the observation.
        epsilon: radiance below which relative residuals count absolutely. The transport optimizer
            measures it, and a delta that is not relative, in units of the pictures' mean.

    Example:
        >>> ei.Huber(delta=1.0)(np.array([1.5, 4.0]), np.array([1.0, 1.0]))
        array([0.25, 5.  ])
    """

    delta: float = 0.1
    relative: bool = False
    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(delta=self.delta, epsilon=self.epsilon)

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        minimum = np.minimum if has_numpy_functions(prediction) else dr.minimum
        size = abs(prediction - observation) / self._scale(observation)
        inner = minimum(size, self.delta)
        return inner * (2 * size - inner)

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """min(1, delta / abs(r)), over max(o, epsilon)^2 if relative."""
        scale = self._scale(observation)
        size = np.abs(prediction - observation) / scale
        weight = self.delta / np.maximum(size, self.delta) / scale**2
        return as_floats(weight)

    def _scale(self, observation: Any) -> Any:
        return _maximum(observation, self.epsilon) if self.relative else 1.0


@dataclass(frozen=True, kw_only=True)
class LogMSE:
    """Squared difference of logarithms, (log(p + epsilon) - log(o + epsilon))^2.

    A factor counts the same in bright and in dark pixels, upwards and downwards. Below 0 the
    logarithm continues as its tangent, so that a negative prediction has a gradient too.

    Attributes:
        epsilon: radiance below which differences fade. The transport optimizer measures it in units
            of the pictures' mean.

    Example:
        >>> float(ei.LogMSE()(np.array(10.0), np.array(1.0)).round(2))
        5.26
    """

    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the number."""
        check_positive(epsilon=self.epsilon)

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        difference = self._log(prediction) - self._log(observation)
        return difference * difference

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """Slope of log(p + epsilon), times the slope of its chord to the observation; positive."""
        p, o = as_floats(prediction, np.float64), as_floats(observation, np.float64)
        slope = 1 / (np.maximum(p, 0) + self.epsilon)
        is_far = np.abs(p - o) > 1e-6 / slope
        chord = (self._log(p) - self._log(o)) / np.where(is_far, p - o, 1)
        return as_floats(slope * np.where(is_far, chord, slope))

    def _log(self, value: Any) -> Any:
        log = np.log if has_numpy_functions(value) else dr.log
        size = abs(value)
        return log((value + size) / 2 + self.epsilon) + (value - size) / (2 * self.epsilon)


@dataclass(frozen=True, kw_only=True)
class QuasiLikelihood:
    """Deviance of an observation o whose variance grows with the prediction p.

    The loss is the integral of 2 (t - o) / v(t) over t from the observation to the prediction
    (Wedderburn 1974), up to a factor, with v(t) = t^2 + epsilon^2 + ((t - o) / delta)^2. Bright and
    dark pixels count alike, and the noise of an observation does not change how much it counts. The
    last term makes outliers count less, as a Cauchy likelihood does: highlights that few samples
    met, or what the scene lacks.

    Attributes:
        epsilon: radiance below which errors count absolutely. The transport optimizer measures it
            in units of the pictures' mean.
        delta: residual, as a share of the prediction, beyond which an observation counts less.

    Example:
        >>> ei.QuasiLikelihood()(np.array([1.0, 1.1]), np.array([1.0, 1.0])).round(4).tolist()
        [0.0, 0.0087]
    """

    epsilon: float = 0.03
    delta: float = 0.7

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_positive(epsilon=self.epsilon, delta=self.delta)

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        p, o, share = prediction, observation, self.delta**-2
        is_numpy = has_numpy_functions(p)
        log, sqrt, arctan2 = (
            (np.log, np.sqrt, np.arctan2) if is_numpy else (dr.log, dr.sqrt, dr.atan2)
        )
        square, whole = self.epsilon**2, 1 + share
        # v(t) = whole t^2 - 2 share o t + share o^2 + epsilon^2; the angle: a difference of atans.
        width = sqrt(whole * square + share * o * o)
        angle = arctan2(whole * (p - o) * width, width * width + (whole * p - share * o) * o)
        ratio = (p * p + square + share * (p - o) * (p - o)) / (o * o + square)
        return _maximum(log(ratio) - 2 * o * angle / width, 0.0) / whole

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """1 / v(p)."""
        outlying = ((prediction - observation) / self.delta) ** 2
        return as_floats(1 / (prediction * prediction + self.epsilon**2 + outlying))


@dataclass(frozen=True, kw_only=True)
class RelativeMSE:
    """Relative squared error, (p - o)^2 / max(p, o, epsilon)^2; the denominator has no gradient.

    Bright and dark pixels count equally, so that a few lamps do not outweigh a room.

    Attributes:
        epsilon: radiance below which errors count absolutely. The transport optimizer measures it
            in units of the pictures' mean.

    Example:
        >>> ei.RelativeMSE()(np.array([1.0, 100.0]), np.array([2.0, 200.0]))
        array([0.25, 0.25])
    """

    epsilon: float = 0.01

    def __post_init__(self) -> None:
        """Check the number."""
        check_positive(epsilon=self.epsilon)

    def __call__(self, prediction: Any, observation: Any) -> Any:
        """Loss of each element, in the shape of the arguments."""
        value = prediction if has_numpy_functions(prediction) else dr.detach(prediction)
        largest = _maximum(_maximum(value, observation), self.epsilon)
        relative = (prediction - observation) / largest
        return relative * relative

    def weight(
        self, prediction: NDArray[np.float32], observation: NDArray[np.float32]
    ) -> NDArray[np.float32]:
        """1 / max(p, o, epsilon)^2."""
        largest = np.maximum(np.maximum(prediction, observation), np.float32(self.epsilon))
        return as_floats(1 / (largest * largest))


def _maximum(a: Any, b: Any) -> Any:
    """The larger of each pair, for NumPy and Dr.Jit arrays."""
    return (np.maximum if has_numpy_functions(a) else dr.maximum)(a, b)


LOSSES: tuple[type[Loss], ...] = (
    MSE,
    Censored,
    Huber,
    LogMSE,
    QuasiLikelihood,
    RelativeMSE,
)
"""The losses that `--loss` offers and the tests try."""
