"""Least squares from frame to frame: each map is solved for from the last."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.optimizers.least_squares.conjugate_gradients import conjugate_gradients
from envmap_inverse.optimizers.least_squares.levels import least_values
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.optimizers.least_squares.restarting import restarted, widened
from envmap_inverse.optimizers.least_squares.solver import LeastSquares, Settings, Texels
from envmap_inverse.optimizers.least_squares.temporal import (
    LEAST_GAIN,
    Changes,
    Temporal,
    gain_of,
)
from envmap_inverse.optimizers.protocol import State
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.quadratics import Quadratic, Relative
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["Tracker"]

STEPS = 1, 2
"""Conjugate-gradient steps of a frame where nothing changes, and where anything does. Ties to the
last map make them enough."""

DARKEST = 1e-3
"""Share of the pictures' mean below which a texel counts as so bright for the size of a step."""

MOST_EXCESS = 100.0
"""So that a single pixel does not decide over all texels of which it sees a little."""

CHANGED = 0.6
"""Gain from which a texel's light has changed."""

MOST_RESTARTS = 3
"""Frames in which texels were solved for anew, after which the whole map is: few steps leave specks
where a light has been. It also is once no more are."""

RESTARTED, BEGUN_AGAIN = 0.3, 0.3
"""Share of strongly changed pixels among those that see a texel from which it is solved for anew;
and share of such texels from which the whole map is."""


class Tracker(LeastSquares):
    """Follows the light from frame to frame; shapes, cameras and exposures stay.

    A frame takes one round of a few conjugate-gradient steps from the last map. Texels whose pixels
    have changed by large factors are solved for anew before. The forms of the priors are renewed
    one a frame, in turn, and count less where the light has changed since.
    """

    def __init__(
        self,
        settings: Settings,
        problem: Problem,
        transport: LightTransport,
        *,
        texels: NDArray[np.float32],
        temporal: Temporal,
    ) -> None:
        """Start from the map of the first frame.

        Args:
            settings: how to solve.
            problem: has the first frame; its exposures are numbers.
            transport: the recording of its views, on the processor.
            texels: the first map, shape (H, W, 3).
            temporal: how the maps are tied.
        """
        super().__init__(settings, problem, transport)
        self._temporal = temporal
        self._columns = np.maximum(transport.rmatvec(self.weights), np.float32(1e-12))
        self._counts, self._is_seen = self.weights > 0, self.seen.all(axis=1)
        self._ages: Texels = np.ones((len(self.initial), 1), np.float32)
        self._waits = np.zeros(len(self.initial), np.int64)
        self._num_followed = self._num_restarts = 0
        light = texels.reshape(-1, 3) / np.float32(self.unit)
        self._go_on_from(np.asfortranarray(light, np.float32))
        self._changes = self._no_changes()

    def _go_on_from(self, texels: Texels) -> None:
        """Take a map, and make all that is kept from frame to frame."""
        self.texels = texels
        self.predicted = self.transport.matvec(texels)
        self.loss = self.pictures.mean_loss(self.predicted)
        self._recorded = self.transport.variance(texels)
        self._majorant: Texels | None = None
        self._bounds = self._least_values()
        _, self._factor = self.weighting()
        self._known = [texels] * len(self.problem.priors)
        self._forms = list(map(self._form, range(len(self._known))))

    def _form(self, number: int) -> Quadratic:
        """The form of a prior near the map that it knows."""
        shape = self.problem.initial.shape
        known, centre = (each.reshape(shape) for each in (self._known[number], self.centre))
        return self.problem.priors[number].quadratic(known, centre).times(self._factor)

    def _least_values(self) -> Texels:
        has_priors = bool(self.problem.priors)
        return least_values(self.texels, self.transport.resolution, has_priors)

    def follow(self, views: Sequence[View]) -> NDArray[np.float32]:
        """Solve for the map of the next frame.

        Args:
            views: its pictures, with the masks and exposures of the first.

        Returns:
            The map, shape (H, W, 3).
        """
        self.pictures.show(views)
        if self._temporal.weight == "auto":
            exact = self._counts & self.pictures.is_exact
            self._multiply(self._changes.common_factor(self.pictures.observed, exact))
        noise = self.pictures.noise(self.predicted)
        self._changes.add(self.pictures.observed, noise, self._counts)
        changed, is_new = self._changed()
        before = self._num_restarts
        self._num_restarts += bool(is_new.any())
        is_over = before == self._num_restarts > 0 or self._num_restarts == MOST_RESTARTS
        if is_over or is_new.mean() > BEGUN_AGAIN:
            self._begin_again()
        else:
            self._take_round(changed, is_new)
            self._renew()
        return self.as_map(self.texels)

    def state(self) -> State:
        """See `Solver`."""
        return {
            **super().state(),
            **self._changes.state(),
            "ages": self._ages,
            "waits": self._waits,
            "counts": np.array([self._num_restarts, self._num_followed]),
            "factor": np.array(self._factor),
            "known": np.array(self._known),
            "centre": self.centre,
            "recorded": self._recorded,
            "least": self._bounds,
            "majorant": np.zeros(0) if self._majorant is None else self._majorant,
        }

    def restore(self, state: Mapping[str, NDArray[Any]], num_done: int) -> None:
        """See `Solver`."""
        super().restore(state, num_done)
        self._changes.restore(state)
        self._ages, self._waits = state["ages"], state["waits"]
        self._num_restarts, self._num_followed = state["counts"].tolist()
        self._factor, self.centre = float(state["factor"]), state["centre"]
        self._known = list(state["known"])
        self._forms = list(map(self._form, range(len(self._known))))
        self._recorded, self._bounds = state["recorded"], state["least"]
        self._majorant = state["majorant"] if state["majorant"].size else None

    def _changed(self) -> tuple[Texels, NDArray[np.bool_]]:
        """How far the light of each texel has changed, as a gain, and which to solve for anew.

        Returns:
            Shapes (H * W, 1) and (H * W,).
        """
        excess = np.minimum(self._changes.excess, np.float32(MOST_EXCESS)).mean(axis=1)
        strong = self._changes.is_strong.any(axis=1)
        # All channels of a pixel tell of a change; each takes one product of a channel.
        pixels, weights = np.zeros_like(self.predicted), self.weights[:, 0]
        pixels[:, 0], pixels[:, 1] = weights * excess, weights * strong
        means = self.transport.rmatvec(pixels) / self._columns
        is_new = widened(means[:, 1] > RESTARTED, self.transport.resolution) & self._is_seen
        return gain_of(means[:, :1]).astype(np.float32), is_new

    @functools.cached_property
    def _usual_columns(self) -> NDArray[np.float32]:
        """Coverage of a usual texel that is seen, in each channel."""
        return np.asarray(np.median(self._columns[self._is_seen], axis=0), np.float32)

    def _multiply(self, factors: NDArray[np.float32]) -> None:
        """Multiply all light by a factor for each channel."""
        self.texels = self.texels * factors
        self.predicted = self.predicted * factors
        self._bounds = self._bounds * factors
        self._recorded = self._recorded * factors**2

    def _begin_again(self) -> None:
        """Solve as for a first frame."""
        self.begin()
        self.run()
        self._ages, self._waits = np.ones_like(self._ages), np.zeros_like(self._waits)
        self._go_on_from(self.texels)
        self._changes, self._num_restarts = self._no_changes(), 0

    def _no_changes(self) -> Changes:
        noise = self.pictures.noise(self.predicted)
        shapes = [view.image.shape[:2] for view in self.problem.views]
        return Changes(shapes, self.pictures.observed, noise, self._recorded)

    def _take_round(self, changed: Texels, is_new: NDArray[np.bool_]) -> None:
        """Solve for the texels that are new, then take a step of least squares on the others.

        New texels wait until all forms of priors know of them.
        """
        self._waits = np.where(is_new, len(self._forms) + 1, np.maximum(self._waits - 1, 0))
        waits = (self._waits > 0)[:, None]
        changed = np.where(waits, np.float32(1), changed)
        gain = np.maximum(1 / (1 + self._ages), changed)
        self._ages = np.where(waits, np.float32(0), 1 / gain)
        bounds = self._bounds * (1 - changed)
        if is_new.any():
            self.texels = restarted(
                *(self.transport, self.texels, is_new),
                predicted=self.predicted,
                target=self.pictures.target(self.predicted),
                weights=self.weights[:, 0],
                usual=self._usual_columns,
            )
            self.predicted = self.transport.matvec(self.texels)
            self._recorded = self.transport.variance(self.texels)
        target = self.pictures.target(self.predicted)
        of_loss = self.pictures.loss_weights(self.predicted)
        weights = self._weights(of_loss)
        weights *= self.pictures.is_exact | (target == self.pictures.observed)
        if self._majorant is None or is_new.any():
            light = np.maximum(self.texels, np.float32(DARKEST))
            self._majorant = self.transport.rmatvec(weights * self.predicted) / light
        forms = self._forms_with_tie(changed, gain, self._majorant)
        pull = sum(form.matrix @ (self.texels - form.centre) for form in forms)
        gradient = self.transport.rmatvec(weights * (self.predicted - target)) + pull
        free = ((self.texels > bounds) | (gradient < 0)) & ~waits
        diagonal = self._majorant + sum(_as_columns(form.matrix.diagonal()) for form in forms)
        none = np.zeros(0, np.float32)
        step = conjugate_gradients(
            self._hessian(weights, forms),
            self._vector(-gradient * free, none),
            self._vector(np.maximum(diagonal, np.float32(1e-20)), none),
            self._vector(free, none) > 0,
            STEPS[bool((gain > CHANGED).any())],
            self.settings.tolerance,
        )
        self.texels = np.maximum(self.texels + self._texels_of(step), bounds)
        self.predicted = self.transport.matvec(self.texels)
        missing = self.pictures.target(self.predicted) - self.predicted
        self.loss = float(np.sum(self.weights * of_loss * missing**2)) / 3

    def _weights(self, loss: Pixels) -> Pixels:
        """Those of `weighting`, with the variance that the recording had last."""
        noise = self.pictures.noise(self.predicted) + self._recorded
        floor = np.float32(self.settings.noise_floor**2)
        weights: Pixels = self.weights * loss / (1 + loss * noise / floor)
        return weights

    def _forms_with_tie(self, changed: Texels, gain: Texels, majorant: Texels) -> list[Quadratic]:
        """The forms of the priors, less where the light has changed, and the tie to the last map.

        T' W T <= diag((T' W T x) / x) for any x > 0 (De Pierro 1995): a frame that is tied to the
        last one by (1 - gain) / gain times that has at most the share `gain` in the map.
        """
        changed = np.where((self._waits > 0)[:, None], changed, np.float32(LEAST_GAIN))
        fade = np.sqrt((1 - changed) / np.float32(1 - LEAST_GAIN))
        forms = [Quadratic(matrix=Relative(f.matrix, fade), centre=f.centre) for f in self._forms]
        if self._temporal.weight == "auto":
            tie = (1 - gain) / gain * majorant
        else:
            last = self.texels.reshape(self.problem.initial.shape)
            tie = self._temporal.quadratic(last, last).matrix.diagonal()[:, None]
        return [*forms, Quadratic(matrix=_Diagonal(tie), centre=self.texels)]

    def _renew(self) -> None:
        """Renew the form of one prior, or what else depends on the map, in turn."""
        number = self._num_followed % (1 + len(self._forms))
        self._num_followed += 1
        if number < len(self._forms):
            self._known[number] = self.texels
            self._forms[number] = self._form(number)
        else:
            self._recorded = self.transport.variance(self.texels)
            self._bounds = self._least_values()
            self._majorant = None


def _as_columns(diagonal: NDArray[Any]) -> Texels:
    """A diagonal (H * W,) or (H * W, channels) as the latter."""
    return diagonal.reshape(len(diagonal), -1)


@dataclass(frozen=True, eq=False)
class _Diagonal:
    """A diagonal matrix, with entries (H * W, 1 or 3)."""

    entries: Texels

    def __matmul__(self, texels: Texels) -> Texels:
        product: Texels = self.entries * texels
        return product

    def diagonal(self) -> Texels:
        return self.entries
