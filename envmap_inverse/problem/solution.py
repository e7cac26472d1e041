"""Results of a solver: its solution, and a report of each iteration."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.problem.numbers_posterior import AnyPosterior
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["HeldOut", "Iteration", "OnIteration", "Record", "Solution"]


@dataclass(frozen=True, kw_only=True)
class Record:
    """One line of a history.

    Attributes:
        index: iteration, from 0.
        loss: mean loss of the pictures, without priors: before the step of an Adam iteration, after
            a round of the transport optimizer.
        error: sum of squared errors of the map after it; None without a ground truth.
        seconds: since the optimizer began.
    """

    index: int
    loss: float
    error: float | None
    seconds: float

    def as_dict(self) -> dict[str, Any]:
        """Return the four numbers by name, as a line of `history.jsonl` has them."""
        return {each.name: getattr(self, each.name) for each in fields(Record)}


@dataclass(frozen=True, kw_only=True)
class Iteration(Record):
    """The argument of `on_iteration`; its arrays are copied to NumPy when they are read.

    Attributes:
        texels_on_device: makes `texels`.
        image_on_device: makes `image`.

    Example:
        >>> def stop_early(iteration: ei.Iteration) -> bool:
        ...     return iteration.index == 1
        >>> adam = ei.Adam(iterations=9)
        >>> len(ei.estimate(scene, image, optimizer=adam, on_iteration=stop_early).history)
        2
    """

    texels_on_device: Callable[[], NDArray[np.float32]] = field(repr=False)
    image_on_device: Callable[[], NDArray[np.float32]] = field(repr=False)

    @cached_property
    def texels(self) -> NDArray[np.float32]:
        """The map after this iteration, shape (H, W, 3)."""
        return self.texels_on_device()

    @cached_property
    def image(self) -> NDArray[np.float32]:
        """The first view as this iteration rendered it, shape (h, w, 3)."""
        return self.image_on_device()


OnIteration = Callable[[Iteration], bool | None]
"""Called after each iteration; returning True ends the run, which keeps what it has."""


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """How well a map predicts pixels that it was not fitted to.

    Attributes:
        chi2: mean square of their residuals over the variance to be expected: of noise, of the
            recording, of texels that no other pixel sees, and of an error of 3 %. About 1 if the
            scene, the noise and the map are right.
        num_pixels: how many they are.
    """

    chi2: float
    num_pixels: int

    @property
    def spread(self) -> float:
        """Standard deviation of `chi2` to be expected: sqrt(2 / pixels), as channels are alike."""
        return float((2 / self.num_pixels) ** 0.5)

    def as_dict(self) -> dict[str, float]:
        """The numbers, by their names in `summary.json`."""
        return {"chi2": self.chi2, "spread": self.spread, "pixels": self.num_pixels}


@dataclass(frozen=True, kw_only=True, eq=False)
class Solution:
    """The result of an optimizer.

    Attributes:
        texels: the map, shape (H, W, 3).
        history: a record per iteration.
        phases: seconds by phase.
        status: "done", "interrupted", or why the run ended early.
        num_dropped: steps that were not taken because of NaN or infinity.
        coverage: column sums of the light transport, if the optimizer knows them.
        posterior: how sure the map is, if the optimizer knows it.
        exposures: of each view and channel, shape (views, 3).
        transport: the recorded light transport, if there is one.
        outliers: of each view, which pixels were left out as no map explains them, shape (h, w);
            None if the optimizer does not look for any.
        held_out: how well pixels were predicted that all rounds but the last left out; None if the
            optimizer holds none out.
        parameterization: the few numbers that were solved for, such as "SH(order=2)"; empty if they
            are those of the texels.
        losses: of the steps by which it is judged whether the run ended too early, where these are
            not those of the history.
        is_settled: whether the optimizer knows that further steps would be in vain.
        steps: what its user calls them, to ask for more where a run ended too early.

    Example:
        >>> ei.Solution(texels=np.ones((8, 16, 3), np.float32))
        <Solution of 16 x 8 texels, done: 0 iterations>
    """

    texels: NDArray[np.float32]
    history: tuple[Record, ...] = ()
    phases: dict[str, float] = field(default_factory=dict)
    status: str = "done"
    num_dropped: int = 0
    coverage: NDArray[np.float32] | None = None
    posterior: AnyPosterior | None = None
    exposures: NDArray[np.float32] | None = None
    transport: LightTransport | None = None
    outliers: tuple[NDArray[np.bool_], ...] | None = None
    held_out: HeldOut | None = None
    parameterization: str = ""
    losses: tuple[float, ...] = ()
    is_settled: bool = False
    steps: str = "iterations"

    def __repr__(self) -> str:
        """One line."""
        height, width, _ = self.texels.shape
        last = f", loss {self.history[-1].loss:.4g}" if self.history else ""
        return (
            f"<Solution of {width} x {height} texels, {self.status}: {len(self.history)} "
            f"iterations{last}>"
        )
