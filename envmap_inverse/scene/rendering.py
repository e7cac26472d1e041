"""Render linear RGB images of a scene."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError, check_counts, check_seed, is_out_of_memory
from envmap_inverse.scene.envmap import as_map
from envmap_inverse.scene.integrators import gradient_integrator, scene_integrator
from envmap_inverse.scene.loading import read_integrator
from envmap_inverse.scene.near_rendering import near_light
from envmap_inverse.scene.refusing import refusing
from envmap_inverse.scene.scene import Scene

__all__ = [
    "check_differentiable",
    "check_film",
    "render",
    "render_twice",
    "rendered_pairs",
    "rgb",
    "sum_of_transport",
]

MAX_PATHS, MIN_SPP = 2**23, 8
"""Paths of an image that shows or judges a result, and the least samples per pixel."""


@exclusive
def render(
    scene: Scene,
    texels: ArrayLike | None = None,
    spp: int = 16,
    seed: int = 0,
    sensor: int = 0,
    *,
    integrator: Any = None,
) -> NDArray[np.float32]:
    """Render one image; leaves the scene unchanged.

    Near light (see `Scene.surroundings`) is sampled by BSDF alone, with more noise on diffuse
    surfaces.

    Args:
        scene: the scene to render.
        texels: environment map to use in place of the scene's own, shape (H, W, 3) of any
            resolution, or flat RGBA of the scene's resolution. It may be negative, as rendering is
            linear in it.
        spp: samples per pixel.
        seed: seed of the sampler; the same seed gives the same image.
        sensor: index of the sensor.
        integrator: a Mitsuba integrator or its dictionary, in place of the scene's own; it takes
            light for infinitely far.

    Returns:
        Linear RGB radiance, shape (h, w, 3), float32.

    Raises:
        InputError: if spp < 1, there is no such sensor, its film is not RGB, or texels has a
            wrong shape or contains NaN or infinity.

    Example:
        >>> image = ei.render(scene, spp=4)
        >>> image.shape, image.dtype
        ((8, 8, 3), dtype('float32'))
    """
    check_counts(spp=spp)
    if spp >= 2**32:
        raise InputError(f"spp must be less than 2^32; found {spp}")
    check_seed(seed)
    is_near = integrator is None and scene.surroundings is not None
    if integrator is None:
        scene_integrator(scene)
    else:
        integrator = read_integrator(integrator)
    taken = scene.sensor(sensor)
    check_film(scene, sensor)

    def image_of(shown: NDArray[np.float32] | None) -> NDArray[np.float32]:
        with scene.envmap.holding(shown), refusing("render"):
            image = mi.render(
                scene.mi_scene, sensor=taken, integrator=integrator, spp=spp, seed=seed
            )
            return np.array(rgb(image), np.float32)

    shown = None if texels is None else as_map(texels, scene.envmap.resolution)
    if not is_near and (shown is None or not (shown < 0).any()):
        return image_of(shown)
    lit = scene.envmap.texels if shown is None else shown
    dark = image_of(np.zeros_like(lit)) if len(scene.mi_scene.emitters()) > 1 else np.float32(0)
    if is_near:
        with scene.envmap.holding(lit):
            return near_light(scene, lit, spp, seed, sensor) + dark
    # Mitsuba cannot sample negative light.
    return image_of(np.maximum(lit, 0)) - image_of(np.maximum(-lit, 0)) + dark


def render_twice(
    scene: Scene, texels: ArrayLike, spp: int, sensor: int = 0
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Two independent images of what a sensor sees; their difference tells their noise.

    Args:
        scene: the scene.
        texels: see `render`.
        spp: samples per pixel of each; on large films fewer, as many as one has time for.
        sensor: index of the sensor.
    """
    width, height = scene.film_size(sensor)
    fewer = min(spp, max(MAX_PATHS // (width * height), MIN_SPP))
    seeds = 2**31, 2**31 + 1
    first, second = (render(scene, texels, fewer, seed, sensor) for seed in seeds)
    return first, second


def rendered_pairs(
    scene: Scene, texels: ArrayLike, spp: int, sensors: Sequence[int]
) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
    """Yield for each sensor what `render_twice` gives; no longer held than sensors come again."""
    kept: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
    for number, sensor in enumerate(sensors, 1):
        pair = kept.pop(sensor, None) or render_twice(scene, texels, spp, sensor)
        if sensor in sensors[number:]:
            kept[sensor] = pair
        yield pair


def rgb(image: Any) -> Any:
    """Extract the RGB channels of a rendered tensor, which may carry alpha and more."""
    return image if image.shape[2] == 3 else image[:, :, :3]


def check_film(scene: Scene, sensor: int) -> None:
    """Check that a sensor's film is RGB.

    Raises:
        InputError: if it is not.
    """
    match = re.search(r"pixel_format = (\w+)", str(scene.sensor(sensor).film()))
    found = match[1] if match else "unknown"
    if not found.startswith(("rgb", "multichannel")):
        raise InputError(
            f"sensor {sensor}: its film is {found}; set its pixel_format to 'rgb' or 'rgba'"
        )


def check_differentiable(scene: Scene, sensor: int) -> None:
    """Check that what a sensor sees can be differentiated.

    Raises:
        InputError: if it is a radiancemeter: its single ray for all samples makes Dr.Jit abort.
    """
    if scene.sensor(sensor).class_name() == "RadianceMeter":
        raise InputError(
            f"sensor {sensor}: a radiancemeter cannot be differentiated; use the transport "
            "optimizer, or a perspective sensor with a narrow fov"
        )


def sum_of_transport(scene: Scene, sensor: int, weights: NDArray[np.float32], spp: int) -> Any:
    """Column sums of the light transport, T^T weights, by one differentiable rendering.

    Args:
        scene: the scene; its map must be positive wherever it is to be sampled.
        sensor: index of the sensor.
        weights: weight of each pixel, shape (h, w, 3).
        spp: samples per pixel.

    Returns:
        Gradient of sum(weights * image) with respect to the texels, shape (H, W, 3), float32.
    """
    check_differentiable(scene, sensor)
    try:
        return _gradient(scene, sensor, weights, spp, gradient_integrator(scene))
    except RuntimeError as error:
        own = scene_integrator(scene)
        if own is gradient_integrator(scene) or is_out_of_memory(error):
            raise
        with refusing("differentiate"):
            return _gradient(scene, sensor, weights, spp, own)


def _gradient(
    scene: Scene, sensor: int, weights: NDArray[np.float32], spp: int, integrator: Any
) -> NDArray[np.float32]:
    tensor = scene.envmap.to_tensor(mi.Float(scene.envmap.rgba))
    dr.enable_grad(tensor)
    scene.envmap.write_tensor(tensor)
    image = mi.render(
        scene.mi_scene,
        scene.envmap.params,
        sensor=scene.sensor(sensor),
        integrator=integrator,
        spp=spp,
    )
    dr.backward(dr.sum(rgb(image) * mi.TensorXf(weights)))
    return scene.envmap.texels_of(dr.grad(tensor))
