"""The result of an estimate."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError, check_counts, check_numbers, check_path, check_seed
from envmap_inverse.problem.numbers_posterior import AnyPosterior
from envmap_inverse.problem.solution import HeldOut, Record
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.refining.choices import Refined
from envmap_inverse.refining.search import Refinement
from envmap_inverse.solving import notebook as display
from envmap_inverse.solving.fit import Fit
from envmap_inverse.solving.saving import save
from envmap_inverse.sphere import latlong

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["MAX_SAMPLES", "Estimate"]

MAX_SAMPLES = 10_000


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
        exposures: of each view and channel, shape (views, 3), as given or estimated.
        transport: the recorded light transport, if `estimate` was asked to keep it.
        outliers: of each view, which pixels were left out as no map explains them together with the
            others, shape (h, w); None if the optimizer does not look for any.
        held_out: how well pixels were predicted that all rounds but the last left out; None if the
            optimizer holds none out.
        parameterization: the few numbers that were solved for, such as "SH(order=2)"; empty if they
            are those of the texels.
        lacking: what a run that ended too early lacks, such as "more iterations"; empty for others.
        refinement: the numbers of the scene that were refined; None if none were.
        workers: of each worker of an executor its number, machine, shards, entries, bytes, and how
            often it was started again, as `summary.json` has them; empty if none was used.
        judged: renders the pictures under the map, for `fit`.
        posterior: how sure the map is; from `Transport`. It holds the recorded light transport.

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
    exposures: NDArray[np.float32] | None = None
    transport: LightTransport | None = field(default=None, repr=False)
    outliers: tuple[NDArray[np.bool_], ...] | None = None
    held_out: HeldOut | None = None
    parameterization: str = ""
    lacking: str = ""
    refinement: Refinement | None = None
    workers: tuple[dict[str, Any], ...] = ()
    judged: Callable[[], Fit] | None = field(default=None, repr=False)
    posterior: AnyPosterior | None = field(default=None, repr=False)

    @cached_property
    def fit(self) -> Fit | None:
        """Whether the scene and the map explain the pictures; rendered at the first look.

        The scene must be as it was. None for a result that was not found by `estimate`.
        """
        return None if self.judged is None else self.judged()

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which texels any view sees, shape (H, W)."""
        return np.asarray(np.any(self.coverage > 0, axis=2))

    @property
    def deviation(self) -> NDArray[np.float32] | None:
        """Standard deviation of each texel, shape (H, W, 3); None if the optimizer knows none.

        It takes a second or so when first asked for; see `Posterior` for what it means.
        """
        return None if self.posterior is None else self.posterior.deviation

    def interval(self, probability: float = 0.9) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Radiance between which each texel lies with a probability.

        Args:
            probability: between 0 and 1.

        Returns:
            The lower and the upper ends, shape (H, W, 3) each.

        Raises:
            InputError: if the probability is none, or the optimizer reports no uncertainty.
        """
        check_numbers(probability=probability, least=0, most=1)
        if not 0 < probability < 1:
            raise InputError(f"probability must lie between 0 and 1; found {probability}")
        return self._known_posterior().interval(probability)

    def samples(self, count: int = 16, seed: int = 0) -> NDArray[np.float32]:
        """Draw maps at random that explain the pictures as well as the map does.

        What the pictures tell is the same in all of them; what they do not tell differs, by waves
        of 9 degrees and more.

        Args:
            count: how many.
            seed: the same seed gives the same maps.

        Returns:
            Shape (count, H, W, 3).

        Raises:
            InputError: if count < 1, or the optimizer reports no uncertainty.
        """
        check_counts(count=count, most=MAX_SAMPLES)
        check_numbers(count=count)  # None
        check_seed(seed)
        return self._known_posterior().samples(int(count), seed)

    def variance_of(self, weights: ArrayLike) -> float:
        """Variance of a sum of the map's values, such as an irradiance or the energy of a lamp.

        It is that among 64 random maps (see `samples`), always the same ones. Sums over less than
        9 degrees leave out detail; for single texels ask for the `deviation`.

        Args:
            weights: of the values, shape (H, W, 3), or (H, W) for those of all channels.

        Returns:
            The variance, in radiance squared times weights squared.

        Raises:
            InputError: if the weights have another shape or hold NaN or infinity, or the optimizer
                reports no uncertainty.

        Example:
            >>> result = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
            >>> sky = np.zeros(result.texels.shape)
            >>> sky[:4] = 1
            >>> result.variance_of(sky) > 0
            True
        """
        posterior = self._known_posterior()
        factors = np.asarray(weights, np.float64)
        factors = factors[:, :, None] if factors.ndim == 2 else factors
        if factors.shape not in {self.texels.shape, (*self.texels.shape[:2], 1)}:
            raise InputError(
                f"weights must have the map's shape {self.texels.shape}; found {np.shape(weights)}"
            )
        if not np.isfinite(factors).all():
            raise InputError("weights hold NaN or infinity")
        sums = np.sum(posterior.some_samples * factors, axis=(1, 2, 3))
        return float(np.var(sums, ddof=1))

    def _known_posterior(self) -> AnyPosterior:
        if self.posterior is None:
            raise InputError("this map's uncertainty is not known; estimate it with ei.Transport()")
        return self.posterior

    @property
    def refined(self) -> Mapping[str, Refined]:
        """Each refined number of the scene by name, with its deviation and what it was before."""
        return {} if self.refinement is None else self.refinement.numbers

    @property
    def rgba(self) -> NDArray[np.float32]:
        """The texels as flat float32 (W*H*4,), alpha 1."""
        return latlong.flatten_rgba(self.texels)

    def save(self, folder: str | Path, *, overwrite: bool = False) -> None:
        """Write the result to a folder, which is made if there is none.

        `envmap.exr` and `envmap.png`, `coverage.exr`, `seen.exr`, `deviation.exr` if it is known,
        `history.jsonl` (a line per iteration) and `summary.json`, as `envmap-inverse estimate`
        leaves them. Each file is replaced when the new one is complete; `summary.json` comes last.

        Args:
            folder: where.
            overwrite: whether files of an earlier `save` may be replaced.

        Raises:
            InputError: if the folder cannot be written, has files of an earlier `save` and
                `overwrite` is not set, or holds a run of the command line.
            OSError: if the disk is full.
        """
        save(self, check_path(folder), overwrite=overwrite)

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
        seen = latlong.texel_solid_angles(height, width)[self.seen].sum()
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
