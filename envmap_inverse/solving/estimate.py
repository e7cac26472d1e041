"""Recover the environment map from reference images."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import counted
from envmap_inverse.losses import Loss
from envmap_inverse.optimizers import loop
from envmap_inverse.optimizers.choices import default_optimizer
from envmap_inverse.optimizers.protocol import Keeper, Optimizer
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.priors import Prior
from envmap_inverse.problem.brackets import with_found_responses
from envmap_inverse.problem.fitting import fit_films
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.solution import Iteration, OnIteration, Solution
from envmap_inverse.problem.view import ViewLike, as_views
from envmap_inverse.refining.choices import Refine
from envmap_inverse.refining.search import Refinement, Refiner
from envmap_inverse.scene.rendering import rendered_pairs, sum_of_transport
from envmap_inverse.scene.scene import Scene
from envmap_inverse.scene.windows import SHARP, pixels_on_objects
from envmap_inverse.solving.arguments import check_kinds, check_scene_stays
from envmap_inverse.solving.convergence import motion, unfinished
from envmap_inverse.solving.fit import Fit, judge
from envmap_inverse.solving.notebook_progress import shown_in_notebook
from envmap_inverse.solving.outliers import warn_of_outliers, without_outliers
from envmap_inverse.solving.result import Estimate
from envmap_inverse.system.arrays import HOST
from envmap_inverse.system.blas import single_threaded_blas
from envmap_inverse.system.progress import Stage, is_watched, stage

__all__ = ["Estimate", "estimate", "numbers_of", "solve", "with_refinement"]

COVERAGE_SPP = 16
FIT_SPP, MAX_JUDGED = 16, 6
_LOGGER = logging.getLogger(__name__)


@exclusive
def estimate(
    scene: Scene,
    views: ViewLike | Sequence[ViewLike],
    *,
    optimizer: Optimizer | None = None,
    loss: Loss | None = None,
    priors: Sequence[Prior] | None = None,
    initial: float | ArrayLike | None = None,
    refine: Refine | None = None,
    ground_truth: ArrayLike | None = None,
    keep_transport: bool = False,
    on_iteration: OnIteration | None = None,
) -> Estimate:
    """Recover the environment map that lit a scene when reference images of it were taken.

    In a notebook a progress bar is shown meanwhile.

    The scene's own map is not looked at, and is in place again at the end. Of numbers that no light
    has it warns; see `plausibility`.

    Args:
        scene: geometry, materials and sensors; only its light is unknown. A film of another size
            than its picture takes the picture's, see `fit_films`.
        views: a reference image (h, w, 3) of linear RGB radiance, the name of an image file, a
            `View`, or a list of these; picture k of a list is taken by sensor 0 unless a `View`
            names another.
        optimizer: by default `Transport()`, or `Adam.robust()`, with a warning, for scenes whose
            light transport cannot be recorded.
        loss: the optimizer's own by default: `MSE()` for `Adam`, `QuasiLikelihood()` for
            `Transport`.
        priors: what is known about maps; the optimizer's own by default: none for `Adam`,
            `(TotalVariation(), Tikhonov(), Chromaticity())` for `Transport`.
        initial: start map: a number, texels (H, W, 3) or flat RGBA. By default the pictures' mean;
            1 for `Adam()` on the texels themselves, as in the tutorial.
        refine: numbers of the scene that are nearly known, such as its cameras' directions; they
            are found first, and the scene keeps them.
        ground_truth: the true map; it only adds an error to the history.
        keep_transport: whether the result keeps the recorded light transport for
            `Transport(recording=result.transport)`, which solves for other pictures, losses,
            priors or exposures without tracing. All pixels are recorded then; but where time ended
            before they were, there is none.
        on_iteration: called with an `Iteration` after each; returning True ends the run.

    Returns:
        The map and how it was found.

    Raises:
        InputError: if anything does not fit the scene; the message names it.

    Example:
        >>> result = ei.estimate(scene, "photo.jpg", optimizer=ei.Transport(spp=16))
        >>> result.texels.shape
        (8, 16, 3)
    """
    check_kinds(scene, optimizer, loss, priors, refine, on_iteration)
    check_scene_stays(optimizer, refine)
    chosen = optimizer or default_optimizer(scene)()
    wanted = loss or chosen.default_loss
    with shown_in_notebook():
        problem = Problem.create(
            scene,
            fit_films(scene, with_found_responses(as_views(views, wanted)), is_size_kept=True),
            loss=wanted,
            priors=chosen.default_priors if priors is None else priors,
            initial=chosen.default_initial if initial is None else initial,
            ground_truth=ground_truth,
        )
        check_sight(problem)
        solved = partial(solve, problem, chosen, on_iteration, keep_transport=keep_transport)
        if refine is None:
            return solved()
        begun = time.perf_counter()
        refinement = Refiner(problem, refine).search()
        seconds = time.perf_counter() - begun
        return with_refinement(solved(), refinement, seconds)


def with_refinement(result: Estimate, refinement: Refinement, seconds: float) -> Estimate:
    """Add to a result what was refined before it, and the seconds that this took."""
    phases = {"refine": seconds, **result.phases}
    return replace(result, refinement=refinement, phases=phases, seconds=result.seconds + seconds)


def solve(
    problem: Problem,
    optimizer: Optimizer,
    on_iteration: OnIteration | None,
    keeper: Keeper | None = None,
    words: Callable[[Iteration], str] | None = None,
    *,
    keep_transport: bool = False,
) -> Estimate:
    """Solve a checked problem; see `estimate`.

    Args:
        problem: what to solve.
        optimizer: what solves it.
        on_iteration: see `estimate`.
        keeper: keeps the optimizer's state, and has that of an earlier run to go on from.
        words: says the numbers of an iteration after `on_iteration`; `numbers_of` if None.
        keep_transport: see `estimate`.
    """
    start = time.perf_counter()
    scene = problem.scene
    if keep_transport and isinstance(optimizer, Transport):
        optimizer = replace(optimizer, all_pixels=True)
    _LOGGER.info("%s, %s, %s", optimizer, counted(len(problem.views), "view"), problem.loss)
    with scene.envmap.holding(scene.envmap.texels), single_threaded_blas():
        with _reported(on_iteration, optimizer.num_steps, words or numbers_of) as reporting:
            solution = loop.run(optimizer, problem, reporting, keeper)
        started_coverage = time.perf_counter()
        coverage = _coverage(problem) if solution.coverage is None else solution.coverage
    found = _unfinished(solution)
    lacking = f"more {solution.steps}" if found else ""
    if found and solution.status == "done":
        warnings.warn(found, stacklevel=3)
    if solution.outliers is not None:
        warn_of_outliers(problem.views, solution.outliers)
    seconds = time.perf_counter()
    phases = ", ".join(f"{name} {value:.2f}" for name, value in solution.phases.items())
    _LOGGER.info("%s after %.2f s: %s", solution.status, seconds - start, phases)
    kept = solution.transport if keep_transport else None
    return Estimate(
        texels=solution.texels,
        history=solution.history,
        coverage=coverage,
        seconds=seconds - start,
        phases={**solution.phases, "coverage": seconds - started_coverage},
        status=solution.status,
        num_dropped=solution.num_dropped,
        posterior=solution.posterior,
        exposures=solution.exposures,
        transport=None if kept is None else kept.moved_to(HOST),
        outliers=solution.outliers,
        held_out=solution.held_out,
        parameterization=solution.parameterization,
        lacking=lacking,
        workers=_workers(solution),
        judged=partial(_judged, problem, solution, coverage, lacking),
    )


def _workers(solution: Solution) -> tuple[dict[str, Any], ...]:
    """What each worker has done, if workers hold the recording."""
    remote = None if solution.transport is None else solution.transport.remote
    return () if remote is None else tuple(remote.summed_up())


def _unfinished(solution: Solution) -> str:
    """Why a run ended too early; empty if it did not."""
    losses = solution.losses or [record.loss for record in solution.history]
    return "" if solution.is_settled else unfinished(losses, solution.steps)


def _judged(
    problem: Problem, solution: Solution, coverage: NDArray[np.float32], lacking: str
) -> Fit:
    """Render the first views under a solution, twice each, and compare."""
    views = problem.views[:MAX_JUDGED]
    sensors = [view.sensor for view in views]
    exposures = problem.exposures if solution.exposures is None else solution.exposures
    return judge(
        without_outliers(views, solution.outliers),
        rendered_pairs(problem.scene, solution.texels, FIT_SPP, sensors),
        exposures[: len(views)],
        motion=motion(solution.texels, problem.initial, coverage),
        objects=[_objects(problem.scene, view.sensor) for view in views],
        held_out=solution.held_out,
        parameterization=solution.parameterization,
        lacking=lacking,
    )


def _objects(scene: Scene, number: int) -> NDArray[np.bool_] | None:
    """Which pixels of a sensor show an object, shape (h, w); None if its rays do not tell."""
    sensor = scene.sensor(number)
    is_sharp = sensor.class_name() in SHARP
    return pixels_on_objects(scene.mi_scene, sensor) if is_sharp else None


def numbers_of(iteration: Iteration, metrics: Mapping[str, float] | None = None) -> str:
    """The errors and the loss of an iteration, each by its name.

    Args:
        iteration: has the loss, and with a ground truth the sum of squared errors.
        metrics: further errors of its map, by the names of `compare_maps`.
    """
    words = []
    if iteration.error is not None:
        words.append(f"sum of squared errors {iteration.error:.6g}")
    if metrics and "log_rmse" in metrics:
        words.append(f"log RMSE {metrics['log_rmse']:.4g}")
    return ", ".join([*words, f"loss {iteration.loss:.4g}"])


@contextmanager
def _reported(
    on_iteration: OnIteration | None, num_steps: int, words: Callable[[Iteration], str]
) -> Iterator[OnIteration | None]:
    """An `on_iteration` that also reports a stage, which begins with the first iteration."""
    if not is_watched():  # so that nothing is read from the device in vain
        yield on_iteration
        return
    with ExitStack() as held:
        stages: list[Stage] = []

        def report(iteration: Iteration) -> bool | None:
            if not stages:
                stages.append(held.enter_context(stage("Solving", num_steps)))
            is_ended = on_iteration(iteration) if on_iteration else None
            numbers = words(iteration)
            line = f"Iteration {iteration.index:03d}: {numbers}"
            stages[0].advance(iteration.index + 1, numbers, line)
            return is_ended

        yield report


def _coverage(problem: Problem) -> NDArray[np.float32]:
    """Mean over the views of T^T weights, rendered under a white map so that all is sampled."""
    problem.scene.envmap.write(np.ones_like(problem.initial))
    with stage("Measuring the coverage"):
        columns = [
            sum_of_transport(problem.scene, view.sensor, view.weights, COVERAGE_SPP)
            for view in problem.views
        ]
    return np.asarray(np.mean(columns, axis=0), np.float32)
