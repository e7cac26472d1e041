"""Try a plugin: is what we make of a scene with it what `mi.render` makes of it?"""

from __future__ import annotations

import gc
import tempfile
import warnings
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import recipes
from z_test import Images, differ, with_means

import envmap_inverse as ei
from envmap_inverse.backend import mi

NUM_RUNS = 8
SPP = 64
SIGNIFICANCE = 1e-4
"""Of a comparison; there are some two hundred."""

EQUAL = "equal"
WAYS = {
    "not replayed": "Dr.Jit cannot replay",
    "by the scene's own integrator": "Mitsuba's prb cannot",
}
"""What Adam did in place of replaying `prb`, by how its warning begins."""


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """Results for a plugin, each "equal", the reason for a refusal, or what is wrong.

    Attributes:
        render: `ei.render`.
        transport: the recorded T x + c.
        adam: the pictures that Adam compares.
    """

    render: str
    transport: str
    adam: str

    @property
    def is_good(self) -> bool:
        """Whether all is equal or refused."""
        return not any(text.startswith(("DIFFERS", "FAILS")) for text in astuple(self))


def tried(kind: str, name: str) -> Outcome:
    """Try a scene with a plugin."""
    reason = recipes.NOT_TRIED.get((kind, name))
    if reason:
        return Outcome(render=f"not tried: {reason}", transport="", adam="")
    with tempfile.TemporaryDirectory() as folder:
        described = recipes.describe(kind, name, Path(folder))
        try:
            theirs = mi.load_dict(described)
        except Exception as error:  # noqa: BLE001 - Mitsuba raises many kinds
            reason = _one_line(error).rpartition("] ")[2]
            return Outcome(render=f"Mitsuba: {reason}", transport="", adam="")
        try:
            ei.load_scene(described)
        except ei.InputError as error:
            reason = f"refused: {error}"
            return Outcome(render=reason, transport=reason, adam=reason)
        pictures = [_picture(theirs, seed) for seed in range(NUM_RUNS)]
        del theirs
        gc.collect()  # as long as another scene is alive, Mitsuba differentiates its emitters too
        scene = ei.load_scene(described)
    return Outcome(
        render=_judged(
            lambda: [ei.render(scene, spp=SPP, seed=s) for s in range(100, 108)], pictures
        ),
        transport=_judged(lambda: _predicted(scene), pictures),
        adam=_judged_with_words(lambda: _compared(scene), pictures),
    )


def _judged_with_words(make: Callable[[], list[Images]], pictures: list[Images]) -> str:
    """The same, and which way Adam had to take."""
    with warnings.catch_warnings(record=True) as met:
        warnings.simplefilter("always")
        outcome = _judged(make, pictures)
    texts = [str(warning.message) for warning in met]
    ways = [way for way, start in WAYS.items() if any(text.startswith(start) for text in texts)]
    return ", ".join([outcome, *ways[-1:]])


def _judged(make: Callable[[], list[Images]], pictures: list[Images]) -> str:
    try:
        made = with_means(make())
    except ei.InputError as error:
        return f"refused: {error}"
    except Exception as error:  # noqa: BLE001 - whatever it is, it is a fault
        return f"FAILS: {type(error).__name__}: {_one_line(error)}"
    expected = with_means(pictures)
    if differ(made, expected, SIGNIFICANCE):
        ratio = made[:, -3:].mean() / expected[:, -3:].mean()
        return f"DIFFERS: {ratio:.3f} of the light"
    return EQUAL


def _picture(mi_scene: Any, seed: int) -> Images:
    return np.array(mi.render(mi_scene, spp=SPP, seed=seed))[:, :, :3]


def _predicted(scene: ei.Scene) -> list[Images]:
    texels = scene.envmap.texels.reshape(-1, 3)
    recorded = (ei.LightTransport.record(scene, spp=SPP, seed=s) for s in range(NUM_RUNS))
    return [transport.matvec(texels) + transport.offset for transport in recorded]


def _compared(scene: ei.Scene) -> list[Images]:
    """The pictures of steps that do not move the map."""
    images: list[Images] = []
    adam = ei.Adam(iterations=NUM_RUNS, spp=SPP, seed=1000, learning_rate=1e-9)
    start = ei.render(scene, spp=1)
    result = ei.estimate(
        scene,
        start,
        optimizer=adam,
        initial=scene.envmap.texels,
        on_iteration=lambda iteration: images.append(iteration.image),
    )
    if result.status != "done" or not np.isfinite(result.coverage).all():
        raise ArithmeticError(f"{result.status}, coverage {result.coverage.min()}")
    return images


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())
