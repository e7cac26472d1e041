"""Pictures with the noise of a camera, and scenes that are a little wrong."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from benchmarks.methods import Case, bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.metrics import angular_error, log_rmse
from envmap_inverse.sphere.latlong import texel_solid_angles

CASES = (("mirror", "museum"), ("rough", "museum"), ("mirror", "lamps"), ("rough", "sun"))
NOISE = (0.0, 0.01, 0.05, 0.1, 0.2, 0.4)
SHIFTS = (0.0, 0.25, 1.0, 3.0)


def camera_noise(settings: Settings) -> Table:
    """Errors of the map under normal noise, as a share of the picture's mean."""
    return Table(
        name="camera_noise",
        title="Noisy pictures",
        note="`Transport()` with no setting touched, 128 x 128, pictures of 256 samples per pixel "
        "with normal noise of so much of their mean; the noise is estimated from the picture. "
        "Energy is the map's mean radiance over the true map's; the uniform map is the best one.",
        columns={
            "material": "",
            "map": "",
            "noise": ".2f",
            "energy": ".3f",
            "log RMSE": ".3f",
            "log RMSE of a uniform map": ".3f",
            "colour angle": ".2f",
            "fit": "",
            "chi2": ".2f",
        },
        rows=_noisy(settings),
    )


def wrong_cameras(settings: Settings) -> Table:
    """Verdicts on fits to shifted pictures."""
    return Table(
        name="wrong_cameras",
        title="Cameras that are off",
        note="The same scenes without noise, their pictures moved by so many pixels to the right.",
        columns={
            "material": "",
            "map": "",
            "shift": ".2f",
            "log RMSE": ".3f",
            "fit": "",
            "chi2": ".2f",
            "correlation": ".2f",
        },
        rows=_shifted(settings),
    )


def _noisy(settings: Settings) -> Iterator[tuple[Any, ...]]:
    for (material, light), noise in product(settings.pick(CASES[:2], CASES), NOISE):
        case, clean = _case(settings, material, light)
        random = np.random.default_rng(1).standard_normal(clean.shape)
        image = (clean + noise * clean.mean() * random).astype(np.float32)
        found = ei.estimate(case.scene, image, optimizer=ei.Transport())
        weights = texel_solid_angles(*case.truth.shape[:2])[:, :, None]
        yield (
            material,
            light,
            noise,
            float(np.sum(weights * found.texels) / np.sum(weights * case.truth)),
            log_rmse(found.texels, case.truth),
            _best_uniform(case.truth),
            angular_error(found.texels, case.truth),
            found.fit.verdict,
            found.fit.chi2,
        )


def _shifted(settings: Settings) -> Iterator[tuple[Any, ...]]:
    for (material, light), shift in product(settings.pick(CASES[:2], CASES), SHIFTS):
        case, clean = _case(settings, material, light)
        image = ndimage.shift(clean, (0, shift, 0), order=1, mode="nearest")
        found = ei.estimate(case.scene, image, optimizer=ei.Transport())
        fit = found.fit
        error = log_rmse(found.texels, case.truth)
        yield material, light, shift, error, fit.verdict, fit.chi2, fit.correlation


def _case(settings: Settings, material: str, light: str) -> tuple[Case, NDArray[np.float32]]:
    """A bundled case, and its picture at 256 samples per pixel."""
    case = bundled_case(settings.film(128), material=material, light=light)
    return case, ei.render(case.scene, spp=256, seed=54321)


def _best_uniform(truth: Any) -> float:
    """The lowest log RMSE that a map of one grey has."""
    levels = np.geomspace(0.01, 10, 200) * truth.mean()
    return min(log_rmse(np.full_like(truth, level), truth) for level in levels)
