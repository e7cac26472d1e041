"""Whether error bars hold what they say."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.methods import bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.bundled import MAPS
from envmap_inverse.sphere.latlong import texel_directions, texel_solid_angles

MATERIALS = ("mirror", "rough", "plastic", "diffuse")
TURNS = (0, 1 / 3)
"""Each map also stands for a second one, turned by a third and mirrored."""

NOISE = (0.0, 0.05)
LEVELS = (0.5, 0.9, 0.99)
NUM_NORMALS, NUM_SAMPLES = 100, 16
FLOOR = 1e-3


def calibration(settings: Settings) -> Table:
    """Shares of the sphere, and of irradiances, that intervals hold."""
    return Table(
        name="calibration",
        title="Error bars",
        note="`Transport()` with no setting touched, 128 x 128, bundled maps and their mirrored "
        "images, pictures of 256 samples per pixel with normal noise of so much of their mean. "
        "Shares of the solid angle of what is seen whose radiance lies within the intervals of "
        "50, 90 and 99 %, the same for what is not seen (90 %), and the share of the irradiances "
        "of 100 normals within 16 samples' mean and 1.645 deviations: medians over the maps, and "
        "for 90 % the least.",
        columns={
            "material": "",
            "noise": ".2f",
            "maps": "",
            "50 %": ".2f",
            "90 %": ".2f",
            "least": ".2f",
            "99 %": ".2f",
            "unseen, 90 %": ".2f",
            "irradiance, 90 %": ".2f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    kinds = settings.pick((MATERIALS[:1], NOISE[:1], MAPS[:2]), (MATERIALS, NOISE, MAPS))
    for material, noise in product(*kinds[:2]):
        shares = np.array(
            [_shares(material, light, turn, noise) for light, turn in product(kinds[2], TURNS)]
        )
        middle = np.nanmedian(shares, axis=0)
        least = float(shares[:, 1].min())
        half, nine, most, unseen, irradiance = middle.tolist()
        yield material, noise, len(shares), half, nine, least, most, unseen, irradiance


def _shares(material: str, light: str, turn: float, noise: float) -> list[float]:
    """Shares of one map that the intervals hold."""
    case = bundled_case(128, material=material, light=light)
    truth = case.truth
    if turn:
        truth = np.ascontiguousarray(np.roll(truth, int(turn * truth.shape[1]), axis=1)[:, ::-1])
        case.scene.envmap.write(truth)
    clean = ei.render(case.scene, spp=256, seed=7)
    random = np.random.default_rng(1).standard_normal(clean.shape)
    found = ei.estimate(case.scene, (clean + noise * clean.mean() * random).astype(np.float32))
    weights = np.repeat(texel_solid_angles(*truth.shape[:2])[:, :, None], 3, axis=2)
    floored = np.maximum(truth, FLOOR * clean.mean())  # as dark as logarithms go

    def held(level: float, region: NDArray[np.bool_]) -> float:
        low, high = found.interval(level)
        inside = (low <= floored) & (floored <= high)
        part = weights * region[:, :, None]
        return float(np.sum(part * inside) / np.sum(part)) if part.any() else np.nan

    seen = [held(level, found.seen) for level in LEVELS]
    return [*seen, held(0.9, ~found.seen), _irradiances_held(found, truth)]


def _irradiances_held(found: ei.Estimate, truth: NDArray[np.float32]) -> float:
    """Share of irradiances within the samples' spread."""
    height, width, _ = truth.shape
    normals = np.random.default_rng(3).standard_normal((NUM_NORMALS, 3))
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    cosines = np.maximum(texel_directions(height, width).reshape(-1, 3) @ normals.T, 0)
    weights = (texel_solid_angles(height, width).reshape(-1, 1) * cosines).T
    drawn = np.array([weights @ map_.reshape(-1, 3) for map_ in found.samples(NUM_SAMPLES)])
    wanted = weights @ truth.reshape(-1, 3)
    away = np.abs(wanted - drawn.mean(axis=0)) / np.maximum(drawn.std(axis=0, ddof=1), 1e-12)
    return float(np.mean(away < 1.645 * np.sqrt(1 + 1 / NUM_SAMPLES)))
