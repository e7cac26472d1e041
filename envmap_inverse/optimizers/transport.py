"""Reweighted least squares on the recorded light transport."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import metrics
from envmap_inverse.errors import InputError
from envmap_inverse.losses import Loss, RelativeMSE
from envmap_inverse.priors import Prior, Quadratic, Tikhonov, TotalVariation, with_factor
from envmap_inverse.problem import Iteration, OnIteration, Problem, Record, Solution
from envmap_inverse.render import check_seed
from envmap_inverse.transport import LightTransport

__all__ = ["Transport"]

FLOOR = 0.01
HALVINGS = 40
HELD_OUT = 0.1
FACTORS = (1 / 27, 1 / 9, 1 / 3, 1.0, 3.0, 9.0)

Texels = NDArray[np.float32]
Pixels = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Transport:
    """Trace the paths once, then solve for the map.

    Minimizes, over maps x >= 0, the mean over pixels of loss(T x + c, b) plus the priors:

    1. a few multiplicative steps x <- x T^T(b / (T x)) / T^T 1, which reach a high dynamic range
       fast and stay positive (Richardson 1972, Lucy 1974);
    2. rounds of reweighted least squares: the loss and the priors are replaced by quadratic forms
       at the present map, and a step of it is taken on the texels that the bound leaves free, by
       conjugate gradients with the diagonal as preconditioner and a projected line search
       (projected Newton method, Bertsekas 1982).

    A pixel whose prediction is noisy, because few paths speak for it, counts less: its weight is
    divided by 1 + variance / (noise_floor * what the loss calls large)^2.

    Attributes:
        spp: paths per pixel.
        rounds: reweightings.
        iterations: conjugate-gradient steps in each, at most.
        tolerance: of the residual, at which they stop.
        warm_up: multiplicative steps.
        seed: of the recording.
        noise_floor: relative noise of a prediction below which it does not count.
        memory_budget: bytes for paths in flight; None for a quarter of what is free.
    """

    spp: int = 16
    rounds: int = 3
    iterations: int = 10
    tolerance: float = 1e-3
    warm_up: int = 8
    seed: int = 0
    noise_floor: float = 0.25
    memory_budget: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("spp", "rounds", "iterations"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1; found {getattr(self, name)}")
        for name in ("tolerance", "noise_floor"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive; found {getattr(self, name)}")
        check_seed(self.seed)
        if self.warm_up < 0:
            raise InputError(f"warm_up must not be negative; found {self.warm_up}")

    @property
    def default_loss(self) -> Loss:
        """The loss where none is asked for."""
        return RelativeMSE()

    @property
    def default_priors(self) -> tuple[Prior, ...]:
        """The priors where none are asked for."""
        return (TotalVariation(), Tikhonov())

    @property
    def num_steps(self) -> int:
        """How often `on_iteration` is called."""
        return 1 + self.rounds

    def run(self, problem: Problem, on_iteration: OnIteration | None = None) -> Solution:
        """Solve a problem."""
        start = time.perf_counter()
        transport = LightTransport.record(
            problem.scene,
            [view.sensor for view in problem.views],
            spp=self.spp,
            seed=self.seed,
            memory_budget=self.memory_budget,
        )
        recorded = time.perf_counter()
        if any(prior.weight == "auto" for prior in problem.priors):
            problem = _with_chosen_weights(self, problem, transport)
        run = _Run(self, problem, transport)
        history, status = [], "done"
        for index, texels in enumerate(run.steps()):
            record = run.record(index, texels, time.perf_counter() - start)
            history.append(record)
            if on_iteration and on_iteration(run.iteration(record, texels)):
                status = "interrupted"
                break
        phases = {"record": recorded - start, "solve": time.perf_counter() - recorded}
        return Solution(
            texels=run.as_map(texels),
            history=tuple(history),
            phases={**phases, "optimize": sum(phases.values())},
            status=status,
            coverage=run.coverage(),
            deviation=run.deviation(texels),
        )


class _Run:
    """One problem on one recording.

    Maps have shape (H * W, 3) and pictures (pixels of all views, 3), in columns; both are radiance
    in units of the pictures' mean. Exposures and other emitters' light are taken out.
    """

    def __init__(self, settings: Transport, problem: Problem, transport: LightTransport) -> None:
        self.settings, self.problem, self.transport = settings, problem, transport
        views = problem.views
        # Of the objective's pixels, times 3 so that those of a channel sum to 1.
        self.weights = _stacked([v.weights * np.float32(3 / len(views)) for v in views])
        images: Pixels = np.where(
            self.weights > 0, _stacked([v.image for v in views]), np.float32(0)
        )
        gain = _stacked([np.broadcast_to(v.exposure, v.image.shape) for v in views])
        light: Pixels = images / gain
        self.unit = self.mean(light)
        # Losses see pictures in units of their mean, whatever the exposure.
        self.gain = gain * np.float32(self.unit / self.mean(images))
        self.observed = np.asfortranarray((light - transport.offset) / np.float32(self.unit))
        start: Texels = np.maximum(problem.initial.reshape(-1, 3), np.float32(0))
        self.initial: Texels = np.asfortranarray(start / np.float32(self.unit))
        columns = transport.rmatvec(self.weights)
        self.seen = columns > 1e-7 * columns.max()
        self.columns = np.where(self.seen, columns, np.float32(1))

    def mean(self, pictures: Pixels) -> float:
        """Weighted mean of what is positive; 1 for black pictures."""
        return float(np.sum(self.weights * np.maximum(pictures, 0))) / 3 or 1.0

    def steps(self) -> Iterator[Texels]:
        """The map after the warm-up and after each round."""
        self.centre = self.scaled_start()
        texels: Texels = np.where(self.seen, self.centre, self.start_of_unseen())
        predicted = self.transport.matvec(texels)
        for _ in range(self.settings.warm_up):
            ratio = np.maximum(self.observed, 0) / np.maximum(predicted, np.float32(1e-4))
            weighted: Pixels = self.weights * ratio.astype(np.float32)
            factor = self.transport.rmatvec(weighted) / self.columns
            texels = np.where(self.seen, texels * factor, texels)
            predicted = self.transport.matvec(texels)
        self.predicted = predicted
        yield texels
        for _ in range(self.settings.rounds):
            texels = self.round(texels)
            yield texels

    def scaled_start(self) -> Texels:
        """The start map, times the factor per channel that fits the pictures best."""
        predicted = self.transport.matvec(self.initial)
        weights = self.weights * self.loss_weights(predicted * 0)
        fitted = np.sum(weights * predicted * self.observed, axis=0)
        scale = fitted / np.maximum(np.sum(weights * predicted**2, axis=0), 1e-30)
        scaled = self.initial * np.maximum(scale, 0).astype(np.float32)
        # A texel at 0 could not grow by factors.
        return np.asfortranarray(np.where(self.initial > 0, scaled, np.float32(FLOOR)))

    def start_of_unseen(self) -> Texels:
        """Texels that nothing sees keep the start value, unless a prior reaches them."""
        return self.centre if self.problem.priors else self.initial

    def round(self, texels: Texels) -> Texels:
        """One projected Newton step of the reweighted problem."""
        weights = self.pixel_weights(texels)
        forms = self.quadratics(texels)

        def hessian(step: Texels) -> Texels:
            product = self.transport.rmatvec(weights * self.transport.matvec(step))
            for form in forms:
                product += form.matrix @ step
            return product

        gradient = self.transport.rmatvec(weights * (self.predicted - self.observed))
        for form in forms:
            gradient += form.matrix @ (texels - form.centre)
        free = (texels > 0) | (gradient < 0)
        diagonal = self.diagonal(weights, forms)
        step = _conjugate_gradients(
            hessian,
            -gradient * free,
            diagonal,
            free,
            self.settings.iterations,
            self.settings.tolerance,
        )
        return self.line_search(texels, step, gradient, hessian)

    def line_search(
        self, texels: Texels, step: Texels, gradient: Texels, hessian: Callable[[Texels], Texels]
    ) -> Texels:
        """Halve the step until its projection on x >= 0 lowers the quadratic objective."""
        for _ in range(HALVINGS):
            moved: Texels = np.maximum(texels + step, np.float32(0))
            change = moved - texels
            if np.sum(change * gradient) + np.sum(change * hessian(change)) / 2 <= 0:
                self.predicted = self.transport.matvec(moved)
                return moved
            step = np.float32(0.5) * step
        return texels

    def diagonal(self, weights: Pixels, forms: Sequence[Quadratic]) -> Texels:
        """Diagonal of the Hessian; positive."""
        diagonal = self.transport.gram_diagonal(weights)
        for form in forms:
            diagonal += form.matrix.diagonal()[:, None]
        return np.maximum(diagonal, np.float32(1e-20))

    def pixel_weights(self, texels: Texels) -> Pixels:
        """Weights of the squared differences: of the loss, of the views, and for noise."""
        weight = self.loss_weights(self.predicted)
        noise = weight * self.transport.variance(texels) / np.float32(self.settings.noise_floor**2)
        return np.asarray(self.weights * weight / (1 + noise), np.float32)

    def loss_weights(self, predicted: Pixels) -> Pixels:
        """The loss's weights of squared differences in radiance."""
        gain = self.gain
        weight = self.problem.loss.weight(gain * predicted, gain * self.observed)
        return np.asarray(gain**2 * weight, np.float32)

    def quadratics(self, texels: Texels) -> Sequence[Quadratic]:
        width, height = self.transport.resolution
        maps = [array.reshape(height, width, 3) for array in (texels, self.centre)]
        return [prior.quadratic(*maps) for prior in self.problem.priors]

    def loss(self) -> float:
        values = self.problem.loss(self.gain * self.predicted, self.gain * self.observed)
        return float(np.sum(self.weights * values) / 3)

    def as_map(self, texels: Texels) -> NDArray[np.float32]:
        width, height = self.transport.resolution
        return np.ascontiguousarray(texels.reshape(height, width, 3) * np.float32(self.unit))

    def record(self, index: int, texels: Texels, seconds: float) -> Record:
        truth = self.problem.ground_truth
        error = None if truth is None else metrics.sum_of_squared_errors(self.as_map(texels), truth)
        return Record(index=index, loss=self.loss(), error=error, seconds=seconds)

    def iteration(self, record: Record, texels: Texels) -> Iteration:
        predicted = self.predicted
        width, height = self.transport.image_sizes[0]
        first = slice(0, width * height)

        def image() -> NDArray[np.float32]:
            light = predicted[first] * np.float32(self.unit) + self.transport.offset[first]
            return np.ascontiguousarray(light.reshape(height, width, 3))

        return Iteration(
            **vars(record),
            texels_on_device=lambda: self.as_map(texels),
            image_on_device=image,
        )

    def coverage(self) -> NDArray[np.float32]:
        """Column sums of T over the weighted pixels, averaged over the views."""
        return self.as_map(self.transport.rmatvec(self.weights) / np.float32(3 * self.unit))

    def deviation(self, texels: Texels) -> NDArray[np.float32]:
        """Standard deviation of each texel if the others were known: a lower bound.

        It is sqrt(s / diag(H)), with H the Hessian of the objective and s the mean weighted square
        of the residuals over the mean weight, each pixel's noise being taken for as large as the
        inverse root of its weight.
        """
        weights = self.pixel_weights(texels)
        residual = self.predicted - self.observed
        level = np.float32(np.sum(weights * residual**2) / np.count_nonzero(weights))
        return self.as_map(np.sqrt(level / self.diagonal(weights, self.quadratics(texels))))


def _with_chosen_weights(
    settings: Transport, problem: Problem, transport: LightTransport
) -> Problem:
    """The problem with a number for each weight "auto", by the prediction of held-out pixels.

    A tenth of the pixels is held out; of factors on the default weights, the one whose map
    predicts them with the least loss is taken.
    """
    random = np.random.default_rng(settings.seed)
    held_out, views = [], []
    for view in problem.views:
        mask = np.ones(view.image.shape[:2]) if view.mask is None else view.mask
        out = random.random(mask.shape) < HELD_OUT
        out &= bool(np.any(mask[~out]))
        held_out.append(out)
        views.append(replace(view, mask=np.where(out, 0, mask)))
    flat = np.concatenate([out.ravel() for out in held_out])
    everything = _Run(settings, problem, transport)
    losses = []
    for factor in FACTORS:
        priors = tuple(with_factor(prior, factor) for prior in problem.priors)
        run = _Run(settings, replace(problem, views=tuple(views), priors=priors), transport)
        for _ in run.steps():
            pass
        predicted = run.predicted * np.float32(run.unit / everything.unit)
        values = problem.loss(everything.gain * predicted, everything.gain * everything.observed)
        losses.append(float(np.sum((everything.weights * values)[flat])))
    best = FACTORS[int(np.argmin(losses))]
    return replace(problem, priors=tuple(with_factor(prior, best) for prior in problem.priors))


def _stacked(images: Sequence[NDArray[np.float32]]) -> Pixels:
    """Images one below the other, shape (pixels, 3), in columns."""
    rows = [image.reshape(-1, 3) for image in images]
    return np.asfortranarray(np.concatenate(rows), dtype=np.float32)


def _conjugate_gradients(
    matrix: Callable[[Texels], Texels],
    target: Texels,
    diagonal: Texels,
    free: NDArray[np.bool_],
    iterations: int,
    tolerance: float,
) -> Texels:
    """Solve matrix x = target over the free entries, preconditioned with the diagonal."""
    solution, residual = np.zeros_like(target), target.copy()
    scaled = residual / diagonal
    direction = scaled.copy()
    product = first = float(np.sum(residual * scaled))
    for _ in range(iterations):
        if product <= tolerance**2 * first:
            break
        image = matrix(direction) * free
        length = product / max(float(np.sum(direction * image)), 1e-30)
        solution += np.float32(length) * direction
        residual -= np.float32(length) * image
        scaled = residual / diagonal
        before, product = product, float(np.sum(residual * scaled))
        direction = scaled + np.float32(product / before) * direction
    return solution
