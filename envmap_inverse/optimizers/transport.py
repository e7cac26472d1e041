"""Reweighted least squares on a growing recording of the light transport."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

import numpy as np

from envmap_inverse.backend.card import library_of_variant
from envmap_inverse.errors import InputError, check_counts, check_positive, check_seed
from envmap_inverse.light_models.family import Sums
from envmap_inverse.losses import LOSSES, Loss, QuasiLikelihood
from envmap_inverse.optimizers.automatic_basis import (
    check_parameterization,
    family_of,
    settled,
)
from envmap_inverse.optimizers.automatic_weights import with_chosen_weights
from envmap_inverse.optimizers.least_squares.exposures import with_found_exposures
from envmap_inverse.optimizers.least_squares.few_numbers import FewNumbers
from envmap_inverse.optimizers.least_squares.robust import RobustLeastSquares
from envmap_inverse.optimizers.least_squares.solver import Settings
from envmap_inverse.optimizers.passes import Plan, most_passes
from envmap_inverse.optimizers.probing import sees_blurred_light
from envmap_inverse.optimizers.progressive import Progressive
from envmap_inverse.optimizers.protocol import Keeper, Solver
from envmap_inverse.optimizers.recorded import fitting, recorded
from envmap_inverse.parameterizations import Direct, Parameterization
from envmap_inverse.priors import PRIORS, Chromaticity, Prior, Tikhonov, TotalVariation
from envmap_inverse.problem.blocks import largest_block, num_counting
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import MAX_SPP, LightTransport
from envmap_inverse.recording.ray import Executor
from envmap_inverse.system.arrays import HOST, Library

__all__ = ["Transport", "usual_spp"]

NUM_PATHS, MOST_SPP = 2**22, 256
MAX_STEPS = 10**6

FIRST_PIXELS, ENOUGH_PIXELS = 2**18, 2**16
"""Pixels of all pictures from which a map can be had soon, and those that are enough where light is
blurred, or two for each texel: if there are many more, they are taken together in blocks."""


@dataclass(frozen=True, kw_only=True)
class Transport(Settings):
    """Record the light transport in passes, and solve for the map after each.

    Minimizes, over maps x >= 0, the mean over pixels of loss(T x + c, b) plus the priors:

    1. multiplicative steps x <- x T^T(b / (T x)) / T^T 1, which reach a high dynamic range fast and
       stay positive (Richardson 1972, Lucy 1974), as long as they predict pixels better that are
       held out (Coakley 1991);
    2. rounds of reweighted least squares: the loss and the priors are replaced by quadratic forms
       at the present map, and a step of it is taken on the texels that the bound leaves free, by
       conjugate gradients with the diagonal as preconditioner, as long as these are worth their
       time (Nash and Sofer 1990), and a projected line search (projected Newton method, Bertsekas
       1982).

    The first pass traces one path per pixel, the last one the others; each goes on from the map of
    the one before. Passes end where more paths would change the map by less than a third of its own
    deviation; rounds end where held-out pixels are predicted no better, or where the residuals fall
    far below the recording's noise (discrepancy principle, Morozov 1966). What is found depends on
    the seed alone, unless `seconds` is given: then it depends on the machine's speed.

    A pixel whose prediction is noisy, because few paths speak for it, counts less: its weight is
    divided by 1 + variance / (noise_floor * what the loss calls large)^2.

    Pixels that the map does not explain, such as hands and dust, are left out, and the map is
    solved for again, as long as more are found.

    Where a weight or an exposure is "auto", a parameterization or a recording is given, there is
    one pass.

    Attributes:
        spp: paths per pixel; None for 4 million in the largest picture, but from 16 to 256, or for
            fewer where those are enough.
        seconds: time after which to end, with the best map so far; a step is not cut short. Where
            it allows more paths than usual and `spp` is None, up to 16 times as many are traced, or
            256 of a pixel. Where there is one pass, its paths are all traced first.
        rounds: reweightings after the last pass, at most.
        iterations: conjugate-gradient steps in each, at most; None for as many as are worth their
            time, up to 16.
        tolerance: of the residual, at which they stop.
        warm_up: multiplicative steps of each pass; None for as many as held-out pixels want, up to
            8.
        seed: of the recording.
        noise_floor: relative noise of a prediction below which it does not count.
        memory_budget: bytes for paths in flight; None for a quarter of what is free.
        recording: an earlier recording of the scene, to solve without tracing: the `transport` of
            a result that kept it, or from `LightTransport.record` or `load`. Pictures, losses,
            priors and exposures may be others; shapes, materials, cameras and films may not.
        parameterization: what to solve for: `Direct()`, the texels, or the numbers of `SH`, `SG` or
            `SunSky`, which tiny pictures and those of diffuse objects know better. "auto" takes of
            texels, `SunSky()` outdoors, `SH(order=2)`, `SH(order=4)` and `SG(lobes=16)` the one
            that predicts pixels best that it did not see. Priors and the search for outliers are of
            texels alone.
        max_outliers: share of the pixels up to which those that the map does not explain are left
            out; if there are more, the scene is wrong, and none is. 0 to look for none. None are
            looked for in brackets: exposures and response that are a little off make the pictures
            of a lamp disagree.
        all_pixels: whether large pictures are solved for at all of their pixels where light is
            blurred, too. By default some 65,000 blocks of pixels with more paths each are enough
            there, unless `spp` is given or the recording is to be kept.
        executor: records and holds the shards of the light transport elsewhere, e.g. `Ray`; None
            for the threads of this process. Maps have the same bits.

    Example:
        >>> result = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
        >>> result.deviation.shape
        (8, 16, 3)
    """

    spp: int | None = None
    seconds: float | None = None
    seed: int = 0
    memory_budget: int | None = None
    recording: LightTransport | None = field(default=None, compare=False)
    max_outliers: float = 0.15
    parameterization: Parameterization | Sums | str = field(default_factory=Direct)
    all_pixels: bool = False
    executor: Executor | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_counts(spp=self.spp, most=MAX_SPP)
        check_counts(rounds=self.rounds, iterations=self.iterations, most=MAX_STEPS)
        check_counts(memory_budget=self.memory_budget)
        check_counts(warm_up=self.warm_up, least=0, most=MAX_STEPS)
        check_positive(tolerance=self.tolerance, noise_floor=self.noise_floor)
        if self.seconds is not None:
            check_positive(seconds=self.seconds)
        check_seed(self.seed)
        if not isinstance(self.recording, LightTransport | None):
            raise InputError(
                f"recording: found {type(self.recording).__name__}; give a LightTransport, such as "
                "LightTransport.load(file)"
            )
        if self.recording is not None and self.spp is not None:
            raise InputError(f"spp: a recording has its own, {self.recording.spp}; leave it out")
        if not 0 <= self.max_outliers < 1:
            raise InputError(f"max_outliers must lie from 0 to below 1; found {self.max_outliers}")
        check_parameterization(self.parameterization)

    @property
    def default_loss(self) -> Loss:
        """The loss where none is asked for."""
        return QuasiLikelihood()

    @property
    def default_priors(self) -> tuple[Prior, ...]:
        """The priors where none are asked for."""
        return (TotalVariation(), Tikhonov(), Chromaticity())

    @property
    def default_initial(self) -> float | None:
        """The start map where none is asked for, which is as bright as the pictures."""
        return None

    @property
    def num_steps(self) -> int:
        """Number of steps, at most, which are one for each pass and the rounds."""
        if self.recording is not None:
            return 1 + self.rounds
        return most_passes(self.seconds) + self.rounds

    def paths_per_pixel(self, problem: Problem) -> int:
        """Number of paths that are traced for each pixel, if nothing ends the run before."""
        return self.spp or usual_spp(max(view.image[:, :, 0].size for view in problem.views))

    def start(self, problem: Problem, keeper: Keeper | None = None) -> Solver:
        """Prepare to record, or record at once if the problem leaves something open."""
        if self.recording is not None or self._leaves_open(problem):
            return self._in_one_pass(problem, keeper)
        return Progressive(
            *(self, problem, keeper, self._plan(problem)),
            max_share=self._max_share(problem),
            library=HOST if self.executor else _library_for(problem),
            seed=self.seed,
            memory_budget=self.memory_budget,
            executor=self.executor,
        )

    def _plan(self, problem: Problem) -> Plan:
        """The passes. Blurred light needs no more than some pixels, but many paths for each."""
        plan = Plan(
            spp=self.paths_per_pixel(problem),
            num_pixels=num_counting(problem),
            block=largest_block(problem, FIRST_PIXELS),
            seconds=self.seconds,
            is_open=self.spp is None,
        )
        enough = max(ENOUGH_PIXELS, 2 * problem.initial[:, :, 0].size)
        block = 1 if self.all_pixels or self.spp else largest_block(problem, enough)
        if block == 1 or not sees_blurred_light(problem, self.seed):
            return plan
        spp = min(plan.spp * block**2, MOST_SPP)
        return replace(plan, spp=spp, block=block, finest=1 if self.seconds else block)

    def _leaves_open(self, problem: Problem) -> bool:
        """Whether there is more to find than texels, for which all paths are needed."""
        return (
            not isinstance(self.parameterization, Direct)
            or not all(view.knows_exposure for view in problem.views)
            or any(prior.weight == "auto" for prior in problem.priors)
        )

    def _in_one_pass(self, problem: Problem, keeper: Keeper | None) -> Solver:
        """Record the light transport, and find what the problem leaves open."""
        begun = time.perf_counter()
        transport = self._transport(problem, keeper)
        seconds = time.perf_counter() - begun
        assembling = 0.0 if self.recording else min(transport.seconds_assembling, seconds)
        problem = with_found_exposures(problem, transport, self)
        problem = with_chosen_weights(self, problem, transport, self.seed)
        phases = {"record": seconds - assembling, "assemble": assembling}
        choice = settled(self.parameterization, self, problem, transport, self.seed)
        family = family_of(choice, transport)
        if family is not None:
            return FewNumbers(self, problem, transport, family, name=str(choice), phases=phases)
        return RobustLeastSquares(
            *(self, problem, transport),
            max_share=self._max_share(problem),
            phases=phases,
            ends=begun + (self.seconds or np.inf),
        )

    def _max_share(self, problem: Problem) -> float:
        """The share of outliers to look for: none if a sensor took several pictures."""
        is_bracket = len({view.sensor for view in problem.views}) < len(problem.views)
        return 0 if is_bracket else self.max_outliers

    def _transport(self, problem: Problem, keeper: Keeper | None) -> LightTransport:
        library = _library_for(problem)
        if self.recording is not None:
            return fitting(self.recording, problem).moved_to(library)
        return recorded(
            problem,
            keeper,
            spp=self.paths_per_pixel(problem),
            seed=self.seed,
            memory_budget=self.memory_budget,
            library=HOST if self.executor else library,
            executor=self.executor,
        )


def usual_spp(num_pixels: int) -> int:
    """Number of paths for each pixel of a picture, where none is asked for."""
    return int(np.clip(NUM_PATHS // num_pixels, 16, MOST_SPP))


def _library_for(problem: Problem) -> Library:
    """The library to solve a problem with: NumPy where a loss or a prior is the user's own."""
    loss = problem.loss
    kinds = [type(getattr(loss, "loss", loss)), *map(type, problem.priors)]
    is_ours = all(kind in (*LOSSES, *PRIORS) for kind in kinds)
    return library_of_variant() if is_ours else HOST
