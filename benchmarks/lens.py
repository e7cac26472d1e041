"""What a lens that is not modelled does to a map: vignetting and flare."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.images import read_image
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import resample

MAP_SIZE = (128, 64)
DISTANCE, MARGIN = 20.0, 0.1
HALO = 0.1
"""Reach of the halo round bright light, as a share of the picture's side."""

Image = NDArray[np.float32]
Lens = Callable[[Image], Image]


def lens(settings: Settings) -> Table:
    """Maps from pictures through lenses that lose or scatter light."""
    return Table(
        name="lens",
        title="Lenses that lose and scatter light",
        note="A mirror ball that fills the picture, and the copper bunny, 256 x 256, linear "
        "pictures of 256 samples per pixel, one exposure. Vignetting: light lost towards the "
        "corners, with the square of the distance from the middle, so much of it in the corner; "
        "or the fourth power of the cosine, with a corner 37 degrees off the axis. Flare: so much "
        "of the light is scattered, half of it evenly, half over a tenth of the picture. Moved: "
        "log RMSE between the map and that through a perfect lens. Darkest tenth: light there over "
        "that of this map.",
        columns={
            "object": "",
            "map": "",
            "lens": "",
            "log RMSE": ".3f",
            "moved": ".3f",
            "darkest tenth": ".2f",
            "fit": "",
            "chi2": ".2f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    size = settings.film(256)
    for light, (name, make) in product(
        settings.pick(("museum",), ("museum", "sun")), {"ball": _ball, "bunny": _bunny}.items()
    ):
        scene, mask = make(size)
        scene.set_map_size(*MAP_SIZE)
        truth = resample(read_image(map_file(light)), MAP_SIZE[1], MAP_SIZE[0])
        scene.set_envmap(truth)
        picture = ei.render(scene, spp=256, seed=2)
        plain = None
        for called, through in LENSES.items():
            view = ei.View(through(picture), mask=mask)
            result = ei.estimate(scene, view, optimizer=ei.Transport())
            plain = result.texels if plain is None else plain
            levels = truth.mean(axis=2)
            is_dark = levels < np.quantile(levels, 0.1)
            yield (
                *(name, light, called),
                log_rmse(result.texels, truth),
                log_rmse(result.texels, plain),
                float(np.median((result.texels / plain)[is_dark])),
                result.fit.verdict,
                result.fit.chi2,
            )


def _ball(size: int) -> tuple[ei.Scene, Image]:
    circle = Circle(x=size / 2, y=size / 2, radius=size / 2 * (1 - MARGIN))
    shot = BallShot.at_distance((size, size), circle, DISTANCE)
    described = ball_scene(conductor("0.9"))
    described["integrator"]["hide_emitters"] = False
    scene = ei.load_scene(described, envmap=MAP_SIZE)
    scene.set_sensors([shot.camera("camera")])
    return scene, shot.mask()


def _bunny(size: int) -> tuple[ei.Scene, Image]:
    scene = bundled_scene("bunny", "mirror")
    scene.set_film_size(size, 0)
    return scene, np.ones((size, size), np.float32)


def _off(picture: Image) -> Image:
    """Distance of pixels from the middle, 1 in the corners, shape (h, w, 1)."""
    height, width, _ = picture.shape
    y, x = np.indices((height, width)) + 0.5
    off = np.hypot(y - height / 2, x - width / 2) / np.hypot(height / 2, width / 2)
    return np.asarray(off[:, :, None], np.float32)


def vignetted(picture: Image, lost: float) -> Image:
    """A picture that has lost a share of its light in the corners."""
    return np.asarray(picture * (1 - lost * _off(picture) ** 2), np.float32)


def wide(picture: Image, degrees: float) -> Image:
    """A picture that has lost light by the fourth power of the cosine."""
    tangent = _off(picture) * np.tan(np.radians(degrees))
    return np.asarray(picture / (1 + tangent**2) ** 2, np.float32)


def flared(picture: Image, share: float) -> Image:
    """A picture of whose light a share is scattered."""
    reach = HALO * picture.shape[0]
    halo = ndimage.gaussian_filter(picture, (reach, reach, 0), mode="constant")
    veil = picture.mean(axis=(0, 1))
    return np.asarray((1 - share) * picture + share / 2 * (halo + veil), np.float32)


LENSES: dict[str, Lens] = {
    "perfect": partial(vignetted, lost=0.0),
    "vignetting, 30 %": partial(vignetted, lost=0.3),
    "vignetting, 60 %": partial(vignetted, lost=0.6),
    "cosine to the fourth": partial(wide, degrees=37.0),
    "flare, 1 %": partial(flared, share=0.01),
    "flare, 3 %": partial(flared, share=0.03),
}
