"""Recover the maps of a sequence: object and cameras stand still, the light changes."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import cast

from numpy.typing import ArrayLike

from envmap_inverse.errors import InputError, in_short
from envmap_inverse.losses import Loss
from envmap_inverse.optimizers.automatic_weights import with_chosen_weights
from envmap_inverse.optimizers.least_squares.temporal import Temporal
from envmap_inverse.optimizers.least_squares.tracking import Tracker
from envmap_inverse.optimizers.protocol import Keeper, State
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.priors import Prior
from envmap_inverse.problem.fitting import fit_films, resized
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.sight import check_sight
from envmap_inverse.problem.solution import OnIteration, Record
from envmap_inverse.problem.view import View, ViewLike, as_views
from envmap_inverse.scene.scene import Scene
from envmap_inverse.solving.arguments import check_kinds
from envmap_inverse.solving.estimate import Estimate, solve
from envmap_inverse.solving.outliers import without_outliers

__all__ = ["Follower", "as_taken", "check_sequence", "estimate_sequence"]

_UNNAMED = View.name


def estimate_sequence(
    scene: Scene,
    frames: Iterable[ViewLike | Sequence[ViewLike]],
    *,
    temporal: Temporal | None = None,
    optimizer: Transport | None = None,
    loss: Loss | None = None,
    priors: Sequence[Prior] | None = None,
    initial: float | ArrayLike | None = None,
) -> Iterator[Estimate]:
    """Recover a map for each frame of a sequence; only the light changes.

    The light transport is recorded once. The first frame is solved for as by `estimate`; each map
    after it comes from the one before in a fraction of the time, and flickers less: see `Temporal`.
    Where the light changes by large factors, it is found anew.

    Frames are taken one by one, as maps are asked for, so that they may come from a camera. Noise,
    masks and outliers are those of the first frame. Maps after the first have no `deviation`.

    Args:
        scene: geometry, materials and sensors, as for `estimate`.
        frames: each is a picture as for `estimate`, or a list of one for each sensor; all frames
            have the sizes of the first. Exposures of a `View` may change if they are numbers.
        temporal: how strongly successive maps are tied; `Temporal()` by default.
        optimizer: `Transport()` by default.
        loss: see `estimate`.
        priors: see `estimate`.
        initial: start map of the first frame; see `estimate`.

    Returns:
        An iterator of estimates, one for each frame.

    Raises:
        InputError: if anything does not fit the scene or the first frame; the message names it.
            Maps of the frames before have been returned by then.

    Example:
        >>> frames = [image, 0.9 * image, 0.8 * image]
        >>> light = ei.estimate_sequence(scene, frames, optimizer=ei.Transport(spp=4))
        >>> [result.texels.shape for result in light]
        [(8, 16, 3), (8, 16, 3), (8, 16, 3)]
    """
    check_kinds(scene, optimizer, loss, priors)
    chosen = optimizer or Transport()
    check_sequence(chosen, temporal)
    try:
        rest = iter(frames)
    except TypeError:
        raise InputError(f"frames: found {in_short(frames)}; give a list of pictures") from None
    wanted = loss or chosen.default_loss

    def results() -> Iterator[Estimate]:
        first = next(rest, None)
        if first is None:
            raise InputError("frames: there are none; give one at least")
        views = _named(_read(first, wanted, 0), 0)
        problem = Problem.create(
            scene,
            fit_films(scene, views, is_size_kept=True),
            loss=wanted,
            priors=chosen.default_priors if priors is None else priors,
            initial=chosen.default_initial if initial is None else initial,
        )
        check_sight(problem)
        follower = Follower(problem, chosen, temporal or Temporal())
        yield follower.begin()
        sizes = [view.image.shape for view in views]
        for number, frame in enumerate(rest, 1):
            taken = _named(_read(frame, wanted, number), number)
            _check_sizes(taken, sizes, number)
            yield follower.follow(
                [as_taken(view, like) for view, like in zip(taken, problem.views, strict=True)]
            )

    return results()


def check_sequence(optimizer: object, temporal: object) -> None:
    """Check that an optimizer and a tie can follow frames.

    Raises:
        InputError: if not.
    """
    if not isinstance(optimizer, Transport):
        raise InputError(
            f"optimizer: {type(optimizer).__name__} cannot follow frames; use Transport"
        )
    if not isinstance(temporal, Temporal | None):
        raise InputError(f"temporal: found {type(temporal).__name__}; give a Temporal")


class Follower:
    """Solves for one frame after the other."""

    def __init__(
        self,
        problem: Problem,
        optimizer: Transport,
        temporal: Temporal,
        keeper: Keeper | None = None,
    ) -> None:
        """Prepare to follow.

        Args:
            problem: states the first frame.
            optimizer: solves it.
            temporal: ties the maps.
            keeper: keeps the recording.
        """
        self._problem, self._optimizer, self._temporal = problem, optimizer, temporal
        self._keeper = keeper
        self._num_done = 0

    def begin(self, on_iteration: OnIteration | None = None) -> Estimate:
        """Solve for the first frame, which may be interrupted."""
        first = solve(
            *(self._problem, self._optimizer, on_iteration, self._keeper), keep_transport=True
        )
        kept = first.transport or recorded(self._problem, spp=1, seed=self._optimizer.seed)
        transport = kept.gathered()
        exposures = self._problem.exposures if first.exposures is None else first.exposures
        views = tuple(
            replace(view, exposure=exposure)
            for view, exposure in zip(
                without_outliers(self._problem.views, first.outliers), exposures, strict=True
            )
        )
        self._problem = replace(self._problem, views=views)
        problem = with_chosen_weights(
            self._optimizer, self._problem, transport, self._optimizer.seed
        )
        self._tracker = Tracker(
            *(self._optimizer, problem, transport), texels=first.texels, temporal=self._temporal
        )
        self._first = first
        self._num_done = 1
        self._begun = time.perf_counter()
        return first

    def follow(self, views: Sequence[View]) -> Estimate:
        """Solve for the next frame, given its pictures as `as_taken` makes them."""
        begun = time.perf_counter()
        exposed = [
            view if view.knows_exposure else replace(view, exposure=first.exposure)
            for view, first in zip(views, self._problem.views, strict=True)
        ]
        texels = self._tracker.follow(exposed)
        seconds = time.perf_counter() - begun
        record = Record(
            index=self._num_done,
            loss=self._tracker.loss,
            error=None,
            seconds=time.perf_counter() - self._begun,
        )
        self._num_done += 1
        return replace(
            self._first,
            texels=texels,
            history=(record,),
            seconds=seconds,
            phases={"solve": seconds},
            status="done",
            exposures=self._tracker.gains.exposures,
            posterior=None,
            judged=None,
        )

    def state(self) -> State:
        """Return the arrays from which the next frame follows."""
        return self._tracker.state()

    def restore(self, state: State, num_done: int) -> None:
        """Go on after so many frames; `begin` was called."""
        self._tracker.restore(state, num_done)
        self._num_done = num_done


def as_taken(view: View, like: View) -> View:
    """A picture of a later frame at the size of the first, with its mask, noise and sensor."""
    height, width, _ = like.image.shape
    return replace(
        resized(view, width, height), mask=like.mask, noise=like.noise_model, sensor=like.sensor
    )


def _named(views: Sequence[View], number: int) -> tuple[View, ...]:
    """Views of a frame; those of arrays are named after it."""
    return tuple(
        replace(view, name=f"frame {number}") if view.name == _UNNAMED else view for view in views
    )


def _read(frame: object, loss: Loss, number: int) -> tuple[View, ...]:
    """The views of a frame; errors name it."""
    try:
        return as_views(cast("ViewLike", frame), loss)
    except InputError as error:
        words = str(error).removeprefix(f"{_UNNAMED}: ")
        raise InputError(words if words == str(error) else f"frame {number}: {words}") from None


def _check_sizes(views: Sequence[View], sizes: Sequence[tuple[int, ...]], number: int) -> None:
    """Refuse a frame that does not have the pictures of the first."""
    if len(views) != len(sizes):
        raise InputError(
            f"frame {number}: has {len(views)} pictures, but the first frame {len(sizes)}"
        )
    for view, size in zip(views, sizes, strict=True):
        if view.image.shape != size:
            raise InputError(
                f"{view.name}: is {view.image.shape[1]} x {view.image.shape[0]}, but the first "
                f"frame is {size[1]} x {size[0]}; frames must have one size"
            )
