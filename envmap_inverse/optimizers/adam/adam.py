"""Adam: gradient descent on a parameterization of the texels.

To read first: the tutorial's loop, 25 lines of plain Mitsuba, is `plain_loop` in
`benchmarks/peer.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError, check_counts, check_positive, check_seed
from envmap_inverse.light_models.family import Sums
from envmap_inverse.losses import MSE, Loss
from envmap_inverse.optimizers.adam.drawn import Drawn, rough_guess
from envmap_inverse.optimizers.adam.sources import (
    GradientSource,
    RecordedGradients,
    RenderedGradients,
    freeze,
)
from envmap_inverse.optimizers.adam.state import AdamState, Best
from envmap_inverse.optimizers.adam.step import Descent, stepper
from envmap_inverse.optimizers.held_out import split
from envmap_inverse.optimizers.least_squares.exposures import with_found_exposures
from envmap_inverse.optimizers.protocol import Keeper, Solver, State, Step
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.parameterizations import Direct, Parameterization, Pyramid
from envmap_inverse.priors import Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Solution
from envmap_inverse.recording.light_transport import MAX_SPP
from envmap_inverse.sphere import latlong

__all__ = ["Adam", "check_for_adam"]

CHECK_EVERY = 50
MAX_ITERATIONS = 10**6


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Stochastic gradient descent with momentum; by default on the flat RGBA texture itself.

    With x the parameters of the map, and g the gradient by them at step t (from 1), estimated with
    seeds of its own so that it is unbiased,

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        x <- x - rate(t) sqrt(1 - beta2^t) / (1 - beta1^t) m / sqrt(v + epsilon^2)

    (Kingma and Ba 2015, with epsilon where Dr.Jit 1.5 has it). Alpha has no gradient and stays 1;
    so do texels that no path reaches keep their start value, unless a pyramid ties them to others.
    A step in which the loss or a gradient is NaN or infinite is dropped.

    The defaults are the tutorial's: the result is the last map, which gets worse again after some
    hundred steps. `Adam.robust()` has settings with which it does not.

    Attributes:
        iterations: number of steps.
        learning_rate: step size at the start, in units of the parameters: radiance by default.
        spp: samples per pixel of the image, and of the gradient.
        seed: of the first iteration; the others follow.
        beta1: decay of the mean gradient.
        beta2: decay of the mean squared gradient.
        epsilon: keeps the division finite.
        max_dropped: dropped steps in a row that end the run.
        frozen: record the rendering once and replay it (`dr.freeze`): the same numbers, faster.
        recorded_spp: if not 0, trace so many paths per pixel once and use the recorded light
            transport in place of rendering (`spp` then has no effect).
        parameterization: what the parameters are; those of `SunSky` are its numbers in units of
            their deviations before a picture is seen, and its steps are not frozen.
        final_rate: step size at the end as a share of that at the start; it falls along half a
            cosine (Loshchilov and Hutter 2017).
        averaging: if not 0, the result is the average of the maps so far, the t-th one weighing
            about t^averaging (Shamir and Zhang 2013): 8 averages over the last tenth of the steps.
        patience: if not 0, the loss of the result is measured every 50 steps, with seeds that no
            step has; the result is the best map so far, and the run ends when it has been the best
            for so many steps.
        held_out: share of the pixels that only this measure sees; 0 lets the steps and the measure
            see all.

    Example:
        >>> result = ei.estimate(scene, image, optimizer=ei.Adam(iterations=3))
        >>> [record.index for record in result.history]
        [0, 1, 2]
    """

    iterations: int = 100
    learning_rate: float = 0.02
    spp: int = 1
    seed: int = 0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_dropped: int = 10
    frozen: bool = True
    recorded_spp: int = 0
    parameterization: Parameterization | Sums = field(default_factory=Direct)
    final_rate: float = 1.0
    averaging: float = 0.0
    patience: int = 0
    held_out: float = 0.0

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_counts(iterations=self.iterations, most=MAX_ITERATIONS)
        check_counts(spp=self.spp, most=MAX_SPP)
        check_counts(max_dropped=self.max_dropped)
        check_counts(recorded_spp=self.recorded_spp, least=0, most=MAX_SPP)
        check_counts(patience=self.patience, least=0)
        if not self.averaging >= 0:
            raise InputError(f"averaging must not be negative; found {self.averaging}")
        check_seed(self.seed)
        check_for_adam(self.parameterization)
        if self.recorded_spp and not hasattr(self.parameterization, "to_texels"):
            raise InputError(
                f"recorded_spp: hardly any recorded path meets the sun of {self.parameterization}; "
                "leave it 0, or take Transport"
            )
        check_positive(
            learning_rate=self.learning_rate, final_rate=self.final_rate, epsilon=self.epsilon
        )
        for name in ("beta1", "beta2", "held_out"):
            if not 0 <= getattr(self, name) < 1:
                found = getattr(self, name)
                raise InputError(f"{name} must be from 0 to less than 1; found {found}")
        if self.held_out and not self.patience:
            raise InputError("held_out needs patience, e.g. patience=400: nothing else measures it")

    @classmethod
    def robust(cls, *, iterations: int = 400, **settings: Any) -> Adam:
        """Adam that does not diverge, however many iterations it has.

        The map is a pyramid of log radiance, which stays positive; the step size begins at
        0.4 / sqrt(iterations), so that noise adds up to the same in a long run as in a short one,
        and falls to a hundredth; the result is an average, the best by a loss that is measured
        with other seeds.

        Args:
            iterations: number of steps, at most.
            **settings: fields of `Adam` that are to have other values than the preset.
        """
        check_counts(iterations=iterations, most=MAX_ITERATIONS)
        preset: dict[str, Any] = {
            "learning_rate": 0.4 / iterations**0.5,
            "parameterization": Pyramid(),
            "final_rate": 0.01,
            "averaging": 8,
            "patience": 400,
        }
        return cls(iterations=iterations, **(preset | settings))

    @property
    def default_loss(self) -> Loss:
        """The loss where none is asked for, the tutorial's."""
        return MSE()

    @property
    def default_priors(self) -> tuple[Prior, ...]:
        """No priors, where none are asked for."""
        return ()

    @property
    def default_initial(self) -> float | None:
        """The start map where none is asked for, the tutorial's 1 for the texels themselves.

        None, for the pictures' mean, with another parameterization.
        """
        return 1.0 if isinstance(self.parameterization, Direct) else None

    @property
    def num_steps(self) -> int:
        """Number of steps, at most."""
        return self.iterations

    def start(self, problem: Problem, _keeper: Keeper | None = None) -> Solver:
        """Find unknown exposures with recorded light transport; the rest renders."""
        if problem.scene.surroundings is not None:
            raise InputError(
                "surroundings: Adam renders by Mitsuba, whose maps are infinitely far; take "
                "Transport, or set scene.surroundings = None"
            )
        if not all(view.knows_exposure for view in problem.views):
            transport = recorded(problem, spp=64, seed=self.seed)
            problem = with_found_exposures(problem, transport)
        return _Descending(self, problem)


def check_for_adam(choice: Any) -> None:
    """Refuse what is no parameterization, such as "auto".

    Raises:
        InputError: if Adam has no derivatives by its numbers.
    """
    if not hasattr(choice, "to_texels") and not hasattr(choice, "family"):
        raise InputError(
            f"parameterization: Adam cannot solve for {choice}, which is for Transport"
        )


class _Descending:
    """Adam at work on one problem: a `Solver`."""

    def __init__(self, adam: Adam, problem: Problem) -> None:
        self.adam, self.problem, self.envmap = adam, problem, problem.scene.envmap
        self.envmap.write(problem.initial)
        self.source = _source(adam, problem)
        random = np.random.default_rng(adam.seed)
        splits = [split(view, adam.held_out, random) for view in problem.views]
        self.observed = self.source.load([fitted for fitted, _ in splits])
        if adam.patience:
            self.held_out = self.source.load([measured for _, measured in splits])
        chosen, begin = _parameterized(adam, problem)
        to_texels = _to_texels(chosen, self.envmap.resolution)
        advance = stepper(
            to_texels,
            beta1=adam.beta1,
            beta2=adam.beta2,
            epsilon=adam.epsilon,
            averages=adam.averaging > 0,
        )
        is_frozen = adam.frozen and getattr(chosen, "is_frozen", True)
        self.advance = freeze(advance) if is_frozen else advance
        self.schedule = _schedule(adam)
        rgba = mi.Float(latlong.flatten_rgba(begin))
        parameters = chosen.from_texels(rgba, self.envmap.resolution)
        self.now = AdamState(descent=Descent.begin(parameters, to_texels(parameters)))
        truth = problem.ground_truth
        self.truth = None if truth is None else mi.Float(latlong.flatten_rgba(truth))

    def step(self, index: int) -> Step:
        """See `Solver`."""
        loss, image = self.iterate(index)
        rgba = self.now.result
        return Step(
            loss=loss,
            error=self.error(),
            texels=lambda: self.as_map(rgba),
            image=image,
            ending=self.ending(index),
        )

    def state(self) -> State:
        """See `Solver`."""
        return self.now.arrays()

    def restore(self, state: State, num_done: int) -> None:
        """See `Solver`."""
        self.now = AdamState.of_arrays(state, like=self.now)
        taken = int(self.now.descent.taken[0])
        if not taken <= num_done <= self.adam.iterations:
            raise InputError(
                "the checkpoint's steps do not fit the run; begin again with --overwrite"
            )

    def solution(self) -> Solution:
        """See `Solver`."""
        return Solution(
            texels=self.as_map(self.now.result),
            num_dropped=int(self.now.descent.dropped[0]),
            exposures=self.problem.exposures,
        )

    def ending(self, index: int) -> str:
        """Why the run ends after a step; empty if it does not."""
        dropped = self.dropped_in_a_row(index)
        if dropped >= self.adam.max_dropped:
            return f"ended: the last {dropped} steps met NaN or infinity and were dropped"
        return "done" if self.is_past_best(index) else ""

    def iterate(self, index: int) -> tuple[Any, Callable[[], NDArray[np.float32]]]:
        """Advance the state by one step; returns the loss and what makes the first image."""
        texels = self.now.descent.texels
        loss, image, gradient = self.source.differentiate(index, texels, self.observed)
        if self.problem.priors:
            gradient += self.prior_gradient()
        descent = self.advance(self.now.descent, gradient, loss, *self.schedule)
        dr.eval(vars(descent), loss)  # else each unfrozen step computes all earlier ones again
        self.now = replace(self.now, descent=descent)
        is_last = index == self.adam.iterations - 1
        if self.adam.patience and (is_last or index % CHECK_EVERY == CHECK_EVERY - 1):
            self.measure(index)
        return loss, image

    def measure(self, index: int) -> None:
        """Keep the present average if none had a lower loss."""
        texels, best = self.now.descent.average, self.now.best
        loss = self.source.loss(texels, self.held_out)
        if loss < (best.loss if best else np.inf):
            best = Best(texels=texels, loss=loss, index=index)
            self.now = replace(self.now, best=best)

    def is_past_best(self, index: int) -> bool:
        best = self.now.best
        return best is not None and index - best.index >= self.adam.patience

    def dropped_in_a_row(self, index: int) -> int:
        """Number of the last steps that were dropped; 0 where looking would cost time."""
        is_due = index % self.adam.max_dropped == self.adam.max_dropped - 1
        return int(self.now.descent.dropped_in_a_row[0]) if is_due else 0

    def prior_gradient(self) -> Any:
        """Gradient of the priors' energies, flat RGBA."""
        texels = self.as_map(self.now.descent.texels)
        total = np.zeros((texels.size // 3, 3))
        for prior in self.problem.priors:
            form = prior.quadratic(texels, self.problem.initial)
            total += form.matrix @ (texels.reshape(-1, 3) - form.centre) * (2 / 3)
        return mi.Float(latlong.flatten_rgba(total.reshape(texels.shape)))

    def error(self) -> Any:
        """Sum of squared errors of the result so far, on the device."""
        return None if self.truth is None else dr.sum(dr.square(self.now.result - self.truth))

    def as_map(self, rgba: Any) -> NDArray[np.float32]:
        return latlong.unflatten_rgba(np.array(rgba), self.envmap.resolution)


def _source(adam: Adam, problem: Problem) -> GradientSource:
    if adam.recorded_spp:
        return RecordedGradients(problem, spp=adam.recorded_spp, seed=adam.seed)
    return RenderedGradients(problem, spp=adam.spp, seed=adam.seed, frozen=adam.frozen)


def _schedule(adam: Adam) -> tuple[Any, Any]:
    """Sizes of all steps, corrections included, and the shares of their maps in the average."""
    step = np.arange(1, adam.iterations + 1)
    correction = np.sqrt(1 - adam.beta2**step) / (1 - adam.beta1**step)
    fallen = (1 - np.cos(np.pi * (step - 1) / adam.iterations)) / 2
    rate = 1 - (1 - adam.final_rate) * fallen
    share = (adam.averaging + 1) / (adam.averaging + step)
    return mi.Float(adam.learning_rate * (correction * rate)), mi.Float(share)


def _parameterized(adam: Adam, problem: Problem) -> tuple[Parameterization, NDArray[np.float32]]:
    """The parameterization, if need be of a family that NumPy draws; and the start map."""
    choice: Any = adam.parameterization
    if hasattr(choice, "to_texels"):
        return choice, problem.initial
    guess = rough_guess(problem, adam.seed)
    return Drawn(choice.family(problem.scene.envmap.resolution), guess), guess


def _to_texels(chosen: Parameterization, resolution: tuple[int, int]) -> Callable[[Any], Any]:
    """A function from parameters to flat RGBA with alpha 1."""

    def to_texels(parameters: Any) -> Any:
        texels = chosen.to_texels(parameters, resolution)
        is_alpha = dr.arange(mi.UInt32, dr.width(texels)) & 3 == 3
        return dr.select(is_alpha, 1, texels)

    return to_texels
