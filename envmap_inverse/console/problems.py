"""What a command asks to be found and minimized, and from which map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from envmap_inverse.console.options import given_files, make_loss, make_priors, number_or_image
from envmap_inverse.console.refining import make_refine
from envmap_inverse.console.scenes import read_ground_truth
from envmap_inverse.errors import Faults
from envmap_inverse.losses import Loss
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.priors import Prior
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.refining.choices import Refine
from envmap_inverse.scene.scene import Scene

__all__ = ["Goal"]


@dataclass(frozen=True, kw_only=True)
class Goal:
    """What a run is to find and to minimize; what is None is left to the optimizer.

    Attributes:
        loss: the loss.
        priors: the priors.
        refine: numbers of the scene to find with the map.
        initial: value of --initial.
        ground_truth: file of the true map, if it is known.
    """

    loss: Loss | None
    priors: tuple[Prior, ...] | None
    refine: Refine | None
    initial: str | None
    ground_truth: Path | None

    @classmethod
    def parse(
        cls,
        faults: Faults,
        loss: str | None,
        prior: list[str] | None,
        refine: list[str] | None,
        initial: str | None,
        ground_truth: Path | None,
    ) -> Goal:
        """Parse --loss, --prior and --refine; `faults` keeps what is wrong."""
        return cls(
            loss=faults.attempt(make_loss, loss),
            priors=faults.attempt(make_priors, prior),
            refine=faults.attempt(make_refine, refine),
            initial=initial,
            ground_truth=ground_truth,
        )

    @property
    def files(self) -> list[Path]:
        """The maps to read."""
        return given_files(self.ground_truth, self.initial)

    def problem(
        self, faults: Faults, scene: Scene, views: Sequence[View], optimizer: Optimizer
    ) -> Problem:
        """State the problem; `faults` keeps what is wrong with the true map.

        Raises:
            InputError: if there is no such problem; the faults kept before are reported with it.
        """
        initial = self.initial
        return faults.need(
            Problem.create,
            scene,
            views,
            loss=self.loss or optimizer.default_loss,
            priors=optimizer.default_priors if self.priors is None else self.priors,
            initial=optimizer.default_initial if initial is None else number_or_image(initial),
            ground_truth=faults.attempt(read_ground_truth, self.ground_truth, scene),
        )
