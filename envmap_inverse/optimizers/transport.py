"""Reweighted least squares on the recorded light transport."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError, check_seed
from envmap_inverse.losses import Loss, RelativeMSE
from envmap_inverse.optimizers.least_squares.solver import (
    LeastSquares,
    Settings,
    with_found_exposures,
)
from envmap_inverse.priors import Chromaticity, Prior, Tikhonov, TotalVariation, with_factor
from envmap_inverse.problem.problem import Keeper, OnIteration, Problem, Record, Solution, State
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["Transport"]

NUM_PATHS = 2**22
HELD_OUT = 0.1
FACTORS = (1 / 27, 1 / 9, 1 / 3, 1.0, 3.0, 9.0)


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
        spp: paths per pixel; None for 4 million in the largest picture, but from 16 to 256.
        rounds: reweightings.
        iterations: conjugate-gradient steps in each, at most; None for 7 where each pixel sees few
            texels (mirrors), and up to 16 where it sees many.
        tolerance: of the residual, at which they stop.
        warm_up: multiplicative steps; None for 4 to 8 in the same way.
        seed: of the recording.
        noise_floor: relative noise of a prediction below which it does not count.
        memory_budget: bytes for paths in flight; None for a quarter of what is free.
    """

    spp: int | None = None
    rounds: int = 3
    iterations: int | None = None
    tolerance: float = 1e-3
    warm_up: int | None = None
    seed: int = 0
    noise_floor: float = 0.5
    memory_budget: int | None = None

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("spp", "rounds", "iterations"):
            number = getattr(self, name)
            if number is not None and number < 1:
                raise InputError(f"{name} must be at least 1; found {number}")
        for name in ("tolerance", "noise_floor"):
            if not getattr(self, name) > 0:
                raise InputError(f"{name} must be positive; found {getattr(self, name)}")
        check_seed(self.seed)
        if self.warm_up is not None and self.warm_up < 0:
            raise InputError(f"warm_up must not be negative; found {self.warm_up}")

    @property
    def default_loss(self) -> Loss:
        """The loss where none is asked for."""
        return RelativeMSE()

    @property
    def default_priors(self) -> tuple[Prior, ...]:
        """The priors where none are asked for."""
        return (TotalVariation(), Tikhonov(), Chromaticity())

    @property
    def num_steps(self) -> int:
        """How often `on_iteration` is called."""
        return 1 + self.rounds

    @property
    def solver(self) -> Settings:
        """The settings of the solver."""
        names = [field.name for field in fields(Settings)]
        return Settings(**{name: getattr(self, name) for name in names})

    def paths_per_pixel(self, problem: Problem) -> int:
        """How many paths are traced for each pixel."""
        num_pixels = max(view.image[:, :, 0].size for view in problem.views)
        return self.spp or int(np.clip(NUM_PATHS // num_pixels, 16, 256))

    def run(
        self,
        problem: Problem,
        on_iteration: OnIteration | None = None,
        keeper: Keeper | None = None,
    ) -> Solution:
        """Solve a problem."""
        start = time.perf_counter()
        transport = self._recorded(problem, keeper)
        recorded = time.perf_counter()
        if not all(view.knows_exposure for view in problem.views):
            problem = with_found_exposures(problem, transport, self.solver)
        if any(prior.weight == "auto" for prior in problem.priors):
            problem = _with_chosen_weights(self, problem, transport)
        run = LeastSquares(self.solver, problem, transport)
        kept = keeper.restore() if keeper else None
        history, status = kept[0] if kept else [], "done"
        before = _checked(kept[1]["texels"], run.initial) if kept else None
        texels = run.initial if before is None else before
        earlier = history[-1].seconds if history else 0

        for texels in run.steps(after=(len(history), before)):
            record = run.record(len(history), texels, earlier + time.perf_counter() - start)
            history.append(record)
            is_ended = bool(on_iteration and on_iteration(run.iteration(record, texels)))
            if keeper:
                keeper.offer(partial(_state, history, texels), is_last=is_ended)
            if is_ended:
                status = "interrupted"
                break
        solving = earlier + time.perf_counter() - recorded
        assembling = transport.seconds_assembling
        recording = recorded - start - assembling
        phases = {"record": recording, "assemble": assembling, "solve": solving}
        return Solution(
            texels=run.as_map(texels),
            history=tuple(history),
            phases={**phases, "optimize": sum(phases.values())},
            status=status,
            coverage=run.coverage(),
            deviation=run.deviation(texels),
            exposures=run.exposures,
        )

    def _recorded(self, problem: Problem, keeper: Keeper | None) -> LightTransport:
        """The recording that is kept, or a new one."""
        kept = keeper.transport() if keeper else None
        sizes = tuple(view.image.shape[1::-1] for view in problem.views)
        if kept and (kept.resolution, kept.image_sizes) == (problem.scene.envmap.resolution, sizes):
            return kept
        transport = LightTransport.record(
            problem.scene,
            [view.sensor for view in problem.views],
            spp=self.paths_per_pixel(problem),
            seed=self.seed,
            memory_budget=self.memory_budget,
        )
        if keeper:
            keeper.keep_transport(transport)
        return transport


def _checked(texels: NDArray[Any], like: NDArray[Any]) -> NDArray[Any]:
    """Texels of a checkpoint."""
    if (texels.shape, texels.dtype) != (like.shape, like.dtype) or not np.isfinite(texels).all():
        raise InputError("the checkpoint does not fit the run; begin again with --overwrite")
    return texels


def _state(history: Sequence[Record], texels: NDArray[Any]) -> tuple[Sequence[Record], State]:
    return history, {"texels": texels}


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
    everything = LeastSquares(settings.solver, problem, transport)
    losses = []
    for factor in FACTORS:
        priors = tuple(with_factor(prior, factor) for prior in problem.priors)
        run = LeastSquares(
            settings.solver, replace(problem, views=tuple(views), priors=priors), transport
        )
        for _ in run.steps():
            pass
        everything.predicted = run.predicted * np.float32(run.unit / everything.unit)
        everything.set_inverse_gains(1 / (run.exposures * np.float32(everything.unit)))
        losses.append(float(np.sum((everything.weights * everything.losses())[flat])))
    best = FACTORS[int(np.argmin(losses))]
    return replace(problem, priors=tuple(with_factor(prior, best) for prior in problem.priors))
