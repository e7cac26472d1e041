"""The contract between optimizers and the loop that runs them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from numpy.typing import NDArray

from envmap_inverse.losses import Loss
from envmap_inverse.priors import Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Record, Solution
from envmap_inverse.recording.light_transport import LightTransport

__all__ = ["Keeper", "Optimizer", "Solver", "State", "Step"]

State = Mapping[str, NDArray[Any]]
"""The arrays from which the next step of a run follows."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """One iteration of a solver. Numbers and arrays may stay on the device until they are read.

    Attributes:
        loss: mean loss of the pictures, without priors: a number, or a device array of one.
        texels: returns the map after the step, shape (H, W, 3).
        image: returns the first view as the step rendered it, shape (h, w, 3).
        error: sum of squared errors of the map, if the step knows it; else the loop measures it.
        ending: empty to go on; "done", or the reason why the run must end after this step.
    """

    loss: Any
    texels: Callable[[], NDArray[Any]]
    image: Callable[[], NDArray[Any]]
    error: Any = None
    ending: str = ""


class Solver(Protocol):
    """An optimizer at work on one problem.

    One that may be done before its last step also has the attribute `is_finished`: whether it is.
    """

    def step(self, index: int) -> Step:
        """Take one step; `index` counts from 0 and goes on where a restored run was."""

    def state(self) -> State:
        """Return copies of the arrays from which the next step follows."""

    def restore(self, state: State, num_done: int) -> None:
        """Go on from the state that a solver of the same problem had after `num_done` steps.

        Raises:
            InputError: if the state does not fit.
        """

    def solution(self) -> Solution:
        """Return the result so far; the loop adds its history, seconds and status."""


class Optimizer(Protocol):
    """Settings from which a solver starts. `loop.run` does the rest.

    Attributes:
        default_loss: the loss where none is asked for.
        default_priors: the priors where none are asked for.
        default_initial: the start map where none is asked for; None for the pictures' mean.
        num_steps: number of steps, at most.

    One that has the attribute `seconds`, and not None, ends after the first step that is later.

    Example:
        >>> optimizers: list[ei.Optimizer] = [ei.Adam(), ei.Transport()]
        >>> [type(optimizer.default_loss).__name__ for optimizer in optimizers]
        ['MSE', 'QuasiLikelihood']
    """

    @property
    def default_loss(self) -> Loss: ...  # noqa: D102

    @property
    def default_priors(self) -> tuple[Prior, ...]: ...  # noqa: D102

    @property
    def default_initial(self) -> float | None: ...  # noqa: D102

    @property
    def num_steps(self) -> int: ...  # noqa: D102

    def start(self, problem: Problem, keeper: Keeper | None = None) -> Solver:
        """Prepare to solve a problem. The keeper may have a recording of its light transport."""


class Keeper(Protocol):
    """Keeps the state of a run, so that a killed run can go on; see `Checkpoints`."""

    def offer(
        self, state: Callable[[], tuple[Sequence[Record], State]], *, is_last: bool = False
    ) -> None:
        """Take the iterations so far, and the arrays from which the next one follows."""

    def restore(self) -> tuple[list[Record], dict[str, NDArray[Any]]] | None:
        """Return what was taken last; None if nothing was."""

    def keep_transport(self, transport: LightTransport) -> None:
        """Take a recording that the optimizer needs again to go on."""

    def transport(self) -> LightTransport | None:
        """Return the recording that was taken; None if there is none."""
