"""Recover the environment map from reference images."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.losses import Loss
from envmap_inverse.optimizers import loop
from envmap_inverse.optimizers.choices import default_optimizer
from envmap_inverse.optimizers.protocol import Keeper, Optimizer
from envmap_inverse.priors import Prior
from envmap_inverse.problem.fitting import fit_films
from envmap_inverse.problem.plausibility import checked
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.solution import Iteration, OnIteration, Record, Solution
from envmap_inverse.problem.view import ViewLike, as_views, start_exposures
from envmap_inverse.refining.choices import Refine, Refined
from envmap_inverse.refining.search import Refinement, Refiner
from envmap_inverse.scene.rendering import render, sum_of_transport
from envmap_inverse.scene.scene import Scene
from envmap_inverse.solving import notebook as display
from envmap_inverse.solving.arguments import check_kinds
from envmap_inverse.solving.fit import Fit, judge
from envmap_inverse.solving.notebook_progress import shown_in_notebook
from envmap_inverse.solving.saving import save
from envmap_inverse.sphere import latlong
from envmap_inverse.system.progress import Stage, is_watched, stage

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["Estimate", "estimate", "numbers_of", "solve", "with_refinement"]

COVERAGE_SPP = 16
FIT_SPP, MAX_JUDGED = 16, 6
_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Estimate:
    """A recovered environment map.

    Attributes:
        texels: linear RGB radiance, shape (H, W, 3), float32; a plain Adam may leave some negative.
        history: loss, error and seconds of each iteration.
        coverage: how strongly the views see each texel, shape (H, W, 3): the column sums of the
            light transport, averaged over the (unmasked) pixels and the channels; 0 where nothing
            is seen.
        seconds: the whole call.
        phases: seconds by phase.
        status: "done", "interrupted", or why the run ended early.
        num_dropped: steps that were not taken because of NaN or infinity.
        deviation: standard deviation of each texel, shape (H, W, 3), if the other texels were
            known: a lower bound. Only from `Transport`.
        exposures: of each view and channel, shape (views, 3), as given or estimated.
        refinement: the numbers of the scene that were refined; None if none were.
        judged: renders the pictures under the map, for `fit`.

    Example:
        >>> result: ei.Estimate = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
        >>> result.texels.shape, result.coverage.shape
        ((8, 16, 3), (8, 16, 3))
        >>> result
        <Estimate of 16 x 8 texels, done: ...>
        >>> result.save("light")
    """

    texels: NDArray[np.float32]
    history: tuple[Record, ...]
    coverage: NDArray[np.float32]
    seconds: float
    phases: dict[str, float]
    status: str = "done"
    num_dropped: int = 0
    deviation: NDArray[np.float32] | None = None
    exposures: NDArray[np.float32] | None = None
    refinement: Refinement | None = None
    judged: Callable[[], Fit] | None = field(default=None, repr=False)

    @cached_property
    def fit(self) -> Fit | None:
        """Whether the scene and the map explain the pictures; rendered at the first look.

        The scene must be as it was. None for a result that was not found by `estimate`.
        """
        return None if self.judged is None else self.judged()

    @property
    def refined(self) -> Mapping[str, Refined]:
        """Each refined number of the scene by name: before, after, and its deviation."""
        return {} if self.refinement is None else self.refinement.numbers

    @property
    def rgba(self) -> NDArray[np.float32]:
        """The texels as flat float32 (W*H*4,), alpha 1."""
        return latlong.flatten_rgba(self.texels)

    def save(self, folder: str | Path) -> None:
        """Write the result to a folder, which is made if there is none.

        `envmap.exr` and `envmap.png`, `coverage.exr`, `deviation.exr` if it is known,
        `history.jsonl` (a line per iteration) and `summary.json`, as `envmap-inverse estimate`
        leaves them. Files of an earlier `save` are replaced, each when the new one is complete;
        `summary.json` comes last.

        Args:
            folder: where.

        Raises:
            InputError: if the folder cannot be written, or holds a run of the command line.
            OSError: if the disk is full.
        """
        save(self, Path(folder))

    def plot(self, *, ground_truth: ArrayLike | None = None) -> Figure:
        """A matplotlib figure of the map, its coverage and the loss (extra `plot`).

        Args:
            ground_truth: the true map, shape (H, W, 3) of any size, to show beside it.

        Returns:
            The figure; `result.plot().savefig("map.pdf")` writes it.

        Raises:
            InputError: if matplotlib is not installed.
        """
        truth = None if ground_truth is None else np.asarray(ground_truth, np.float32)
        return display.to_figure(self.texels, self.coverage, self.history, ground_truth=truth)

    def __repr__(self) -> str:
        """One line: size, status, and how well it went."""
        height, width, _ = self.texels.shape
        seen = latlong.texel_solid_angles(height, width)[np.any(self.coverage > 0, axis=2)].sum()
        return (
            f"<Estimate of {width} x {height} texels, {self.status}: {len(self.history)} "
            f"iterations in {self.seconds:.3g} s, loss {self.history[-1].loss:.4g}, "
            f"{seen / (4 * np.pi):.0%} of the sphere seen>"
        )

    def _repr_html_(self) -> str:
        """The view in a notebook."""
        return display.to_html(
            self.texels, self.coverage, self.history, seconds=self.seconds, status=self.status
        )


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
    on_iteration: OnIteration | None = None,
) -> Estimate:
    """Recover the environment map that lit a scene when reference images of it were taken.

    In a notebook a progress bar is shown meanwhile.

    The scene's own map is not looked at, and is in place again at the end. Of numbers that no light
    has it warns; see `plausibility.checked`.

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
    check_kinds(scene, optimizer, loss, priors, refine)
    chosen = optimizer or default_optimizer(scene)()
    wanted = loss or chosen.default_loss
    with shown_in_notebook():
        posed = Problem.create(
            scene,
            fit_films(scene, as_views(views, wanted), is_size_kept=True),
            loss=wanted,
            priors=chosen.default_priors if priors is None else priors,
            initial=chosen.default_initial if initial is None else initial,
            ground_truth=ground_truth,
        )
        check_sight(problem := checked(posed))
        if refine is None:
            return solve(problem, chosen, on_iteration)
        begun = time.perf_counter()
        refinement = Refiner(problem, refine).search()
        seconds = time.perf_counter() - begun
        return with_refinement(solve(problem, chosen, on_iteration), refinement, seconds)


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
) -> Estimate:
    """Solve a checked problem; see `estimate`.

    Args:
        problem: what to solve.
        optimizer: what solves it.
        on_iteration: see `estimate`.
        keeper: keeps the optimizer's state, and has that of an earlier run to go on from.
        words: says the numbers of an iteration after `on_iteration`; `numbers_of` if None.
    """
    start = time.perf_counter()
    scene = problem.scene
    _LOGGER.info("%s, %d views, %s", optimizer, len(problem.views), problem.loss)
    with scene.envmap.holding(scene.envmap.texels):
        with _reported(on_iteration, optimizer.num_steps, words or numbers_of) as reporting:
            solution = loop.run(optimizer, problem, reporting, keeper)
        started_coverage = time.perf_counter()
        coverage = _coverage(problem) if solution.coverage is None else solution.coverage
    seconds = time.perf_counter()
    _LOGGER.info("%s after %.2f s: %s", solution.status, seconds - start, solution.phases)
    return Estimate(
        texels=solution.texels,
        history=solution.history,
        coverage=coverage,
        seconds=seconds - start,
        phases={**solution.phases, "coverage": seconds - started_coverage},
        status=solution.status,
        num_dropped=solution.num_dropped,
        deviation=solution.deviation,
        exposures=solution.exposures,
        judged=partial(_judged, problem, solution),
    )


def _judged(problem: Problem, solution: Solution) -> Fit:
    """Render the first views under a solution, twice each, and compare."""
    views = problem.views[:MAX_JUDGED]
    pairs = [
        (
            render(problem.scene, solution.texels, FIT_SPP, 2**31, view.sensor),
            render(problem.scene, solution.texels, FIT_SPP, 2**31 + 1, view.sensor),
        )
        for view in views
    ]
    exposures = solution.exposures
    if exposures is None:
        exposures, _ = start_exposures(problem.views)
    return judge(views, pairs, exposures[: len(views)])


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
