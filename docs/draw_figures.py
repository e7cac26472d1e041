"""Draw the figures of how-it-works.md: `python docs/draw_figures.py [--size 96] [-o FOLDER]`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.bundled import bundled_scene
from envmap_inverse.images import display_exposure

Array = NDArray[Any]
MATERIALS = ("mirror", "rough", "diffuse")
DECADES = 3
"""Rows of the transport are shown from their largest value down to 10^-DECADES of it."""
PATHS = 2**18
"""Of the pixel whose row is shown."""


def panels(rows: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Array]:
    """An empty figure of images."""
    figure = Figure(figsize=size, layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
    return figure, axes


def transport(size: int) -> Figure:
    """Rows of T: what one pixel sees of the map, by material."""
    figure, axes = panels(len(MATERIALS), 2, (7.5, 6.2))
    pixel = (int(0.52 * size), int(0.5 * size))
    for row, material in zip(axes, MATERIALS, strict=True):
        scene = bundled_scene("bunny", material)
        scene.set_film_size(size)
        image = ei.render(scene, spp=256)
        chosen = np.zeros((size, size), bool)
        chosen[pixel] = True
        recorded = ei.LightTransport.record(scene, masks=[chosen], spp=PATHS)
        width, height = recorded.resolution
        one = np.repeat(chosen.reshape(-1, 1), 3, axis=1).astype(np.float32)
        weights = recorded.rmatvec(one).reshape(height, width, 3).mean(axis=2)
        row[0].imshow(ei.tonemap(image, display_exposure(image)))
        row[0].plot(*pixel[::-1], "o", color="white", markeredgecolor="black", markersize=6)
        row[0].set_ylabel(material)
        top = float(weights.max())
        shown = row[1].imshow(weights, cmap="viridis", norm="log", vmin=top / 10**DECADES, vmax=top)
        row[1].set_facecolor("black")
        figure.colorbar(shown, ax=row[1], pad=0.02)
    axes[0, 0].set_title("picture, and one of its pixels")
    axes[0, 1].set_title("the pixel's row of T, as a map")
    return figure


def solver(size: int) -> Figure:
    """The map after each pass of the solver."""
    scene = bundled_scene("bunny", "mirror")
    scene.set_film_size(size)
    truth = scene.envmap.texels
    found: list[tuple[str, Array]] = []

    def keep(iteration: ei.Iteration) -> None:
        found.append((f"iteration {iteration.index + 1}", iteration.texels))

    ei.estimate(scene, ei.render(scene, spp=64), on_iteration=keep)
    found = [*found[:4], found[-1], ("truth", truth)]
    figure, axes = panels(2, 3, (9.5, 3.5))
    for axis, (name, texels) in zip(axes.flat, found, strict=False):  # tiny films have fewer
        axis.imshow(ei.tonemap(texels, display_exposure(truth)))
        axis.set_title(name, fontsize=9)
    return figure


def priors(size: int) -> Figure:
    """Maps of a rough bunny without priors, with each, and with all."""
    scene = bundled_scene("bunny", "rough")
    scene.set_film_size(size)
    image = ei.render(scene, spp=64)
    truth = scene.envmap.texels
    chosen: dict[str, Any] = {
        "none": [],
        "TotalVariation": [ei.TotalVariation()],
        "Tikhonov": [ei.Tikhonov()],
        "by default": None,
    }
    figure, axes = panels(1, len(chosen) + 1, (12, 1.7))
    for axis, (name, prior) in zip(axes.flat, chosen.items(), strict=False):
        options = {} if prior is None else {"priors": prior}
        axis.imshow(
            ei.tonemap(ei.estimate(scene, image, **options).texels, display_exposure(truth))
        )
        axis.set_title(name, fontsize=9)
    axes[0, -1].imshow(ei.tonemap(truth, display_exposure(truth)))
    axes[0, -1].set_title("truth", fontsize=9)
    return figure


def posterior(size: int) -> Figure:
    """The map, its deviation, and maps drawn at random."""
    scene = bundled_scene("bunny", "rough")
    scene.set_film_size(size)
    result = ei.estimate(scene, ei.render(scene, spp=64))
    exposure = display_exposure(scene.envmap.texels)
    figure, axes = panels(2, 2, (8, 3.9))
    first, second = result.samples(2)
    shown = {"map": result.texels, "one drawn at random": first, "another": second}
    for axis, (name, texels) in zip(axes.flat[[0, 2, 3]], shown.items(), strict=True):
        axis.imshow(ei.tonemap(texels, exposure))
        axis.set_title(name, fontsize=9)
    relative = (result.deviation / np.maximum(result.texels, 1e-6)).mean(axis=2)
    drawn = axes[0, 1].imshow(relative, cmap="viridis", norm="log", vmin=0.03, vmax=3)
    axes[0, 1].set_title("deviation over radiance", fontsize=9)
    figure.colorbar(drawn, ax=axes[0, 1], pad=0.02)
    return figure


FIGURES = {"transport": transport, "solver": solver, "priors": priors, "posterior": posterior}


def main() -> None:
    """Draw all figures."""
    parser = argparse.ArgumentParser(description="Draw the figures of how-it-works.md.")
    parser.add_argument("--size", type=int, default=96, help="width and height of the pictures")
    parser.add_argument("-o", "--output", type=Path, default=Path(__file__).parent / "images")
    options = parser.parse_args()
    for name, draw in FIGURES.items():
        draw(options.size).savefig(
            options.output / f"{name}.jpg", dpi=100, pil_kwargs={"quality": 88}
        )


if __name__ == "__main__":
    main()
