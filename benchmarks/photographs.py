"""Photographs: several views, clipped 8-bit pictures, unknown exposures.

Printed by `python -m benchmarks --only views,clipped,exposures`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.bundled import MAPS, MATERIALS, bundled_scene, map_file
from envmap_inverse.images import clipping_levels, read_image, write_image
from envmap_inverse.metrics import angular_error, log_rmse, rmse
from envmap_inverse.sphere.latlong import angle_between, texel_directions, texel_solid_angles
from envmap_inverse.sphere.lights import LUMINANCE, find_lights

CLIPPED_SHARE = 0.02
"""Of the pixels, the brightest."""

AIM = 0.25
"""How far the light's energy may be off, and by how much bounds should better the log RMSE."""

WIDE = 30.0
"""Degrees round the brightest light within which blurred light may lie."""

FACTORS = (1.0, 0.25, 4.0)
TURNS = {"front": 0.0, "side": 0.25, "back": 0.5}
"""Where cameras stand round the bunny, in turns."""

Image = NDArray[np.float32]


def views(settings: Settings) -> Table:
    """Errors from the front, from the back, and from both."""
    size = settings.film(settings.pick(256, 384))
    return Table(
        name="views",
        title=f"Two views, {size} x {size}",
        note="The mirror-like bunny from its front, from its back, and both: errors of the map "
        "over the whole sphere, and the error of both over that of the better one.",
        columns={
            "map": "",
            "log RMSE: front": ".3f",
            "back": ".3f",
            "both": ".3f",
            "both / better": ".2f",
            "RMSE: both / better": ".2f",
            "colour angle: both / better": ".2f",
        },
        rows=_views(size, settings.pick(MAPS[:1], MAPS)),
    )


def _views(size: int, lights: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    for light in lights:
        scene, truth = _seen_from(("front", "back"), size, light)
        pair = [ei.View(ei.render(scene, spp=64, seed=1 + k, sensor=k), sensor=k) for k in (0, 1)]
        errors = []
        for chosen in (pair[:1], pair[1:], pair):
            found = ei.estimate(scene, chosen, optimizer=ei.Transport()).texels
            errors.append([error(found, truth) for error in (log_rmse, rmse, angular_error)])
        front, back, both = np.array(errors)
        yield light, front[0], back[0], both[0], *(both / np.minimum(front, back))


def exposures(settings: Settings) -> Table:
    """Unknown exposures, as found."""
    size = settings.film(256)
    return Table(
        name="exposures",
        title=f"Unknown exposures, {size} x {size}",
        note=f"Three pictures exposed by 1, {FACTORS[1]:g} and {FACTORS[2]:g}, which is not told "
        "(`exposure='auto'`): of one view each, or of one view as 8-bit PNGs, clipped at the front "
        "view's 90th percentile times these. Exposures found relative to the first, and how far "
        "the worse one is off.",
        columns={
            "material": "",
            "pictures": "",
            "optimizer": "",
            f"found for {FACTORS[1]:g}": ".4f",
            f"for {FACTORS[2]:g}": ".4f",
            "off by": ".2%",
        },
        rows=_exposures(size, settings.pick(("mirror",), ("mirror", "plastic"))),
    )


def _exposures(size: int, materials: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    optimizers = {"Transport()": ei.Transport(), "Adam()": ei.Adam(iterations=10)}
    for material in materials:
        scene, _ = _seen_from(tuple(TURNS), size, "museum", material)
        pictures = [ei.render(scene, spp=64, seed=1 + k, sensor=k) for k in range(3)]
        several = [
            ei.View(np.float32(factor) * picture, sensor=k, exposure="auto")
            for k, (factor, picture) in enumerate(zip(FACTORS, pictures, strict=True))
        ]
        white = np.quantile(pictures[0], 0.9)
        bracketed = [
            _photograph(factor * ei.render(scene, spp=64, seed=9 + k) / white, exposure="auto")
            for k, factor in enumerate(FACTORS)
        ]
        for kind, taken in {"three views": several, "one view, PNG": bracketed}.items():
            for name, optimizer in optimizers.items():
                found = ei.estimate(scene, taken, optimizer=optimizer).exposures
                assert found is not None
                relative = found.mean(axis=1) / found[0].mean()
                off = np.abs(relative / FACTORS - 1).max()
                yield material, kind, name, *relative[1:], off


def clipped(settings: Settings) -> Table:
    """Compare clipped values taken as bounds with clipped values taken as exact."""
    size = settings.film(256)
    return Table(
        name="clipped",
        title=f"Clipped pictures, {size} x {size}",
        note=f"One 8-bit PNG of which {CLIPPED_SHARE:.0%} of the pixels are clipped, its values "
        "taken for exact and, where clipped, for bounds. Energy is that of the map's brightest "
        "light, over the true one: luminance within one and a half times its radius and a degree, "
        f"and of bounds also within {WIDE:.0f} degrees, as light is blurred. Pixels that see it "
        "are unclipped, with at least a tenth of their light from the brighter half of it; - if "
        "there is none. Lights are where the map is brighter than the picture's white; true "
        "lights in place of those of the exact values would lower the log RMSE by so much. Aims: "
        f"energy off by {AIM:.0%} at most where a pixel sees it; log RMSE lower by {AIM:.0%}.",
        columns={
            "scene": "",
            "map": "",
            "pixels see it": "",
            "energy: exact": ".2f",
            "bounds": ".2f",
            "wide": ".2f",
            "aim": "",
            "log RMSE: exact ": ".3f",
            "bounds ": ".3f",
            "lower by": ".0%",
            "aim ": "",
            "true lights: by": ".0%",
            "of the lights: lower by": ".0%",
        },
        rows=_clipped(size, settings.pick(MAPS[-1:], MAPS)),
    )


def _clipped(size: int, lights: tuple[str, ...]) -> Iterator[tuple[Any, ...]]:
    for name in ("two balls", *MATERIALS):
        for light in lights:
            yield name, light, *_clipped_row(name, light, size)


def _clipped_row(name: str, light: str, size: int) -> tuple[Any, ...]:
    if name == "two balls":
        scene, truth = _two_balls(size, light)
    else:
        scene, truth = _seen_from(("front",), size, light, name)
    radiance = ei.render(scene, spp=64, seed=1)
    exposure = 1 / float(np.quantile(radiance.max(axis=2), 1 - CLIPPED_SHARE))
    bounds = _photograph(exposure * radiance, exposure=exposure)
    brightest = _Light.of(truth)
    is_light = (exposure * truth > 1).any(axis=2)
    maps = [
        ei.estimate(scene, view, optimizer=ei.Transport()).texels
        for view in (ei.View(bounds.image, exposure=exposure), bounds)
    ]
    energies = [
        brightest.energy(texels, wide=wide) / brightest.energy(truth, wide=wide)
        for texels, wide in ((maps[0], False), (maps[1], False), (maps[1], True))
    ]
    errors = [log_rmse(texels, truth) for texels in maps]
    light_errors = [log_rmse(texels, truth, weights=is_light) for texels in maps]
    with_true_lights = log_rmse(np.where(is_light[..., None], truth, maps[0]), truth)
    lower, light_lower = (1 - after / before for before, after in (errors, light_errors))
    num_seeing = _num_seeing(scene, truth * brightest.core[..., None], radiance, bounds)
    return (
        num_seeing or "-",
        *energies,
        _yes(abs(energies[1] - 1) <= AIM) if num_seeing else "-",
        *errors,
        lower,
        _yes(lower >= AIM),
        1 - with_true_lights / errors[0],
        light_lower,
    )


@dataclass(frozen=True, kw_only=True)
class _Light:
    """The brightest light of a map.

    Attributes:
        weights: steradians of each texel that is, or might be blurred into, it, shape (H, W).
        wide_weights: the same of each texel round it.
        core: whether a texel is of its brighter half: of those that have half of its energy.
    """

    weights: NDArray[np.float64]
    wide_weights: NDArray[np.float64]
    core: NDArray[np.bool_]

    @classmethod
    def of(cls, texels: Image) -> _Light:
        solid_angles = texel_solid_angles(*texels.shape[:2])
        lights = find_lights(texels, solid_angles)
        radius = np.arccos(1 - lights.solid_angles[0] / (2 * np.pi))
        angles = angle_between(texel_directions(*texels.shape[:2]), lights.directions[0])
        weights = solid_angles * (angles <= 1.5 * radius + np.radians(1))
        luminance = texels @ np.asarray(LUMINANCE)
        order = np.argsort(-luminance, axis=None)
        reached = np.cumsum((weights * luminance).ravel()[order])
        core = np.zeros(luminance.size, bool)
        core[order] = reached <= max(reached[-1] / 2, reached[0])
        return cls(
            weights=weights,
            wide_weights=solid_angles * (angles <= np.radians(WIDE)),
            core=core.reshape(luminance.shape) & (weights > 0),
        )

    def energy(self, texels: Image, *, wide: bool = False) -> float:
        weights = self.wide_weights if wide else self.weights
        return float(np.sum(weights * (texels @ np.asarray(LUMINANCE))))


def _num_seeing(scene: ei.Scene, light: Image, radiance: Image, view: ei.View) -> int:
    """Number of unclipped pixels that have a tenth or more of their radiance from a light."""
    transport = ei.LightTransport.record(scene, spp=16, seed=5)
    from_it = transport.matvec(np.ascontiguousarray(light.reshape(-1, 3))).reshape(radiance.shape)
    sees = from_it.sum(axis=2) >= 0.1 * radiance.sum(axis=2)
    return int(np.sum(sees & (radiance.sum(axis=2) > 0) & ~view.is_over.any(axis=2)))


def _photograph(values: Image, **options: Any) -> ei.View:
    """A view of values that a PNG has kept, 1 being white."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "photo.png"
        write_image(path, values)
        white, black = clipping_levels(path)
        return ei.View(read_image(path), white=white, black=black, **options)


def _seen_from(
    names: tuple[str, ...], size: int, light: str, material: str = "mirror"
) -> tuple[ei.Scene, Image]:
    """The bunny under a map, and the map; sensor k is the k-th of the names."""
    scene, truth = bundled_scene("bunny", material), read_image(map_file(light))
    scene.envmap.write(truth)
    scene.set_sensors([_camera(name, (size, size), 2.6, size, TURNS[name]) for name in names])
    return scene, truth


def _two_balls(width: int, light: str) -> tuple[ei.Scene, Image]:
    """A chrome ball and a grey one side by side, as in `examples/mirror_ball.py`."""
    grey = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.18}}
    chrome = {"type": "conductor", "material": "Cr"}
    scene = ei.load_scene(
        {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": 4},
            "chrome": {"type": "sphere", "center": [-1.05, 0, 0], "bsdf": chrome},
            "grey": {"type": "sphere", "center": [1.05, 0, 0], "bsdf": grey},
            "light": {"type": "envmap", "filename": str(map_file(light))},
        }
    )
    scene.set_sensors([_camera("photo", (width, width // 2), 7, 1.5 * width, 0)])
    return scene, scene.envmap.texels


def _camera(
    name: str, size: tuple[int, int], distance: float, focal_length: float, turn: float
) -> ei.Camera:
    """A camera on a level circle round the origin, which it looks at."""
    width, height = size
    c, s = np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)
    position = distance * np.array([s, 0, c])
    return ei.Camera(
        name=name,
        width=width,
        height=height,
        focal_lengths=(focal_length, focal_length),
        principal_point=(width / 2, height / 2),
        to_world=np.column_stack([[c, 0, -s], [0, 1, 0], [s, 0, c], position]),
    )


def _yes(holds: bool) -> str:
    return "yes" if holds else "no"
