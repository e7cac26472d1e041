"""How far a map changes by pixels that the scene does not explain."""

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
from envmap_inverse.metrics import log_rmse

MATERIALS, LIGHTS = ("mirror", "rough"), ("museum", "windows")
KINDS = ("bright hand", "dark hand", "hand at the rim", "dust", "lamps")
SHARES = (0.01, 0.05)
SKIN = np.array([0.9, 0.6, 0.45], np.float32)
NUM_LAMPS = 8

Image = NDArray[np.float32]


def outliers(settings: Settings) -> Table:
    """Errors of maps from pictures with a hand, dust or lamps, over those without."""
    return Table(
        name="outliers",
        title="Outliers",
        note="`Transport()` with no setting touched, 128 x 128, pictures of 256 samples per pixel "
        "with normal noise of 1 % of their mean. So much of the film is covered by a square of the "
        "colour of skin (2 or 0.25 times as bright as the picture's mean), has values times 0.2, "
        "0.4 or 3, or shows eight squares brighter by 10 means. log RMSE over the sphere; how many "
        "times as large it is with them, and if they are not looked for (`max_outliers=0`); share "
        "of them that was found, and share of the others that was taken for such.",
        columns={
            "material": "",
            "map": "",
            "outliers": "",
            "share": ".2f",
            "log RMSE without": ".3f",
            "times with": ".3f",
            "times, not looked for": ".3f",
            "found": ".2f",
            "wrongly": ".4f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    everything = MATERIALS, LIGHTS, KINDS, SHARES
    materials, lights, kinds, shares = settings.pick(
        (MATERIALS[:1], LIGHTS[:1], KINDS[:1], SHARES[1:]), everything
    )
    for material, light in product(materials, lights):
        case = bundled_case(128, material=material, light=light)
        clean = ei.render(case.scene, spp=256, seed=7)
        noise = np.random.default_rng(1).standard_normal(clean.shape)
        clean = (clean + 0.01 * clean.mean() * noise).astype(np.float32)
        without = log_rmse(ei.estimate(case.scene, clean).texels, case.truth)
        for share, kind in product(shares, kinds):
            picture, mask = _touched(clean, kind, share)
            found, plain = (
                ei.estimate(case.scene, picture, optimizer=optimizer)
                for optimizer in (ei.Transport(), ei.Transport(max_outliers=0))
            )
            times = [log_rmse(each.texels, case.truth) / without for each in (found, plain)]
            (outlying,) = found.outliers or (np.zeros_like(mask),)
            seen = float(outlying[mask].mean()), float(outlying[~mask].mean())
            yield material, light, kind, share, without, *times, *seen


def _touched(clean: Image, kind: str, share: float) -> tuple[Image, NDArray[np.bool_]]:
    """A picture with outliers, and where they are."""
    random = np.random.default_rng(5)
    height, width, _ = clean.shape
    picture, mask = clean.copy(), np.zeros((height, width), bool)
    count, mean = int(share * height * width), clean.mean()
    if kind == "dust":
        mask.flat[random.choice(height * width, count, replace=False)] = True
        picture[mask] *= random.choice(np.float32([0.2, 0.4, 3.0]), (count, 1))
    elif kind == "lamps":
        side = int((count / NUM_LAMPS) ** 0.5)
        for _ in range(NUM_LAMPS):
            row = random.integers(height // 4, 3 * height // 4 - side)
            column = random.integers(width // 4, 3 * width // 4 - side)
            mask[row : row + side, column : column + side] = True
        picture[mask] += 10 * mean
    else:
        side = int(count**0.5)
        row, column = (height - side) // 2, 0 if "rim" in kind else (width - side) // 2 - 10
        mask[row : row + side, column : column + side] = True
        picture[mask] = SKIN * mean * (0.25 if "dark" in kind else 2)
    return picture, mask
