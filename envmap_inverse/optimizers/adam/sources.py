"""Loss, image and gradient at a map: by differentiable rendering, or by recorded light transport.

Both kinds of source are made for a problem; `load` brings the observations of its views to the
device, and `differentiate` compares a map with them.
"""

from __future__ import annotations

import gc
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError, in_one_line, is_out_of_memory
from envmap_inverse.optimizers.adam.rendered import Comparer, Observed, comparer, nearest
from envmap_inverse.optimizers.recorded import recorded
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.scene.integrators import scene_integrator
from envmap_inverse.scene.refusing import root_cause
from envmap_inverse.sphere import latlong

__all__ = [
    "GradientSource",
    "RecordedGradients",
    "RenderedGradients",
    "freeze",
]

LOSS_SPP = 16

_T = TypeVar("_T")


Comparison = tuple[Any, Callable[[], NDArray[np.float32]], Any]
"""Loss, a function that makes the image (h, w, 3), and gradient by the flat RGBA map."""


class GradientSource(Protocol):
    """Compares maps with observations."""

    def load(self, views: Sequence[View]) -> Any:
        """Bring the problem's views, perhaps with other masks, to the device."""

    def differentiate(self, index: int, rgba: Any, observations: Any) -> Comparison:
        """Loss and first image of a map, and the loss's gradient by the map.

        Args:
            index: each has random numbers of its own.
            rgba: the map, flat `mi.Float` (W*H*4,).
            observations: what `load` gave.
        """

    def loss(self, rgba: Any, observations: Any) -> float:
        """Loss of a map, with little noise, and random numbers that no index has."""


class RenderedGradients:
    """Differentiable rendering."""

    def __init__(self, problem: Problem, *, spp: int, seed: int, frozen: bool) -> None:
        """Args: spp: samples per pixel. frozen: whether to record the rendering and replay it."""
        self.envmap, self.spp = problem.scene.envmap, spp
        self.seed, self.count = seed, len(problem.views)
        self.shape = problem.views[0].image.shape
        self.ways = _ways(problem, frozen=frozen)
        self.is_proven = False

    def load(self, views: Sequence[View]) -> Any:
        """See `GradientSource`."""
        return [Observed.load(view) for view in views]

    def differentiate(self, index: int, rgba: Any, observations: Any) -> Comparison:
        """See `GradientSource`."""
        first = self.seed + index * self.count
        tensor, loss, pixels = self._compare(rgba, observations, first, self.spp, True)
        return loss, partial(_as_image, pixels, self.shape), self.envmap.gradient_of(tensor)

    def loss(self, rgba: Any, observations: Any) -> float:
        """See `GradientSource`."""
        first = self.seed - self.count
        _, loss, _ = self._compare(rgba, observations, first, LOSS_SPP, False)
        return float(loss[0])

    def _compare(
        self, rgba: Any, observations: Any, seed: int, spp: int, wants_gradient: bool
    ) -> tuple[Any, Any, Any]:
        """Mitsuba's tensor of the map, loss and pixels, in the first way that works here."""
        while True:
            tensor = self.envmap.to_tensor(rgba)
            if wants_gradient:
                dr.enable_grad(tensor)
            self.envmap.write_tensor(tensor)
            seeds = [dr.opaque(mi.UInt32, (seed + k) % 2**32) for k in range(self.count)]
            try:
                loss, pixels = self.ways[0].compare(
                    self.envmap.params, observations, seeds, spp, wants_gradient
                )
            except RuntimeError as error:
                if self.is_proven or is_out_of_memory(error):
                    raise
                del self.ways[0]
                if not self.ways:
                    reason = in_one_line(root_cause(error))
                    raise InputError(
                        f"Mitsuba cannot differentiate the scene ({reason}); use the transport "
                        "optimizer, or another integrator"
                    ) from None
                warnings.warn(self.ways[0].warning, stacklevel=2)
            else:
                self.is_proven = True
                return tensor, loss, pixels


@dataclass(frozen=True, kw_only=True)
class _Stacked:
    """The pixels of all views below each other: as `Observed`, but flat, and in NumPy the gain.

    Attributes:
        gain: exposure of each pixel and channel, shape (pixels, 3).
        bounds: see `View.bounds`.
        weights: of each value in the mean over the views.
    """

    gain: NDArray[np.float32]
    bounds: list[Any]
    weights: Any


class RecordedGradients:
    """The light transport, recorded once."""

    def __init__(self, problem: Problem, *, spp: int, seed: int) -> None:
        """Args: spp: paths per pixel."""
        self.loss_function, self.resolution = problem.loss, problem.scene.envmap.resolution
        self.size = problem.views[0].image.shape
        self.transport = recorded(problem, spp=spp, seed=seed)

    def load(self, views: Sequence[View]) -> Any:
        """See `GradientSource`."""
        gain = [np.broadcast_to(v.exposure, v.image.shape).reshape(-1, 3) for v in views]
        length = max(len(v.bounds) for v in views)
        bounds = [
            mi.Float(np.concatenate([v.bounds[min(k, len(v.bounds) - 1)].ravel() for v in views]))
            for k in range(length)
        ]
        weights = mi.Float(np.concatenate([v.weights.ravel() for v in views]) / len(views))
        return _Stacked(gain=np.concatenate(gain), bounds=bounds, weights=weights)

    def differentiate(self, _index: int, rgba: Any, observations: Any) -> Comparison:
        """See `GradientSource`; the paths are the same for each index."""
        light, prediction, loss = self._compare(rgba, observations)
        dr.backward(loss)
        pixels = dr.grad(prediction).numpy().reshape(-1, 3) * observations.gain
        width, height = self.resolution
        gradient = self.transport.rmatvec(pixels).reshape(height, width, 3)
        image = light[: self.size[0] * self.size[1]].reshape(self.size)
        return dr.detach(loss), lambda: image, mi.Float(latlong.flatten_rgba(gradient))

    def loss(self, rgba: Any, observations: Any) -> float:
        """See `GradientSource`; the paths are those of the steps."""
        return float(self._compare(rgba, observations)[2][0])

    def _compare(self, rgba: Any, observations: Any) -> tuple[NDArray[np.float32], Any, Any]:
        """Light (pixels, 3), and on the device the predicted values and their loss."""
        texels = np.ascontiguousarray(np.array(rgba).reshape(-1, 4)[:, :3])
        light = self.transport.matvec(texels) + self.transport.offset
        prediction = mi.Float(np.ascontiguousarray(light * observations.gain).ravel())
        dr.enable_grad(prediction)
        losses = self.loss_function(prediction, nearest(prediction, observations.bounds))
        return light, prediction, dr.sum(observations.weights * losses)


def _as_image(pixels: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Pixels as a tensor (h, w, 3), or as a `mi.Color3f` in rows of channels."""
    array = np.array(pixels, np.float32)
    return array if array.ndim == 3 else np.ascontiguousarray(array.T).reshape(shape)


@dataclass(frozen=True, kw_only=True)
class _Way:
    """A way to compare, and the warning where the ways before it do not work."""

    compare: Comparer
    warning: str = ""


def _ways(problem: Problem, *, frozen: bool) -> list[_Way]:
    """Ways to compare, the fastest first.

    Dr.Jit cannot freeze every sensor and integrator, and Mitsuba's `prb` cannot differentiate every
    emitter, nor any scene as long as one of those is in the same process.
    """
    ways = [
        _Way(
            compare=comparer(problem),
            warning="Dr.Jit cannot replay the steps of this scene: Adam renders each of them anew, "
            "which is slower and gives the same numbers",
        ),
        _Way(
            compare=comparer(problem, scene_integrator(problem.scene)),
            warning="Mitsuba's prb cannot differentiate this scene: Adam renders with the scene's "
            "own integrator, which is slower",
        ),
    ]
    return [_Way(compare=freeze(comparer(problem))), *ways] if frozen else ways


def freeze(function: Callable[..., _T]) -> Callable[..., _T]:
    """A function whose computation is recorded once and replayed: the same numbers, faster.

    Meanwhile no garbage is collected: Dr.Jit aborts if an array that shares NumPy's memory is freed
    while it records.
    """
    frozen = dr.freeze(function)

    def call(*args: Any) -> _T:
        was_enabled = gc.isenabled()
        gc.disable()
        try:
            result: _T = frozen(*args)
        finally:
            if was_enabled:
                gc.enable()
        return result

    return call
