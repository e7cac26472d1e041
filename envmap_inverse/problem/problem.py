"""The problem: a scene, views of it, a loss and priors."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import Faults, InputError, check_numbers, counted
from envmap_inverse.losses import Censored, Loss
from envmap_inverse.priors import Prior
from envmap_inverse.problem.plausibility import (
    checked_start,
    checked_truth,
    checked_view,
    warn_of_scale,
)
from envmap_inverse.problem.view import View, ViewLike, as_views, naming_input, start_exposures
from envmap_inverse.recording.rows import in_blocks
from envmap_inverse.scene.envmap import as_texels
from envmap_inverse.scene.rendering import check_film
from envmap_inverse.scene.scene import Scene

__all__ = ["Problem"]

MAX_SHOWN = 6
"""Views that a problem lists when it is printed."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Problem:
    """A scene, views of it, and what a good environment map for them is.

    Attributes:
        scene: the scene; an optimizer may change its environment map.
        views: reference images, at least one.
        loss: compares rendered and observed pixels.
        priors: what is known about maps.
        initial: start map, texels (H, W, 3).
        ground_truth: the true map, if known; only measured against.
        block: pixels on a side of the squares of their films whose means the views show.

    Example:
        >>> problem = ei.Problem.create(scene, image, loss=ei.MSE())
        >>> problem
        <Problem: a map of 16 x 8 texels from 1 view
          <View 'reference image': 8 x 8 pixels, sensor 0, exposure 1.0>
          loss: MSE()
          priors: none>
    """

    scene: Scene
    views: tuple[View, ...]
    loss: Loss
    initial: NDArray[np.float32]
    priors: tuple[Prior, ...] = ()
    ground_truth: NDArray[np.float32] | None = None
    block: int = 1

    def __post_init__(self) -> None:
        """Check that the views fit the scene's films."""
        if not self.views:
            raise InputError("no reference image given; at least one is needed")
        faults = Faults()
        for view in self.views:
            faults.attempt(_check_fit, self.scene, view, self.block)
        faults.report()

    @cached_property
    def exposures(self) -> NDArray[np.float32]:
        """Exposures of each view and channel, shape (views, 3); 1 where they are unknown."""
        return start_exposures(self.views)[0]

    def __repr__(self) -> str:
        """A line per part."""
        width, height = self.scene.envmap.resolution
        priors = ", ".join(map(repr, self.priors)) or "none"
        views = "".join(f"\n  {view}" for view in self.views[:MAX_SHOWN])
        more = len(self.views) - MAX_SHOWN
        return (
            f"<Problem: a map of {width} x {height} texels from {counted(len(self.views), 'view')}"
            f"{views}{f'{chr(10)}  and {more} more' if more > 0 else ''}"
            f"\n  loss: {self.loss}\n  priors: {priors}>"
        )

    @classmethod
    def create(
        cls,
        scene: Scene,
        views: ViewLike | Sequence[ViewLike],
        *,
        loss: Loss,
        priors: Sequence[Prior] = (),
        initial: float | ArrayLike | None = None,
        ground_truth: ArrayLike | None = None,
    ) -> Problem:
        """A problem from what `estimate` takes, without numbers that no light can have.

        Of those, and of what is done about them, it warns: see `plausibility`.

        Raises:
            InputError: if anything does not fit the scene.
        """
        width, height = scene.envmap.resolution
        made = tuple(checked_view(view) for view in as_views(views, loss))
        if initial is None:
            initial = _mean_radiance(made)
        if isinstance(initial, str | Path):
            raise InputError(
                f"initial map: is the name {str(initial)!r}; read the file with ei.read_image"
            )
        if getattr(initial, "ndim", None) == 0:
            initial = np.asarray(initial).item()
        if isinstance(initial, numbers.Real):
            number: dict[str, Any] = {"initial map": initial}
            check_numbers(**number)
            initial = np.full((height, width, 3), initial, np.float32)
        warn_of_scale(scene.envmap.original_scale)
        truth = None
        if ground_truth is not None:
            truth = checked_truth(_named("ground truth", ground_truth, scene))
        return cls(
            scene=scene,
            views=made,
            loss=loss.loss if isinstance(loss, Censored) else loss,
            priors=tuple(priors),
            initial=checked_start(_named("initial map", initial, scene), made),
            ground_truth=truth,
        )


def _mean_radiance(views: Sequence[View]) -> float:
    """Mean of the pictures whose exposure is known, 1 if they are black."""
    exposures, unknown = start_exposures(views)
    means = [
        float(np.sum(view.weights * view.image / exposure)) / 3
        for view, exposure, index in zip(views, exposures, unknown, strict=True)
        if (index < 0).all()
    ]
    mean = float(np.mean(means)) if means else 1.0
    return mean if np.isfinite(mean) and mean > 0 else 1.0


def _check_fit(scene: Scene, view: View, block: int) -> None:
    """Refuse a view that the film of its sensor cannot take."""
    check_film(scene, view.sensor)
    film, size = in_blocks(scene.film_size(view.sensor), block), view.image.shape[1::-1]
    if film != size:
        raise InputError(
            f"{view.name}: is {size[0]} x {size[1]} but the film of sensor {view.sensor} is "
            f"{film[0]} x {film[1]}; give the film its size with scene.set_film_size({size})"
        )


def _named(name: str, texels: ArrayLike, scene: Scene) -> NDArray[np.float32]:
    return naming_input(name, as_texels, texels, scene.envmap.resolution)
