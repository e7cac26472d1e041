"""Add an optimizer: projected gradient descent on the recorded light transport.

    python examples/own_optimizer.py [--size 128] [-o own-optimizer-example]

An optimizer is its settings, a frozen dataclass, from which a solver starts; the library has the
loop with its clock, history, checkpoints and interruption. This one takes spectral steps (Barzilai
and Borwein 1988; Birgin, Martinez and Raydan 2000), which need nothing but gradients.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images, metrics
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.optimizers.protocol import Step


@dataclass(frozen=True, kw_only=True)
class ProjectedGradient:
    """Gradient descent on the texels, cut at 0.

    Attributes:
        iterations: number of steps.
        spp: paths per pixel.
        seed: of the recording.
    """

    iterations: int = 30
    spp: int = 64
    seed: int = 0

    default_loss = ei.MSE()
    default_priors = (ei.TotalVariation(),)
    default_initial = None

    def __post_init__(self):
        """Refuse numbers that cannot be."""
        for name in ("iterations", "spp"):
            if getattr(self, name) < 1:
                raise ei.InputError(f"{name} must be at least 1; found {getattr(self, name)}")

    @property
    def num_steps(self):
        """How often `on_iteration` is called, at most."""
        return self.iterations

    def start(self, problem, keeper=None):
        """Record the light transport, or take the recording that is kept."""
        if not all(view.knows_exposure for view in problem.views):
            raise ei.InputError("exposure: ProjectedGradient needs a number for each picture")
        transport = keeper.transport() if keeper else None
        if transport is None:
            sensors = [view.sensor for view in problem.views]
            transport = ei.LightTransport.record(
                problem.scene, sensors, spp=self.spp, seed=self.seed
            )
            if keeper:
                keeper.keep_transport(transport)
        return Descent(problem, transport)


class Descent:
    """Solves one problem. Maps have shape (H * W, 3), pictures (pixels of all views, 3)."""

    def __init__(self, problem, transport):
        """Put the pictures below each other."""
        views = self.views = problem.views
        self.problem, self.transport = problem, transport
        self.low, self.high = (_below(v.bounds[end] for v in views) for end in (0, -1))
        self.weights = _below(view.weights / np.float32(len(views)) for view in views)
        self.exposure = _below(
            np.broadcast_to(np.float32(view.exposure), view.image.shape) for view in views
        )
        self.texels = np.maximum(problem.initial.reshape(-1, 3), np.float32(0))
        self.length = 0.0

    def step(self, index):  # noqa: ARG002 - this solver's steps are all alike
        """Go down the gradient, half as far as long as that leads up; then choose a length."""
        before, gradient = self.objective(self.texels), self.gradient(self.texels)
        length = self.length or self.first_length(gradient)
        for _ in range(30):
            moved = np.maximum(self.texels - np.float32(length) * gradient, np.float32(0))
            change = moved - self.texels
            if self.objective(moved) <= before + 1e-4 * np.vdot(gradient, change):
                break
            length /= 2
        else:
            moved, change = self.texels, np.zeros_like(gradient)
        bend = float(np.vdot(change, self.gradient(moved) - gradient))
        self.length = float(np.vdot(change, change)) / bend if bend > 0 else 2 * length
        self.texels = moved
        found, (width, height) = self.as_map(moved), self.transport.image_sizes[0]
        truth = self.problem.ground_truth
        return Step(
            loss=self.loss(moved),
            error=None if truth is None else metrics.sum_of_squared_errors(found, truth),
            texels=lambda: found,
            image=lambda: self.light(moved)[: width * height].reshape(height, width, 3),
            ending="" if change.any() else "done",
        )

    def state(self):
        """What the next step follows from."""
        return {"texels": self.texels.copy(), "length": np.array(self.length)}

    def restore(self, state, num_done):  # noqa: ARG002
        """Go on from there."""
        if state["texels"].shape != self.texels.shape:
            raise ei.InputError("the checkpoint does not fit the run; begin again with --overwrite")
        self.texels, self.length = state["texels"], float(state["length"])

    def solution(self):
        """The map; the library adds the rest."""
        return ei.Solution(texels=self.as_map(self.texels))

    def light(self, texels):
        """Radiance of all pixels."""
        return self.transport.matvec(texels) + self.transport.offset

    def compared(self, texels):
        """Predicted values, and the nearest ones that the pictures allow: some are clipped."""
        predicted = self.exposure * self.light(texels)
        return predicted, np.clip(predicted, self.low, self.high)

    def loss(self, texels):
        """Weighted mean of the loss."""
        return float(np.sum(self.weights * self.problem.loss(*self.compared(texels))))

    def objective(self, texels):
        """The loss and the priors."""
        maps = self.as_map(texels), self.problem.initial
        return self.loss(texels) + sum(prior.energy(*maps) for prior in self.problem.priors)

    def gradient(self, texels):
        """Gradient of the objective, by the weights of losses and the quadratics of priors."""
        predicted, target = self.compared(texels)
        slopes = 2 * self.weights * self.problem.loss.weight(predicted, target)
        gradient = self.transport.rmatvec(slopes * self.exposure * (predicted - target))
        for prior in self.problem.priors:
            form = prior.quadratic(self.as_map(texels), self.problem.initial)
            gradient = gradient + np.float32(2 / 3) * (form.matrix @ (texels - form.centre))
        return gradient

    def first_length(self, gradient):
        """The best length if only the loss counted and its weights stayed (Cauchy 1847)."""
        curved = 2 * self.weights * self.problem.loss.weight(*self.compared(self.texels))
        seen = self.exposure * self.transport.matvec(gradient)
        return float(np.vdot(gradient, gradient)) / max(float(np.sum(curved * seen**2)), 1e-30)

    def as_map(self, texels):
        """Shape (H, W, 3)."""
        return texels.reshape(self.problem.initial.shape)


def _below(images):
    return np.concatenate([np.reshape(image, (-1, 3)) for image in images])


def main():
    """Estimate with the library's default and with this optimizer, and compare."""
    parser = argparse.ArgumentParser(description="Estimate with an optimizer of one's own.")
    parser.add_argument("--size", type=int, default=128, help="width and height of the picture")
    parser.add_argument(
        "-o", "--output", type=Path, default=Path("own-optimizer-example"), help="folder"
    )
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)

    scene = bundled_scene("bunny", "mirror")
    scene.set_film_size(options.size)
    truth, photo = scene.envmap.texels, ei.render(scene, spp=64, seed=1)
    images.write_image(options.output / "photo.png", photo)
    images.write_image(options.output / "envmap-true.png", truth)
    for name, optimizer in {"transport": ei.Transport(), "own": ProjectedGradient()}.items():
        result = ei.estimate(scene, photo, optimizer=optimizer)
        error = metrics.log_rmse(result.texels, truth)
        print(f"{name}: {result.seconds:.1f} s, log RMSE {error:.3f}")
        images.write_image(options.output / f"envmap-{name}.png", result.texels)


if __name__ == "__main__":
    main()
