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
from envmap_inverse.errors import check_counts
from envmap_inverse.optimizers.recorded import Objective, recorded


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
        check_counts(iterations=self.iterations, spp=self.spp)

    @property
    def num_steps(self):
        """Number of steps, at most."""
        return self.iterations

    def start(self, problem, keeper=None):
        """Record the light transport, or take the recording that is kept."""
        transport = recorded(problem, keeper, spp=self.spp, seed=self.seed)
        return Descent(Objective(problem, transport))


class Descent:
    """Solves one problem."""

    def __init__(self, objective):
        """Begin at the start map; the first step has the best length for the loss alone."""
        self.objective, self.texels = objective, objective.start
        gradient = objective.gradient(self.texels)
        bend = objective.curvature(self.texels, gradient)
        self.length = float(np.vdot(gradient, gradient)) / max(bend, 1e-30)

    def step(self, index):  # noqa: ARG002 - this solver's steps are all alike
        """Go down the gradient, half as far as long as that leads up; then choose a length."""
        before, gradient = self.objective(self.texels), self.objective.gradient(self.texels)
        length = self.length
        for _ in range(30):
            moved = np.maximum(self.texels - np.float32(length) * gradient, np.float32(0))
            change = moved - self.texels
            if self.objective(moved) <= before + 1e-4 * np.vdot(gradient, change):
                break
            length /= 2
        else:
            moved, change = self.texels, np.zeros_like(gradient)
        bend = float(np.vdot(change, self.objective.gradient(moved) - gradient))
        self.length = float(np.vdot(change, change)) / bend if bend > 0 else 2 * length
        self.texels = moved
        return self.objective.step(moved, ending="" if change.any() else "done")

    def state(self):
        """Return copies of the arrays from which the next step follows."""
        return {"texels": self.texels.copy(), "length": np.array(self.length)}

    def restore(self, state, num_done):  # noqa: ARG002
        """Go on from there."""
        if state["texels"].shape != self.texels.shape:
            raise ei.InputError("the checkpoint does not fit the run; begin again with --overwrite")
        self.texels, self.length = state["texels"], float(state["length"])

    def solution(self):
        """The map; the library adds the rest."""
        return ei.Solution(texels=self.objective.as_map(self.texels))


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
