"""From pictures as they were read to views of films: placed, cut, averaged down, registered."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from envmap_inverse.problem.cutting import cut_films
from envmap_inverse.problem.fitting import fit_films
from envmap_inverse.problem.placing import Crop, place_crops
from envmap_inverse.problem.registration import registered
from envmap_inverse.problem.view import View
from envmap_inverse.scene.scene import Scene

__all__ = ["prepared"]


def prepared(
    scene: Scene,
    views: Sequence[View],
    crops: Sequence[Crop | None] = (),
    *,
    registers: bool = True,
    moves: bool = False,
    cuts: bool = True,
    **films: Any,
) -> tuple[View, ...]:
    """Place crops, cut and average down films and pictures, and register the pictures.

    Args:
        scene: its films take the new sizes.
        views: pictures of any size.
        crops: see `place_crops`.
        registers: whether pictures of a sensor are moved onto each other; see `registered`.
        moves: see `cut_films`.
        cuts: whether films and pictures are cut to what counts.
        **films: `size` and `max_pixels` of `fit_films`.

    Raises:
        InputError: as each of these does.
    """
    whole = place_crops(scene, views, crops)
    cut = partial(cut_films, moves=moves) if cuts else None
    fitted = fit_films(scene, whole, cut=cut, **films)
    return registered(fitted) if registers else fitted
