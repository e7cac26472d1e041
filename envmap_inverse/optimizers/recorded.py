"""Shared by optimizers on the recorded light transport: the recording, and the objective on it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import Keeper, Step
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.recording.ray import Executor
from envmap_inverse.recording.rows import shared_rows
from envmap_inverse.system.arrays import HOST, Library

__all__ = ["Objective", "fitting", "kept_recording", "recorded"]

Texels = NDArray[Any]
"""Shape (H * W, 3)."""

Pixels = NDArray[Any]
"""Shape (pixels of all views, 3)."""


def recorded(
    problem: Problem,
    keeper: Keeper | None = None,
    *,
    spp: int,
    seed: int,
    memory_budget: int | None = None,
    library: Library = HOST,
    executor: Executor | None = None,
    earlier: LightTransport | None = None,
    most_spp: int | None = None,
) -> LightTransport:
    """The recording that a keeper has of the problem's views, or a new one, which it is given.

    Args:
        problem: what to record.
        keeper: keeps the recording for a run that goes on.
        spp: paths per pixel.
        seed: of the paths.
        memory_budget: bytes for paths in flight; None for a quarter of what is free.
        library: whose matrices the recording has.
        executor: records elsewhere; what it holds is not kept, as it can record it again.
        earlier: a recording of fewer paths to go on with.
        most_spp: paths per pixel to which it may grow; None for `spp`.
    """
    keeper = None if executor else keeper
    if kept := kept_recording(problem, keeper, library):
        return kept
    views = problem.views
    transport = LightTransport.record(
        *(problem.scene, [view.sensor for view in views]),
        masks=[view.mask for view in views],
        spp=spp,
        seed=seed,
        memory_budget=memory_budget,
        library=library,
        executor=executor,
        earlier=earlier,
        most_spp=most_spp,
        block=problem.block,
    )
    if keeper:
        keeper.keep_transport(transport)
    return transport


def kept_recording(
    problem: Problem, keeper: Keeper | None, library: Library = HOST
) -> LightTransport | None:
    """The recording that a keeper has of a problem's views; None if there is none."""
    kept, views = keeper.transport() if keeper else None, problem.views
    if kept is None or kept.resolution != problem.scene.envmap.resolution:
        return None
    _, rows = shared_rows(
        [view.image.shape[1::-1] for view in views],
        [view.sensor for view in views],
        [view.mask for view in views],
    )
    return kept.moved_to(library) if np.array_equal(kept.rows, rows) else None


def fitting(recording: LightTransport, problem: Problem) -> LightTransport:
    """The views of a problem in an earlier recording of the same scene.

    Its pictures may be others, and others of their pixels may count.

    Raises:
        InputError: if it is a recording of another scene, film or map, or lacks a pixel.
    """
    scene, views = problem.scene, problem.views
    if recording.resolution != scene.envmap.resolution:
        raise InputError(
            f"recording: of a map of {_words(recording.resolution)} texels, but the scene's has "
            f"{_words(scene.envmap.resolution)}; give the map that size, or record again"
        )
    sensors = tuple(view.sensor for view in views)
    is_whole = sensors == recording.sensors and len(set(sensors)) == len(sensors)
    found = recording if is_whole else recording.for_sensors(sensors)
    for view, size in zip(views, found.image_sizes, strict=True):
        if view.image.shape[1::-1] != size:
            raise InputError(
                f"recording: of films of {_words(size)} pixels, but {view.name} has "
                f"{_words(view.image.shape[1::-1])}; give them the same size, or record again"
            )
    if recording.scene != scene.fingerprint:
        raise InputError(
            "recording: of another scene; shapes, materials, cameras, films, the integrator or "
            "other lights have changed since; record again"
        )
    if (found.rows[_below(view.mask[:, :, None] for view in views)[:, 0] > 0] < 0).any():
        raise InputError(
            "recording: lacks pixels that count, which were masked when it was made; record again"
        )
    return found


def _words(size: tuple[int, ...]) -> str:
    return "{} x {}".format(*size)


class Objective:
    """The loss of the pictures plus the priors, and its gradient, at maps of shape (H * W, 3).

    Attributes:
        problem: the problem, whose exposures are numbers.
        transport: the recording of its views.
        start: the start map, cut at 0.
    """

    def __init__(self, problem: Problem, transport: LightTransport) -> None:
        """Put the pictures below each other.

        Raises:
            InputError: if an exposure is not known.
        """
        views = problem.views
        if not all(view.knows_exposure for view in views):
            raise InputError("exposure: this optimizer needs a number for each picture")
        self.problem, self.transport = problem, transport
        self.start: Texels = np.maximum(problem.initial.reshape(-1, 3), np.float32(0))
        self._low, self._high = (_below(view.bounds[end] for view in views) for end in (0, -1))
        self._weights = _below(view.weights / np.float32(len(views)) for view in views)
        self._exposures = _below(
            np.broadcast_to(np.asarray(view.exposure, np.float32), view.image.shape)
            for view in views
        )

    def __call__(self, texels: Texels) -> float:
        """The loss plus the energies of the priors."""
        maps = self.as_map(texels), self.problem.initial
        return self.loss(texels) + sum(prior.energy(*maps) for prior in self.problem.priors)

    def gradient(self, texels: Texels) -> Texels:
        """The gradient of the loss plus the priors."""
        predicted, target = self._compared(texels)
        slopes = 2 * self._weights * self.problem.loss.weight(predicted, target)
        gradient: Texels = self.transport.rmatvec(slopes * self._exposures * (predicted - target))
        for prior in self.problem.priors:
            form = prior.quadratic(self.as_map(texels), self.problem.initial)
            gradient = gradient + np.float32(2 / 3) * (form.matrix @ (texels - form.centre))
        return gradient

    def loss(self, texels: Texels) -> float:
        """The weighted mean of the loss, without priors."""
        return float(np.sum(self._weights * self.problem.loss(*self._compared(texels))))

    def curvature(self, texels: Texels, change: Texels) -> float:
        """Second derivative of the loss along a change of the map, with its weights held."""
        curved = 2 * self._weights * self.problem.loss.weight(*self._compared(texels))
        return float(np.sum(curved * (self._exposures * self.transport.matvec(change)) ** 2))

    def step(self, texels: Texels, ending: str = "") -> Step:
        """Report a map as that of an iteration."""
        width, height = self.transport.image_sizes[0]
        return Step(
            loss=self.loss(texels),
            texels=lambda: self.as_map(texels),
            image=lambda: self._light(texels)[: width * height].reshape(height, width, 3),
            ending=ending,
        )

    def as_map(self, texels: Texels) -> NDArray[np.float32]:
        """Reshape to (H, W, 3)."""
        return texels.reshape(self.problem.initial.shape)

    def _light(self, texels: Texels) -> Pixels:
        """Radiance of all pixels."""
        light: Pixels = self.transport.matvec(texels) + self.transport.offset
        return light

    def _compared(self, texels: Texels) -> tuple[Pixels, Pixels]:
        """Predicted values, and the nearest ones that the pictures allow; see `View.bounds`."""
        predicted = self._exposures * self._light(texels)
        return predicted, np.clip(predicted, self._low, self._high)


def _below(images: Iterable[NDArray[Any]]) -> Pixels:
    return np.concatenate([image.reshape(-1, image.shape[2]) for image in images])
