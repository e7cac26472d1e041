"""Brackets of a simulated camera: the response and exposures that are found, and the maps."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei
from benchmarks.debevec import curves, merge
from benchmarks.settings import Settings
from benchmarks.simulated_camera import CAMERAS, Pixels, SimulatedCamera
from benchmarks.tables import Table
from envmap_inverse.bundled import map_file
from envmap_inverse.console.ball_outlines import seen_together
from envmap_inverse.console.balls import find_balls
from envmap_inverse.images import read_image, read_picture
from envmap_inverse.images.response import Response
from envmap_inverse.metrics import angular_error
from envmap_inverse.problem.brackets import with_found_responses
from envmap_inverse.problem.registration import registered
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import resample, texel_solid_angles
from envmap_inverse.sphere.unwrapping import unwrap

LIGHTS = ("museum", "sun")
UNCLIPPED = 0.5
"""Share of the pixels that the longest exposure does not clip."""

DISTANCE, MARGIN = 20.0, 0.1
MAP_SIZE = (128, 64)
REFLECTANCE = "0.9"

HIDDEN = 28.0
"""Degrees from the direction away from the camera within which maps are not compared: at the rim of
a ball of 72 pixels' radius, pictures that are moved by 2 pixels end there."""

ASIDE = 0.5
"""Pixels by which the outline is moved, to see whether the fit notices."""

LAMP = 0.005
"""Share of the sphere that is the lamp: its brightest part. The room is the median."""

Map = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class _Bracket:
    """Pictures of a mirror ball in a scene of its own, and the light as far as they can show it."""

    camera: SimulatedCamera
    scene: ei.Scene
    shot: BallShot
    paths: list[Path]
    truth: Map


def camera(settings: Settings) -> Table:
    """Exposures, curves and maps from brackets of three cameras."""
    return Table(
        name="camera",
        title="A camera in code",
        note="Brackets of a mirror ball, JPEGs of simulated cameras with noise: sRGB; an S-curve "
        "as of film, with vignetting, shifted by up to 0.7 pixels; a phone that changes its curve "
        "from shot to shot and shakes by up to 2. Off: the worst exposure against EXIF's, which is "
        "rounded as on cameras' dials, and against the true one; the phone's are of middle grey, "
        "which its curves move. The maps are compared with those from the same files by the true "
        "curves and exposures, after the best common scale: ours; Debevec and Malik's merge by "
        "EXIF, unwrapped; ours by sRGB with exposures found with the map. Lamp over room: the "
        f"brightest {LAMP:.1%} of the sphere over the median, over that of these maps. Colour "
        "angle: ours. Truth: ours against the true light, both no brighter than the shortest "
        "exposure's white. Outline: pixels by which the one that is found is off, of a radius of "
        f"72, right, down or in radius. Loss aside: with the outline {ASIDE} pixels too far right, "
        "over that with the true one: does the fit tell?",
        columns={
            "camera": "",
            "map": "",
            "response": "",
            "off EXIF": ".1%",
            "off truth": ".1%",
            "log RMSE: ours": ".3f",
            "classical": ".3f",
            "sRGB": ".3f",
            "lamp / room: ours": ".2f",
            "classical ": ".2f",
            "sRGB ": ".2f",
            "colour angle": ".2f",
            "log RMSE: truth": ".3f",
            "lamp / room: truth": ".2f",
            "outline": ".2f",
            "loss aside": ".2f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    for name, light in product(CAMERAS, settings.pick(LIGHTS[:1], LIGHTS)):
        with tempfile.TemporaryDirectory() as folder:
            bracket = _taken(CAMERAS[name], light, settings.film(160), Path(folder))
            yield name, light, *_row(bracket)


def _row(bracket: _Bracket) -> tuple[Any, ...]:
    exif = np.array([float(marked) for marked, _ in bracket.camera.times])
    exif /= exif[0]
    views = with_found_responses(_views(bracket, exposure="auto"))
    found = np.array([float(view.exposure) for view in views])  # type: ignore[arg-type]
    true_views = _true_views(bracket)
    reference = _estimate(bracket, true_views)
    ours = _estimate(bracket, views)
    by_srgb = _estimate(bracket, _views(bracket, exposure="auto", response="srgb"))
    pairs = ((ours, reference), _classical(bracket, exif), (by_srgb, reference))
    is_seen = _is_seen(*MAP_SIZE)
    shown = np.minimum(ours, 1 / (found.min() * float(REFLECTANCE)))
    response = views[0].response
    assert isinstance(response, Response)
    assert response.bracket is not None
    return (
        response.bracket.sharing,
        np.abs(found / exif - 1).max(),
        np.abs(found / bracket.camera.exposures - 1).max(),
        *(_scaled_log_rmse(texels, true, is_seen) for texels, true in pairs),
        *(_lamp_over_room(texels) / _lamp_over_room(true) for texels, true in pairs),
        angular_error(ours, reference, weights=is_seen),
        _scaled_log_rmse(shown, bracket.truth, is_seen),
        _lamp_over_room(shown) / _lamp_over_room(bracket.truth),
        _outline_off(bracket),
        _loss_aside(bracket, true_views),
    )


def _taken(camera: SimulatedCamera, light: str, side: int, folder: Path) -> _Bracket:
    """A bracket of a ball before the light that it mirrors."""
    circle = Circle(x=side / 2, y=side / 2, radius=side / 2 * (1 - MARGIN))
    shot = BallShot.at_distance((side, side), circle, DISTANCE)
    described = ball_scene(conductor(REFLECTANCE))
    described["integrator"]["hide_emitters"] = False
    scene = ei.load_scene(described, envmap=MAP_SIZE)
    scene.set_sensors([shot.camera("camera")])
    truth = read_image(map_file(light))
    with scene.envmap.holding(scene.envmap.texels):
        scene.set_map_size(truth.shape[1], truth.shape[0])
        scene.envmap.write(truth)
        radiance = ei.render(scene, spp=64, seed=1)
    scene.set_map_size(*MAP_SIZE)
    longest = 1 / float(np.quantile(radiance.max(axis=2), UNCLIPPED))
    paths = camera.bracket(radiance, longest, folder, seed=1)
    white = 1 / (longest * float(camera.exposures.min()) * float(REFLECTANCE))
    shown = np.minimum(resample(truth, MAP_SIZE[1], MAP_SIZE[0]), white).astype(np.float32)
    return _Bracket(camera=camera, scene=scene, shot=shot, paths=paths, truth=shown)


def _views(bracket: _Bracket, **options: Any) -> list[ei.View]:
    mask = bracket.shot.mask()
    return [ei.View(path, mask=mask, **options) for path in bracket.paths]  # type: ignore[arg-type]


def _true_views(bracket: _Bracket) -> list[ei.View]:
    """The views by the true curves and exposures."""
    return [
        ei.View(
            path,  # type: ignore[arg-type]
            mask=bracket.shot.mask(),
            exposure=exposure,
            response=Response(name="true", curves=(_inverse(bracket.camera.curve, number),)),
        )
        for number, (path, exposure) in enumerate(
            zip(bracket.paths, bracket.camera.exposures, strict=True)
        )
    ]


def _inverse(curve: Callable[[Pixels, int], Pixels], shot: int) -> Callable[[Pixels], Pixels]:
    light = np.concatenate([[0], np.geomspace(1e-6, 1, 4000)])
    return partial(np.interp, xp=curve(light, shot), fp=light)


def _estimate(bracket: _Bracket, views: Sequence[ei.View]) -> Map:
    """The map of the registered views, as the commands find it."""
    return ei.estimate(bracket.scene, list(registered(views)), optimizer=ei.Transport()).texels


def _outline_off(bracket: _Bracket) -> float:
    """Pixels by which the outline that is found in the first picture is off."""
    views = [ei.View(path) for path in bracket.paths]  # type: ignore[arg-type]
    found = seen_together(views, find_balls(views, [None] * len(views)))[0]
    true = bracket.shot.in_window
    return max(abs(found.x - true.x), abs(found.y - true.y), abs(found.radius - true.radius))


def _loss_aside(bracket: _Bracket, views: Sequence[ei.View]) -> float:
    """The loss of the best map if the outline is taken to lie aside, over that of the true one."""
    moved = list(registered(views))
    circle, camera = bracket.shot.circle, bracket.shot.camera("camera")
    aside = replace(bracket.shot, circle=replace(circle, x=circle.x + ASIDE)).camera("camera")
    losses = []
    for place in (aside.to_world, camera.to_world):
        bracket.scene.set_sensors([replace(camera, to_world=place)])
        result = ei.estimate(bracket.scene, moved, optimizer=ei.Transport())
        losses.append(result.history[-1].loss)
    return losses[0] / losses[1]


def _classical(bracket: _Bracket, exposures: NDArray[np.float64]) -> tuple[Map, Map]:
    """Merges, unwrapped: by Debevec and Malik's curves and EXIF, and by the true ones."""
    stored = [read_picture(path).stored for path in bracket.paths]
    found = curves(stored, exposures, bracket.shot.mask() > 0)
    values = np.arange(256) / 255
    true = np.stack(
        [
            np.log(np.maximum(_inverse(bracket.camera.curve, number)(values), 1e-6))
            for number in range(len(stored))
        ]
    )
    return (
        _unwrapped(bracket, merge(stored, exposures, np.repeat(found[None], len(stored), axis=0))),
        _unwrapped(
            bracket,
            merge(stored, bracket.camera.exposures, np.repeat(true[:, None], 3, axis=1)),
        ),
    )


def _unwrapped(bracket: _Bracket, light: NDArray[np.float64]) -> Map:
    """The map of a picture of the ball, taken to be seen from afar."""
    circle = bracket.shot.circle
    reach = round(circle.radius)
    rows, columns = (slice(round(c) - reach, round(c) + reach) for c in (circle.y, circle.x))
    disc = light[rows, columns].astype(np.float32)
    return unwrap(disc, MAP_SIZE[1], MAP_SIZE[0], bracket.shot.turn())


def _is_seen(width: int, height: int) -> NDArray[np.bool_]:
    """Texels that are not behind the ball."""
    y, x = np.indices((height, width)) + 0.5
    elevation, azimuth = np.pi * (0.5 - y / height), 2 * np.pi * (x / width - 0.5)
    return np.cos(elevation) * np.cos(azimuth) < np.cos(np.radians(HIDDEN))


def _scaled_log_rmse(texels: Map, reference: Map, is_seen: NDArray[np.bool_]) -> float:
    """Log RMSE after the best common scale."""
    least = 1e-4 * reference.mean()
    weights = texel_solid_angles(*reference.shape[:2])[..., None] * is_seen[..., None]
    weights = np.broadcast_to(weights, reference.shape)
    off = np.log(np.maximum(texels, least) / np.maximum(reference, least))
    mean = np.average(off, weights=weights)
    return float(np.sqrt(np.average((off - mean) ** 2, weights=weights)))


def _lamp_over_room(texels: Map) -> float:
    """Mean of the brightest part of the sphere over the median."""
    weights = texel_solid_angles(*texels.shape[:2]).ravel()
    levels = texels.mean(axis=2).ravel()
    order = np.argsort(-levels)
    shares = np.cumsum(weights[order]) / weights.sum()
    lamp = order[: max(1, int(np.searchsorted(shares, LAMP)))]
    median = levels[order[np.searchsorted(shares, 0.5)]]
    return float(np.average(levels[lamp], weights=weights[lamp]) / median)
