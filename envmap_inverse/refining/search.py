"""Search the numbers of a scene that are nearly known, on films from coarse to fine."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.least_squares.exposures import with_found_exposures
from envmap_inverse.optimizers.least_squares.solver import Settings
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.recordable import why_not_recordable
from envmap_inverse.refining.choices import Refine, Refined
from envmap_inverse.refining.levels import at_side, sides_of
from envmap_inverse.refining.reduced import Curvature, Fitted, Reduced
from envmap_inverse.refining.unknowns import Coordinates, Group, groups_of
from envmap_inverse.system.progress import Stage, stage

__all__ = ["Refinement", "Refiner"]

MAX_STEPS = 8
CLOSE, CLOSER = 0.1, 0.02
"""Steps, as shares of those of derivatives, after which a coarse film and the last one are left."""

LEAST_GAIN = 1e-4
"""Share of the misfit that a step has to take away for another one to follow."""

SHORTEST, FURTHEST = 1 / 4, 4
"""Multiples of a step that are still tried."""

ALONE = 1 / 4
"""Share of a derivative's step that stands for the error of a film where no coarser one is."""

LONGEST = 6.0
"""The longest step, in steps of derivatives: some pixels."""

_LOGGER = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Refinement:
    """What a search has found.

    Attributes:
        numbers: before and after, by name.
        values: the values of the scene's parameters that it set, by name, to be written into the
            scene; for shapes a matrix to put before their own `to_world`.
        coordinates: of the search, from which `Refiner.apply` sets the scene again.
        deviations: of the coordinates.
    """

    numbers: Mapping[str, Refined]
    values: Mapping[str, Any]
    coordinates: tuple[float, ...]
    deviations: tuple[float, ...]


class Refiner:
    """Refines a problem's scene."""

    def __init__(self, problem: Problem, choices: Refine) -> None:
        """Find the numbers in the scene.

        Raises:
            InputError: if it does not have them, or its light transport cannot be recorded.
        """
        reason = why_not_recordable(problem.scene)
        if reason is not None:
            raise InputError(f"refine: {reason}; leave it out")
        self._problem, self._choices = problem, choices
        for sensor in {view.sensor for view in problem.views}:
            problem.scene.drop_crop_window(sensor)
        self._groups: list[Group] = groups_of(problem, choices)
        self._unknowns = [unknown for group in self._groups for unknown in group.unknowns]
        self._priors = np.array([unknown.prior for unknown in self._unknowns])

    def apply(self, coordinates: Sequence[float] | Coordinates) -> None:
        """Set the scene to coordinates."""
        start = 0
        for group in self._groups:
            end = start + len(group.unknowns)
            group.apply(np.asarray(coordinates[start:end], np.float64))
            start = end

    def refinement(self, coordinates: Sequence[float], deviations: Sequence[float]) -> Refinement:
        """Set the scene to what was found, and describe it."""
        self.apply(coordinates)
        numbers = {
            unknown.name: unknown.refined(float(coordinate), float(deviation))
            for unknown, coordinate, deviation in zip(
                self._unknowns, coordinates, deviations, strict=True
            )
        }
        values: dict[str, Any] = {}
        for group in self._groups:
            values |= group.values()
        return Refinement(
            numbers=numbers,
            values=values,
            coordinates=tuple(map(float, coordinates)),
            deviations=tuple(map(float, deviations)),
        )

    def search(
        self,
        settings: Settings | None = None,
        seed: int = 0,
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> Refinement:
        """Find the numbers, and leave the scene with them.

        Gauss-Newton steps on the reduced misfit (see `reduced`) plus the priors are taken as far as
        they lower the misfit. A deviation has three parts: what the residuals' variance and the
        priors leave open, with independent residuals or with alike ones within blocks of 8 x 8
        pixels, whichever is larger; by how much the last, finer film moved the number, or an eighth
        of a pixel where there is one film only; and a last step that noise kept from being taken.

        Args:
            settings: of the inner solver.
            seed: of the random numbers.
            is_stopped: whether to end early, with what there is.
        """
        sides = sides_of(self._problem, self._choices.film)
        found, deviations = np.zeros(len(self._unknowns)), self._priors
        with stage("Refining the scene", len(sides)) as shown:
            for number, side in enumerate(sides):
                is_last = number == len(sides) - 1
                before = found
                with at_side(self._problem, side) as small:
                    reduced = self._reduced(small, found, settings or Settings(), seed)
                    found, deviations = _Climb(reduced, self._priors).run(
                        found, CLOSER if is_last else CLOSE, shown, is_stopped
                    )
                moved = found - before if number else ALONE * reduced.steps
                deviations = np.hypot(deviations, moved)
                shown.advance(number + 1, f"{side} pixels")
                if is_stopped():
                    break
        can_tell = np.array([unknown.can_tell for unknown in self._unknowns])
        deviations = np.where(can_tell, np.minimum(deviations, self._priors), self._priors)
        return self.refinement(found.tolist(), deviations.tolist())

    def _reduced(
        self, problem: Problem, start: Coordinates, settings: Settings, seed: int
    ) -> Reduced:
        """The misfit on one film, with exposures that suit the scene at the start."""

        def made(problem: Problem) -> Reduced:
            return Reduced(problem, self._unknowns, self.apply, settings=settings, seed=seed)

        if all(view.knows_exposure for view in problem.views):
            return made(problem)
        transport = made(problem).record(start)
        return made(with_found_exposures(problem, transport, settings))


class _Climb:
    """Gauss-Newton steps on one film."""

    def __init__(self, reduced: Reduced, priors: Coordinates) -> None:
        self._reduced, self._precision = reduced, priors**-2

    def run(
        self, start: Coordinates, close: float, shown: Stage, is_stopped: Callable[[], bool]
    ) -> tuple[Coordinates, Coordinates]:
        """Go from coordinates to better ones, and return them with their deviations."""
        at, fitted = start, self._reduced.fit(start)
        for _ in range(MAX_STEPS):
            curvature = self._reduced.curvature(at, fitted)
            step = self._step(at, curvature)
            size = float(np.max(abs(step) / self._reduced.steps))
            length, tried = self._along(at, step, fitted)
            _LOGGER.info("misfit %.5g, step %.3g x %.3g", fitted.misfit, length, size)
            shown.advance(shown.done, f"step of {size:.2g}")
            if tried is None:
                return at, np.hypot(self._deviations(curvature), step)
            gain = fitted.misfit - tried.misfit
            at, fitted = at + length * step, tried
            if length * size < close or gain < LEAST_GAIN * fitted.misfit or is_stopped():
                break
        return at, self._deviations(curvature)

    def _step(self, at: Coordinates, curvature: Curvature) -> Coordinates:
        """The Gauss-Newton step, shortened to some pixels."""
        hessian = curvature.hessian + np.diag(self._precision)
        step = np.linalg.solve(hessian, curvature.gradient - at * self._precision)
        longest = float(np.max(abs(step) / self._reduced.steps))
        return np.asarray(step * min(1.0, LONGEST / max(longest, 1e-30)))

    def _along(
        self, at: Coordinates, step: Coordinates, fitted: Fitted
    ) -> tuple[float, Fitted | None]:
        """The multiple of a step that lowers the misfit most, and the fit there; None if none.

        Longer ones are tried while they are better, and shorter ones if the step is too long.
        """
        best: tuple[float, Fitted | None] = (0.0, None)
        least, length, factor = fitted.misfit, 1.0, 2.0
        while SHORTEST <= length <= FURTHEST:
            tried = self._reduced.fit(at + length * step)
            if tried.misfit < least:
                best, least = (length, tried), tried.misfit
                if length < 1:
                    break
            elif length > 1:
                break
            else:
                factor = 0.5
            length *= factor
        return best

    def _deviations(self, curvature: Curvature) -> Coordinates:
        """See `Refiner.search`."""
        from_priors = np.diag(self._precision)
        inverse = np.linalg.inv(curvature.hessian + from_priors)
        sandwich = inverse @ (curvature.scatter + from_priors) @ inverse
        return np.asarray(np.sqrt(np.maximum(np.diag(inverse), np.diag(sandwich))))
