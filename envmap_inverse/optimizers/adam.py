"""Adam on the texels, with differentiable rendering in the loop."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import latlong
from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError
from envmap_inverse.losses import MSE, Loss
from envmap_inverse.priors import Prior
from envmap_inverse.problem import Iteration, OnIteration, Problem, Record, Solution
from envmap_inverse.render import check_seed, gradient_integrator, rgb
from envmap_inverse.transport import LightTransport

__all__ = ["Adam"]


@dataclass(frozen=True, kw_only=True)
class Adam:
    """Stochastic gradient descent with momentum on the flat RGBA texture, as in the tutorial.

    With g the gradient at step t (from 1), estimated with seeds of its own so that it is unbiased,

        m <- beta1 m + (1 - beta1) g
        v <- beta2 v + (1 - beta2) g^2
        x <- x - learning_rate sqrt(1 - beta2^t) / (1 - beta1^t) m / sqrt(v + epsilon^2)

    (Kingma and Ba 2015, with epsilon where Dr.Jit 1.5 has it). Alpha has no gradient and stays 1;
    so do texels that no path reaches keep their start value. A step in which the loss or a gradient
    is NaN or infinite is dropped.

    Attributes:
        iterations: number of steps.
        learning_rate: step size, in radiance.
        spp: samples per pixel of the image, and of the gradient.
        seed: of the first iteration; the others follow.
        beta1: decay of the mean gradient.
        beta2: decay of the mean squared gradient.
        epsilon: keeps the division finite.
        max_dropped: dropped steps in a row that end the run.
        frozen: record the rendering once and replay it (`dr.freeze`): the same numbers, faster.
        recorded_spp: if not 0, trace so many paths per pixel once and use the recorded light
            transport in place of rendering (`spp` then has no effect).
    """

    iterations: int = 100
    learning_rate: float = 0.02
    spp: int = 1
    seed: int = 0
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    max_dropped: int = 10
    frozen: bool = True
    recorded_spp: int = 0

    def __post_init__(self) -> None:
        """Check the numbers."""
        for name in ("iterations", "spp", "max_dropped"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} must be at least 1; found {getattr(self, name)}")
        check_seed(self.seed)
        if self.recorded_spp < 0:
            raise InputError(f"recorded_spp must not be negative; found {self.recorded_spp}")
        if not (np.isfinite(self.learning_rate) and self.learning_rate > 0):
            raise InputError(f"learning_rate must be positive; found {self.learning_rate}")

    @property
    def default_loss(self) -> Loss:
        """The loss where none is asked for: the tutorial's."""
        return MSE()

    @property
    def default_priors(self) -> tuple[Prior, ...]:
        """The priors where none are asked for: none."""
        return ()

    @property
    def num_steps(self) -> int:
        """How often `on_iteration` is called."""
        return self.iterations

    def run(self, problem: Problem, on_iteration: OnIteration | None = None) -> Solution:
        """Solve a problem by gradient descent from its start map."""
        return _Run(self, problem).loop(on_iteration)


class _Run:
    """The state of one run on the device, and what advances it."""

    def __init__(self, adam: Adam, problem: Problem) -> None:
        self.adam, self.problem, self.envmap = adam, problem, problem.scene.envmap
        self.envmap.write(problem.initial)
        kind = _Rendered if adam.recorded_spp == 0 else _Recorded
        self.differentiate: Callable[[int, Any], tuple[Any, Any, Any]] = kind(adam, problem)
        self.advance = _frozen(adam, _stepper(adam))
        step = np.arange(1, adam.iterations + 1)
        correction = np.sqrt(1 - adam.beta2**step) / (1 - adam.beta1**step)
        self.rates = mi.Float(adam.learning_rate * correction)
        self.indices = (mi.UInt32(self.envmap.rgba_index()), mi.UInt32(self.envmap.halo_index()))
        rgba = mi.Float(latlong.flatten_rgba(problem.initial))
        zeros = [dr.zeros(mi.Float, len(rgba)) for _ in range(2)]
        self.state = (rgba, *zeros, mi.UInt32(0), mi.UInt32(0))
        self.halo = dr.gather(mi.Float, rgba, self.indices[1])
        truth = problem.ground_truth
        self.truth = None if truth is None else mi.Float(latlong.flatten_rgba(truth))

    def loop(self, on_iteration: OnIteration | None) -> Solution:
        start, status = time.perf_counter(), "done"
        entries: list[tuple[int, Any, Any, float]] = []
        for index in range(self.adam.iterations):
            loss, image = self.iterate(index)
            entries.append((index, loss, self.error(), time.perf_counter() - start))
            if on_iteration and on_iteration(self.iteration(entries[-1], image)):
                status = "interrupted"
                break
            is_check = index % self.adam.max_dropped == self.adam.max_dropped - 1
            if is_check and self.state[3][0] >= self.adam.max_dropped:
                status = (
                    f"ended: the last {self.state[3][0]} steps met NaN or infinity and were dropped"
                )
                break
        history = tuple(Record(**_numbers(entry)) for entry in entries)
        return Solution(
            texels=self.texels(self.state[0]),
            history=history,
            phases={"optimize": time.perf_counter() - start},
            status=status,
            num_dropped=int(self.state[4][0]),
        )

    def iterate(self, index: int) -> tuple[Any, Any]:
        """Advance the state by one step; returns the loss and the first view's image."""
        loss, image, gradient = self.differentiate(index, self.halo)
        if self.problem.priors:
            gradient += self.prior_gradient()
        self.state, self.halo = self.advance(
            self.state, gradient, loss, dr.opaque(mi.UInt32, index), self.rates, self.indices
        )
        return loss, image

    def prior_gradient(self) -> Any:
        """Gradient of the priors' energies, in the layout of the tensor with halo."""
        texels = self.texels(self.state[0])
        total = np.zeros((texels.size // 3, 3))
        for prior in self.problem.priors:
            form = prior.quadratic(texels, self.problem.initial)
            total += form.matrix @ (texels.reshape(-1, 3) - form.centre) * (2 / 3)
        return _without_halo_gradient(total.reshape(texels.shape))

    def error(self) -> Any:
        """Sum of squared errors of the present map, on the device."""
        return None if self.truth is None else dr.sum(dr.square(self.state[0] - self.truth))

    def texels(self, rgba: Any) -> NDArray[np.float32]:
        return latlong.unflatten_rgba(np.array(rgba), self.envmap.resolution)

    def iteration(self, entry: tuple[int, Any, Any, float], image: Any) -> Iteration:
        rgba = self.state[0]
        return Iteration(
            **_numbers(entry),
            texels_on_device=lambda: self.texels(rgba),
            image_on_device=lambda: np.array(image, np.float32),
        )


class _Rendered:
    """Loss, image and gradient by differentiable rendering."""

    def __init__(self, adam: Adam, problem: Problem) -> None:
        self.adam, self.envmap = adam, problem.scene.envmap
        self.function = _frozen(adam, _renderer(adam, problem))
        self.views = [
            (mi.TensorXf(v.image), mi.TensorXf(v.weights), mi.Float(np.broadcast_to(v.exposure, 3)))
            for v in problem.views
        ]

    def __call__(self, index: int, halo: Any) -> tuple[Any, Any, Any]:
        tensor = mi.TensorXf(halo, self.envmap.halo_shape)
        dr.enable_grad(tensor)
        self.envmap.write_halo(tensor)
        count = len(self.views)
        seeds = [dr.opaque(mi.UInt32, self.adam.seed + index * count + k) for k in range(count)]
        with _garbage_kept():
            loss, image = self.function(self.envmap.params, self.views, seeds)
        return loss, image, dr.grad(tensor).array


class _Recorded:
    """The same by the recorded light transport."""

    def __init__(self, adam: Adam, problem: Problem) -> None:
        views = problem.views
        self.loss, self.shape = problem.loss, problem.scene.envmap.halo_shape
        self.size = views[0].image.shape
        self.transport = LightTransport.record(
            problem.scene, [v.sensor for v in views], spp=adam.recorded_spp, seed=adam.seed
        )
        self.gain = np.concatenate(
            [np.broadcast_to(v.exposure, v.image.shape).reshape(-1, 3) for v in views]
        )
        self.observed = mi.Float(np.concatenate([v.image.ravel() for v in views]))
        self.weights = mi.Float(np.concatenate([v.weights.ravel() for v in views]) / len(views))

    def __call__(self, _index: int, halo: Any) -> tuple[Any, Any, Any]:
        texels = np.array(halo).reshape(self.shape)[:, 1:-1].reshape(-1, 3)
        light = self.transport.matvec(texels) + self.transport.offset
        prediction = mi.Float(np.ascontiguousarray(light * self.gain).ravel())
        dr.enable_grad(prediction)
        loss = dr.sum(self.weights * self.loss(prediction, self.observed))
        dr.backward(loss)
        pixels = dr.grad(prediction).numpy().reshape(-1, 3) * self.gain
        height, width, _ = self.shape
        gradient = self.transport.rmatvec(pixels).reshape(height, width - 2, 3)
        image = light[: self.size[0] * self.size[1]].reshape(self.size)
        return dr.detach(loss), image, _without_halo_gradient(gradient)


def _without_halo_gradient(gradient: NDArray[Any]) -> Any:
    """A gradient (H, W, 3) in the layout of the tensor with halo, whose own is 0."""
    padded = np.pad(gradient, ((0, 0), (1, 1), (0, 0)))
    return mi.Float(np.ascontiguousarray(padded, np.float32).ravel())


def _frozen(adam: Adam, function: Callable[..., Any]) -> Callable[..., Any]:
    frozen: Callable[..., Any] = dr.freeze(function) if adam.frozen else function
    return frozen


@contextmanager
def _garbage_kept() -> Iterator[None]:
    """No garbage collection: Dr.Jit aborts if one frees a NumPy-backed array while it records."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _renderer(adam: Adam, problem: Problem) -> Callable[..., tuple[Any, Any]]:
    """A function that renders all views and sends the loss's gradient back to the texels."""
    mi_scene, loss_function = problem.scene.mi_scene, problem.loss
    integrator = gradient_integrator(problem.scene)
    sensors = [problem.scene.sensor(view.sensor) for view in problem.views]

    def render_and_differentiate(params: Any, views: Any, seeds: Any) -> tuple[Any, Any]:
        loss, images = mi.Float(0), []
        for sensor, (reference, weights, exposure), seed in zip(sensors, views, seeds, strict=True):
            image = rgb(
                mi.render(mi_scene, params, sensor, integrator=integrator, spp=adam.spp, seed=seed)
            )
            prediction = image * mi.TensorXf(exposure, (1, 1, 3))
            loss += dr.sum(weights * loss_function(prediction, reference)).array / len(views)
            images.append(dr.detach(image))
        dr.backward(loss)
        return dr.detach(loss), images[0]

    return render_and_differentiate


def _stepper(adam: Adam) -> Callable[..., tuple[Any, Any]]:
    """A function that takes Adam's step, or drops it if anything in it is not finite."""

    def advance(
        state: Any, gradient: Any, loss: Any, index: Any, rates: Any, indices: Any
    ) -> tuple[Any, Any]:
        rgba, mean, square, dropped_in_a_row, dropped = state
        rate = dr.gather(mi.Float, rates, index - dropped)
        rgba_index, halo_index = indices
        is_alpha = dr.arange(mi.UInt32, dr.width(rgba)) & 3 == 3
        g = dr.select(is_alpha, 0, dr.gather(mi.Float, gradient, rgba_index))
        is_good = dr.all(dr.isfinite(g)) & dr.isfinite(loss)
        new_mean = adam.beta1 * mean + (1 - adam.beta1) * g
        new_square = adam.beta2 * square + (1 - adam.beta2) * dr.square(g)
        new_rgba = rgba - rate * new_mean / dr.sqrt(new_square + adam.epsilon**2)
        rgba = dr.select(is_good, new_rgba, rgba)
        state = (
            rgba,
            dr.select(is_good, new_mean, mean),
            dr.select(is_good, new_square, square),
            dr.select(is_good, 0, dropped_in_a_row + 1),
            dr.select(is_good, dropped, dropped + 1),
        )
        return state, dr.gather(mi.Float, rgba, halo_index)

    return advance


def _numbers(entry: tuple[int, Any, Any, float]) -> dict[str, Any]:
    index, loss, error, seconds = entry
    error = None if error is None else float(error[0])
    return {"index": index, "loss": float(loss[0]), "error": error, "seconds": seconds}
