"""Render views, compare them with observations, and send the loss's gradient back to the texels.

Where each sample belongs to one pixel (a box filter), a pixel is the mean of its samples, and its
adjoint is theirs: no film is needed, neither for the picture nor for its gradient. What `mi.render`
spends on them is saved; the samples are the same.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from envmap_inverse.backend import dr, mi
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.scene.integrators import gradient_integrator
from envmap_inverse.scene.rendering import check_differentiable, rgb

__all__ = ["Comparer", "Observed", "comparer", "nearest"]

Comparer = Callable[[Any, Any, Any, int, bool], tuple[Any, Any]]


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A view on the device.

    Attributes:
        bounds: see `View.bounds`; tensors (h, w, 3).
        weights: see `View.weights`; a tensor (h, w, 3).
        exposure: of each channel, a `mi.Float` of three.
    """

    bounds: tuple[Any, ...]
    weights: Any
    exposure: Any

    @classmethod
    def load(cls, view: View) -> Observed:
        """Bring a view to the device."""
        return cls(
            bounds=tuple(mi.TensorXf(bound) for bound in view.bounds),
            weights=mi.TensorXf(view.weights),
            exposure=mi.Float(np.broadcast_to(view.exposure, 3)),
        )


def comparer(problem: Problem, integrator: Any = None) -> Comparer:
    """A function that compares all views of a scene with observations.

    Args:
        problem: the scene and its views.
        integrator: what renders; by default `gradient_integrator`.

    Returns:
        A function of the map's `mi.SceneParameters`, the `Observed` of each view, a seed for each
        view, the samples per pixel, and whether to send the loss's gradient back. It returns the
        loss, and the first picture as a tensor (h, w, 3) or as a `mi.Color3f` of its pixels.
    """
    if integrator is None:
        integrator = gradient_integrator(problem.scene)
    for view in problem.views:
        check_differentiable(problem.scene, view.sensor)
    sensors = [problem.scene.sensor(view.sensor) for view in problem.views]
    is_boxed = all(_is_boxed(integrator, sensor) for sensor in sensors)
    return (_without_films if is_boxed else _with_films)(problem, integrator, sensors)


def nearest(prediction: Any, bounds: Sequence[Any]) -> Any:
    """The value nearest to the prediction that the picture allows; see `View.bounds`."""
    return bounds[0] if len(bounds) == 1 else dr.clip(dr.detach(prediction), *bounds)


def _with_films(problem: Problem, integrator: Any, sensors: Sequence[Any]) -> Comparer:
    """Compare by `mi.render`, for every integrator and film."""
    mi_scene, loss_function = problem.scene.mi_scene, problem.loss

    def compare(
        params: Any, views: Any, seeds: Any, spp: int, wants_gradient: bool
    ) -> tuple[Any, Any]:
        loss, images = mi.Float(0), []
        for sensor, view, seed in zip(sensors, views, seeds, strict=True):
            image = rgb(
                mi.render(mi_scene, params, sensor, integrator=integrator, spp=spp, seed=seed)
            )
            images.append(dr.detach(image))
            prediction = image * mi.TensorXf(view.exposure, (1, 1, 3))
            losses = view.weights * loss_function(prediction, nearest(prediction, view.bounds))
            loss += dr.sum(losses).array / len(views)
        if wants_gradient:
            dr.backward(loss)
        return dr.detach(loss), images[0]

    return compare


def _without_films(problem: Problem, integrator: Any, sensors: Sequence[Any]) -> Comparer:
    """Compare by the samples alone."""
    mi_scene, loss_function = problem.scene.mi_scene, problem.loss

    def compare(
        _params: Any, views: Any, seeds: Any, spp: int, wants_gradient: bool
    ) -> tuple[Any, Any]:
        loss, images = mi.Float(0), []
        for sensor, view, seed in zip(sensors, views, seeds, strict=True):
            samples = _Samples(mi_scene, integrator, sensor, spp)
            image = samples.render(seed)
            images.append(dr.detach(image))
            pixel = dr.arange(mi.UInt32, samples.num_pixels)
            bounds = [dr.gather(mi.Color3f, bound.array, pixel) for bound in view.bounds]
            weights = dr.gather(mi.Color3f, view.weights.array, pixel)
            dr.enable_grad(image)
            prediction = image * dr.gather(mi.Color3f, view.exposure, mi.UInt32(0))
            losses = weights / len(views) * loss_function(prediction, nearest(prediction, bounds))
            if wants_gradient:
                dr.backward(losses)
                dr.schedule(images, losses)
                samples.backward(dr.grad(image), seed)
            loss += dr.sum(dr.sum(dr.detach(losses)))
        return loss, images[0]

    return compare


def _is_boxed(integrator: Any, sensor: Any) -> bool:
    """Whether an integrator replays paths, and each sample of a sensor belongs to one pixel."""
    film = sensor.film()
    return (
        isinstance(integrator, mi.ad.integrators.common.RBIntegrator)
        and str(film).startswith("HDRFilm")
        and film.rfilter().is_box_filter()
        and not film.sample_border()
    )


class _Samples:
    """The samples of one sensor."""

    def __init__(self, mi_scene: Any, integrator: Any, sensor: Any, spp: int) -> None:
        self.mi_scene, self.integrator, self.sensor = mi_scene, integrator, sensor
        width, height = sensor.film().crop_size()
        self.num_pixels = int(width) * int(height)
        self.sampler = sensor.sampler().clone()
        self.sampler.set_sample_count(spp)
        self.spp = self.sampler.sample_count()  # some samplers round it up
        self.sampler.set_samples_per_wavefront(self.spp)

    def render(self, seed: Any) -> Any:
        """A `mi.Color3f` of the pixels, row by row."""
        with dr.suspend_grad():
            rays, weight, sampler = self._rays(seed)
            light = self._trace(dr.ADMode.Primal, rays, sampler) * weight
            if self.spp == 1:
                return light
            dr.eval(light)  # else it would be traced anew for each channel
            return dr.block_sum(light, self.spp) / self.spp

    def backward(self, adjoint: Any, seed: Any) -> None:
        """Add to the gradients of the scene's parameters.

        Args:
            adjoint: gradient of a loss by the pixels, as `render` gives them.
            seed: of the picture; other numbers are drawn, those that `mi.render` would draw.
        """
        with dr.suspend_grad():
            rays, weight, sampler = self._rays(mi.sample_tea_32(seed, 1)[0])
            if self.spp > 1:
                adjoint = dr.repeat(adjoint, self.spp) / self.spp
            light = self._trace(dr.ADMode.Primal, rays, sampler.clone())
            self._trace(dr.ADMode.Backward, rays, sampler, adjoint * weight, light)
            dr.eval()

    def _rays(self, seed: Any) -> tuple[Any, Any, Any]:
        """Rays from the sensor, their weights, and the numbers that follow."""
        sampler = self.sampler.clone()
        sampler.seed(seed, self.num_pixels * self.spp)
        rays, weight, _ = self.integrator.sample_rays(self.mi_scene, self.sensor, sampler)
        return rays, weight, sampler

    def _trace(
        self, mode: Any, rays: Any, sampler: Any, adjoint: Any = None, light: Any = None
    ) -> Any:
        """Radiance along rays; backwards, that is known, and the adjoint is propagated."""
        return self.integrator.sample(
            mode=mode,
            scene=self.mi_scene,
            sampler=sampler,
            ray=rays,
            depth=mi.UInt32(0),
            δL=adjoint,
            δaovs=None if adjoint is None else [],
            state_in=light,
            active=mi.Bool(True),
        )[0]
