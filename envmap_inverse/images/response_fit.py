"""Find a camera's response and exposures from values of the same light in several pictures.

As in Debevec and Malik (1997) the unknowns are the curve, the light of each sample and the exposure
of each picture. Differences are those of values, which rounding and compression disturb alike at
every brightness; they are minimized by Levenberg and Marquardt's steps, with the light eliminated.
Exposures have a prior, and so have curves (`contrast`): with exposures that nothing else says, a
power of the exposure is what pictures cannot tell (Grossberg and Nayar 2003, "Determining the
camera response from images: what is knowable?").
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.images.contrast import NUM_KNOTS, ContrastCurve, prior_covariance

__all__ = ["Exposures", "ResponseFit", "Samples", "fit_response"]

Array = NDArray[np.float64]

FIRST_NOISE, LEAST_NOISE, MOST_NOISE = 2 / 255, 1.5 / 255, 6 / 255
CAUTION = 2.0
"""Factor on the noise: compression, flare and a camera's local processing are alike in many
samples, which so count as a quarter of their number."""

OUTLIER = 3.0
"""Residual, in standard deviations, that has half the weight (Cauchy's loss)."""

MAX_STEPS, MAX_TRIES, ENOUGH = 100, 12, 0.01
MAX_MOVE = 1.0
"""By which one step may change a log light."""

PER_CURVE = 20.0
"""Log odds against each curve."""

TINY = 1e-6
"""Keeps samples of which nothing counts from dividing by 0."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Samples:
    """Values of places that several pictures show.

    Attributes:
        values: shape (n, pictures, 3), from 0 to 1, in an encoding near the camera's.
        counts: 1 for values that count, 0 for clipped ones and those of other places.
    """

    values: Array
    counts: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class Exposures:
    """What is known of the log exposures before.

    Attributes:
        logs: of each picture.
        deviations: standard deviation of each.
    """

    logs: Array
    deviations: Array


@dataclass(frozen=True, kw_only=True, eq=False)
class ResponseFit:
    """A response and exposures.

    Attributes:
        sharing: which values share a curve, in words.
        curve_of: number of the curve of each picture and channel, shape (pictures, 3); -1 is sRGB.
        contrasts: of each curve, shape (curves, knots).
        logs: log exposure of each picture, relative to the first.
        covariance: of all contrasts and the log exposures but the first.
        light: log light of each sample, shape (n, 3).
        noise: standard deviation of values that was assumed.
        spread: standard deviation of the values' differences, by their median.
        evidence: logarithm of it, up to a constant.
    """

    sharing: str
    curve_of: NDArray[np.intp]
    contrasts: Array
    logs: Array
    covariance: Array
    light: Array
    noise: float
    spread: float
    evidence: float

    @property
    def deviations(self) -> Array:
        """Standard deviation of each log exposure, 0 for the first."""
        return np.concatenate([[0.0], np.sqrt(np.diag(self.covariance)[self.contrasts.size :])])

    def curve(self, picture: int, channel: int) -> ContrastCurve:
        """The curve of a picture's channel."""
        number = self.curve_of[picture, channel]
        return ContrastCurve(np.zeros(NUM_KNOTS) if number < 0 else self.contrasts[number])

    def usual_curve(self, channel: int) -> ContrastCurve:
        """The curve of a channel of another picture by the camera: the mean of all pictures'."""
        numbers = self.curve_of[:, channel]
        if numbers[0] < 0:
            return ContrastCurve(np.zeros(NUM_KNOTS))
        return ContrastCurve(self.contrasts[numbers].mean(axis=0))


def fit_response(samples: Samples, prior: Exposures, *, is_per_picture: bool = True) -> ResponseFit:
    """Find the response that the evidence favours: sRGB, or one curve for all, or several.

    There may be one per channel or one per picture. The noise is that of the most flexible choice.
    The evidence is Laplace's: choices with many curves pay for all that they could have explained,
    and a bit for each curve, as rounding is no noise.

    Args:
        samples: what the pictures show.
        prior: of their exposures.
        is_per_picture: whether each picture may have a curve of its own, which no one can tell
            where the exposures are unknown.
    """
    num_pictures = len(prior.logs)
    curves = {
        "sRGB": np.full((num_pictures, 3), -1),
        "one curve": np.zeros((num_pictures, 3), np.intp),
        "one curve per channel": np.tile(np.arange(3), (num_pictures, 1)),
        "one curve per picture": np.repeat(np.arange(num_pictures)[:, None], 3, axis=1),
    }
    if not is_per_picture:
        del curves["one curve per picture"]
    start = _Model(samples, prior, "sRGB", curves["sRGB"], FIRST_NOISE).solve(None)
    name, curve_of = list(curves.items())[-1]
    most = _Model(samples, prior, name, curve_of, FIRST_NOISE).solve(start)
    noise = float(np.clip(CAUTION * most.spread, LEAST_NOISE, MOST_NOISE))
    fits = [
        _Model(samples, prior, name, curve_of, noise).solve(most if name == most.sharing else start)
        for name, curve_of in curves.items()
    ]
    return max(fits, key=lambda fit: fit.evidence - PER_CURVE * len(fit.contrasts))


class _Model:
    """The problem of one way to share curves; theta is all contrasts and log exposures."""

    def __init__(
        self,
        samples: Samples,
        prior: Exposures,
        sharing: str,
        curve_of: NDArray[np.intp],
        noise: float,
    ) -> None:
        self.samples, self.prior, self.noise = samples, prior, noise
        self.sharing, self.curve_of = sharing, curve_of
        self.num_curves = int(curve_of.max()) + 1
        self.num_contrasts = self.num_curves * NUM_KNOTS
        variances = prior.deviations**2
        covariances = prior_covariance(self.num_curves), np.diag(variances[1:]) + variances[0]
        size = self.num_contrasts + len(covariances[1])
        self.precision = np.zeros((size, size))
        for block, covariance in zip(self._blocks(), covariances, strict=True):
            self.precision[block, block] = np.linalg.inv(covariance)
        self.mean = np.concatenate([np.zeros(self.num_contrasts), prior.logs[1:] - prior.logs[0]])

    def solve(self, start: ResponseFit | None) -> ResponseFit:
        """Find the most probable theta and light from those of another fit."""
        theta = self.mean.copy()
        if start is None:
            light = self._light_of_srgb()
        else:
            theta[self.num_contrasts :] = start.logs[1:]
            light = start.light
            if start.sharing == self.sharing:
                theta[: self.num_contrasts] = start.contrasts.ravel()
        damping, energy = 1e-3, self._energy(theta, light)
        for _ in range(MAX_STEPS):
            before = energy
            normal = self._normal(theta, light)
            for _ in range(MAX_TRIES):
                moved = normal.step(damping)
                energy = self._energy(theta + moved[0], light + moved[1])
                if energy < before:
                    theta, light = theta + moved[0], light + moved[1]
                    damping = max(damping / 5, 1e-9)
                    break
                damping *= 5
            if not energy < before - ENOUGH:
                break
        return self._fit(theta, light)

    def _fit(self, theta: Array, light: Array) -> ResponseFit:
        hessian = self._normal(theta, light).hessian
        _, log_hessian = np.linalg.slogdet(hessian)
        _, log_prior = np.linalg.slogdet(self.precision)
        residuals = self._residuals(theta, light)[self.samples.counts > 0]
        return ResponseFit(
            sharing=self.sharing,
            curve_of=self.curve_of,
            contrasts=theta[: self.num_contrasts].reshape(-1, NUM_KNOTS),
            logs=np.concatenate([[0.0], theta[self.num_contrasts :]]),
            covariance=np.asarray(np.linalg.inv(hessian), np.float64),
            light=light,
            noise=self.noise,
            spread=float(1.4826 * np.median(abs(residuals)) * self.noise),
            evidence=float(log_prior / 2 - log_hessian / 2 - self._energy(theta, light)),
        )

    def _blocks(self) -> tuple[slice, slice]:
        """The contrasts and the log exposures in theta."""
        return slice(None, self.num_contrasts), slice(self.num_contrasts, None)

    def _light_of_srgb(self) -> Array:
        """Log light by sRGB's curve and the expected exposures."""
        counts = self.samples.counts
        logs = ContrastCurve(np.zeros(NUM_KNOTS)).log_exposures(self.samples.values)
        logs -= (self.prior.logs - self.prior.logs[0])[:, None]
        return np.asarray(np.sum(counts * logs, axis=1) / np.maximum(np.sum(counts, axis=1), 1))

    def _curves(self, theta: Array) -> list[ContrastCurve]:
        """All curves, and sRGB's at the end."""
        contrasts = theta[: self.num_contrasts].reshape(-1, NUM_KNOTS)
        return [ContrastCurve(contrast) for contrast in (*contrasts, np.zeros(NUM_KNOTS))]

    def _exposed(self, theta: Array, light: Array) -> Array:
        """Log exposures of all samples, shape (n, pictures, 3)."""
        logs = np.concatenate([[0.0], theta[self.num_contrasts :]])
        return np.asarray(light[:, None] + logs[:, None])

    def _energy(self, theta: Array, light: Array) -> float:
        """Minus the log of the posterior, up to a constant."""
        ratio = (self._residuals(theta, light) / OUTLIER) ** 2
        change = theta - self.mean
        data = OUTLIER**2 * np.sum(self.samples.counts * np.log1p(ratio))
        return float(data + change @ self.precision @ change) / 2

    def _residuals(self, theta: Array, light: Array) -> Array:
        """Differences from the values, in standard deviations, shape (n, pictures, 3)."""
        curves, exposed = self._curves(theta), self._exposed(theta, light)
        residuals = self.samples.values.copy()
        for place in np.ndindex(self.curve_of.shape):
            residuals[:, *place] -= curves[self.curve_of[place]].values(exposed[:, *place])
        return residuals / self.noise

    def _normal(self, theta: Array, light: Array) -> _Normal:
        """The normal equations near theta and the light, without the light."""
        curves, exposed = self._curves(theta), self._exposed(theta, light)
        residuals = self._residuals(theta, light)
        weights = self.samples.counts / (1 + (residuals / OUTLIER) ** 2)
        hessian, gradient = self.precision.copy(), -self.precision @ (theta - self.mean)
        squares, pull = np.full_like(light, TINY), np.zeros_like(light)
        mixed = np.zeros((*light.shape, len(theta)))
        for picture, channel in np.ndindex(self.curve_of.shape):
            number = int(self.curve_of[picture, channel])
            weight, residual = weights[:, picture, channel], residuals[:, picture, channel]
            slope, by_contrast = curves[number].derivatives(exposed[:, picture, channel])
            columns, matrix = self._columns(number, picture, slope, by_contrast)
            matrix, slope = matrix / self.noise, slope / self.noise
            weighted = weight[:, None] * matrix
            hessian[np.ix_(columns, columns)] += _product(matrix, weighted)
            gradient[columns] += residual @ weighted
            mixed[:, channel, columns] += slope[:, None] * weighted
            squares[:, channel] += weight * slope**2
            pull[:, channel] += weight * slope * residual
        taken = (mixed / squares[..., None]).reshape(-1, len(theta))
        flat = mixed.reshape(taken.shape)
        return _Normal(
            hessian=hessian - _product(taken, flat),
            gradient=gradient - pull.ravel() @ taken,
            squares=squares,
            mixed=mixed,
            pull=pull,
        )

    def _columns(
        self, number: int, picture: int, slope: Array, by_contrast: Array
    ) -> tuple[NDArray[np.intp], Array]:
        """The places in theta that a picture's channel depends on, and the derivatives by them."""
        contrasts = np.arange(NUM_KNOTS) + number * NUM_KNOTS if number >= 0 else np.arange(0)
        exposure = np.arange(self.num_contrasts + picture - 1, self.num_contrasts + picture)
        parts = [by_contrast[:, : len(contrasts)], slope[:, None]]
        if picture == 0:  # its exposure is the unit
            return contrasts, parts[0]
        return np.concatenate([contrasts, exposure]), np.hstack(parts)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Normal:
    """Normal equations whose light is eliminated (Schur's complement).

    Attributes:
        hessian: of theta.
        gradient: downhill, of theta.
        squares: Hessian of each light, shape (n, 3).
        mixed: Hessian of light and theta, shape (n, 3, theta).
        pull: downhill gradient of each light.
    """

    hessian: Array
    gradient: Array
    squares: Array
    mixed: Array
    pull: Array

    def step(self, damping: float) -> tuple[Array, Array]:
        """Marquardt's step of theta and the light."""
        damped = self.hessian + damping * np.diag(np.diag(self.hessian))
        step: Array = np.asarray(np.linalg.solve(damped, self.gradient), np.float64)
        light = (self.pull - self.mixed @ step) / self.squares / (1 + damping)
        return step, np.clip(light, -MAX_MOVE, MAX_MOVE)


def _product(first: Array, second: Array) -> Array:
    """The product of a transpose and a matrix; threads would cost more than they save."""
    return np.asarray(np.einsum("ni,nj->ij", first, second))
