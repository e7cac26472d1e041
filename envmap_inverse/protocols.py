"""Measure how well an environment map lights objects: errors between pictures, not maps.

*Three spheres* is the comparison used by papers on lighting estimation: StyleLight (Wang et al.,
ECCV 2022), whose published evaluation is followed here, and DiffusionLight (Phongthawee et al.,
CVPR 2024), which added the normalized RMSE. *Relighting* is what an artist would see: an object
that the estimate was not made from, in linear HDR.

Materials, tone mapping, the view of the spheres, the pixels that count and the formulas are as
published. Published figures still cannot be compared directly. The papers estimate the map from one
clipped photograph of a room of unknown shape, on their own test sets (Laval indoor, Poly Haven),
turned and cropped in their own way; a known shape and material are far easier. They render in
Blender Cycles with 5 samples and a denoiser; here Mitsuba takes enough samples to need no denoiser.
Their program takes the percentiles of the normalized RMSE over the whole picture, including the
black background, the lower one being the 0.01st; here it is the 0.1st, over the sphere.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend import mi, select_variant
from envmap_inverse.bundled import MATERIALS, scene_file
from envmap_inverse.errors import InputError
from envmap_inverse.scene.envmap import as_map
from envmap_inverse.scene.rendering import render
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.sphere.latlong import angle_between, resample
from envmap_inverse.system.progress import stage

__all__ = [
    "angular_mean_deg",
    "normalized_rmse",
    "normwise_error",
    "relative_error",
    "relighting",
    "relighting_images",
    "rmse_per_channel",
    "rmse_per_pixel",
    "si_rmse",
    "sphere_images",
    "three_spheres",
    "tone_mapped",
]

Metric = Callable[[ArrayLike, ArrayLike, NDArray[np.bool_]], float]
Errors = dict[str, dict[str, float]]
Images = dict[str, tuple[NDArray[np.float32], NDArray[np.bool_]]]
Shots = dict[str, tuple[Scene, int]]
"""Scenes by name, with the samples per pixel that each needs."""

SPHERE_MAP = (128, 256)
SIZE, SPP = 128, 144
"""Pixels and samples per pixel of the relit objects."""


@dataclass(frozen=True, kw_only=True)
class _Sphere:
    """A sphere with Mitsuba's `principled` BSDF, and how it is pictured.

    Attributes:
        metallic: 0 or 1.
        roughness: from 0 to 1.
        size: length of the picture's side in pixels.
        spp: samples per pixel, a square.
        emitter_samples: directions per sample chosen by the map, besides one chosen by the BSDF;
            0 for a mirror, where they only add noise.
    """

    metallic: float
    roughness: float
    size: int
    spp: int
    emitter_samples: int


_SPHERES = {
    # The mirror needs as many pixels as published; the others are smooth and need samples.
    "diffuse": _Sphere(metallic=0.0, roughness=0.364, size=128, spp=256, emitter_samples=2),
    "matte": _Sphere(metallic=1.0, roughness=0.3271, size=128, spp=256, emitter_samples=1),
    "mirror": _Sphere(metallic=1.0, roughness=0.0, size=288, spp=16, emitter_samples=0),
}


def three_spheres(estimate: ArrayLike, truth: ArrayLike) -> Errors:
    """Errors of three spheres under two tone-mapped maps, after StyleLight and DiffusionLight.

    Each map is tone-mapped by itself (`tone_mapped`), so that its brightness does not matter. Noise
    is below 1 % of an error, but up to 3 % of an angle of 0.2 or 10 % of a normalized RMSE of 0.03.

    Args:
        estimate: texels (H, W, 3), linear radiance; negative values count as 0.
        truth: texels, of any size.

    Returns:
        For "diffuse", "matte" and "mirror" the results of `rmse_per_pixel` (the papers' RMSE),
        `rmse_per_channel`, `si_rmse`, `angular_mean_deg` and `normalized_rmse`.

    Raises:
        InputError: if either is not a map, or has NaN or infinity.
    """
    toned = _toned(estimate), _toned(truth)
    metrics = (rmse_per_pixel, rmse_per_channel, si_rmse, angular_mean_deg, normalized_rmse)
    return _errors(_spheres(), *toned, metrics)


def relighting(estimate: ArrayLike, truth: ArrayLike) -> Errors:
    """Errors of the bundled knot, relit in each of the bundled materials, in linear HDR.

    To judge an estimate by pictures that it has not seen, leave out the material it was made from.

    Args:
        estimate: texels (H, W, 3), linear radiance.
        truth: texels of the same shape.

    Returns:
        For "mirror_knot", "rough_knot", "plastic_knot" and "diffuse_knot" the results of
        `relative_error`, with about 1 % of noise, and of `normwise_error`, with 2 %; on plastic,
        where a few glints decide, with 6 %, and under a small sun with 25 %.

    Raises:
        InputError: if either is not a map, has NaN or infinity, or the shapes differ.
    """
    maps = as_map(estimate), as_map(truth)
    if maps[0].shape != maps[1].shape:
        raise InputError(f"maps of unequal shape: {maps[0].shape} and {maps[1].shape}")
    return _errors(_knots(), *maps, (relative_error, normwise_error))


def sphere_images(texels: ArrayLike) -> Images:
    """Render the pictures of `three_spheres` under one map, tone-mapped as there.

    Args:
        texels: shape (H, W, 3), linear radiance.

    Returns:
        For each sphere its picture (h, w, 3) on black, to be shown as it is, without an sRGB curve;
        and its mask (h, w): the pixels that it covers, even in part.

    Raises:
        InputError: if it is no map, or holds NaN or infinity.
    """
    return _images(_spheres(), _toned(texels))


def relighting_images(texels: ArrayLike) -> Images:
    """Render the pictures of `relighting` under one map.

    Args:
        texels: shape (H, W, 3), linear radiance.

    Returns:
        For each object its picture (h, w, 3), linear radiance on black, and its mask (h, w).

    Raises:
        InputError: if it is no map, or holds NaN or infinity.
    """
    return _images(_knots(), as_map(texels))


def tone_mapped(texels: ArrayLike) -> NDArray[np.float64]:
    """Apply StyleLight's tone mapping: alpha I^(1/2.4), not clipped.

    With alpha the median of the values that are not 0 becomes 0.5.

    Args:
        texels: shape (H, W, 3), linear radiance; negative values count as 0.

    Returns:
        The same shape.
    """
    powered = np.maximum(np.asarray(texels, np.float64), 0) ** (1 / 2.4)
    lit = powered[powered > 0]
    return np.asarray(powered * (0.5 / np.median(lit)) if lit.size else powered)


def rmse_per_pixel(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """The papers' RMSE: sqrt(sum of (image - reference)^2 / number of pixels).

    The sum is over pixels and channels, which makes it sqrt(3) times `rmse_per_channel`.

    Args:
        image: shape (h, w, 3).
        reference: the same shape.
        mask: the pixels that count, shape (h, w).

    Returns:
        In the images' unit; 0 or more.

    Raises:
        ValueError: if the shapes differ.
    """
    a, b = _masked(image, reference, mask)
    return _per_pixel(a - b)


def rmse_per_channel(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """Root of the mean over pixels and channels of (image - reference)^2; see `rmse_per_pixel`."""
    return rmse_per_pixel(image, reference, mask) / float(np.sqrt(3))


def si_rmse(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """StyleLight's scale-invariant RMSE: `rmse_per_pixel` of s image, with the best s.

    s = <image, reference> / <image, image>, the same for all channels, has the least error.
    """
    a, b = _masked(image, reference, mask)
    square = np.sum(a * a)
    scale = np.sum(a * b) / square if square > 0 else 0.0
    return _per_pixel(scale * a - b)


def angular_mean_deg(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """Mean colour angle of the pixels in degrees; black, as in StyleLight, counts as 0.

    See `rmse_per_pixel` for the arguments.
    """
    a, b = _masked(image, reference, mask)
    return float(np.degrees(np.mean(angle_between(a, b))))


def normalized_rmse(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """DiffusionLight's normalized RMSE: `rmse_per_pixel` of (x - p) / (q - p).

    p and q are each image's 0.1 and 99.9 percentiles under the mask, over all channels together.
    """
    a, b = (_normalized(values) for values in _masked(image, reference, mask))
    return _per_pixel(a - b)


def normwise_error(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """Root of sum (image - reference)^2 / sum reference^2, which highlights dominate.

    See `rmse_per_pixel` for the arguments.

    Returns:
        0 or more; infinity if only the reference is black.
    """
    a, b = _masked(image, reference, mask)
    return _ratio(np.linalg.norm(a - b), np.linalg.norm(b))


def relative_error(image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]) -> float:
    """The share of the light that is wrong: sum |image - reference| / sum |reference|.

    See `rmse_per_pixel` for the arguments.

    Returns:
        0 or more; infinity if only the reference is black.
    """
    a, b = _masked(image, reference, mask)
    return _ratio(np.sum(np.abs(a - b)), np.sum(np.abs(b)))


def _toned(texels: ArrayLike) -> NDArray[np.float64]:
    return tone_mapped(resample(as_map(texels), *SPHERE_MAP))


def _spheres() -> Shots:
    """StyleLight's view, cut to those of its 960 x 540 pixels that the sphere can cover."""
    shots = {}
    for name, sphere in _SPHERES.items():
        bsdf = {
            "type": "principled",
            "base_color": {"type": "rgb", "value": 0.8},
            "specular": 0.5,
            "metallic": sphere.metallic,
            "roughness": sphere.roughness,
        }
        scene = _scene(
            {"type": "sphere", "bsdf": bsdf},
            {"type": "direct", "bsdf_samples": 1, "emitter_samples": sphere.emitter_samples},
            # The middle of the sphere shows the map's column 3 W / 4, as it does in Blender.
            origin=(-16, 2, 0),
            fov=7.27,
            size=sphere.size,
        )
        shots[name] = scene, sphere.spp
    return shots


def _knots() -> Shots:
    """The bundled knot in each material, seen as in its own scene."""
    mesh = {"type": "ply", "filename": str(scene_file("knot").with_name("knot.ply"))}
    path, origin = {"type": "path", "max_depth": 6}, (-0.3, 0.5, 3.4)
    return {
        f"{name}_knot": (
            _scene(mesh | {"bsdf": bsdf}, path, origin=origin, fov=40, size=SIZE),
            SPP,
        )
        for name, bsdf in MATERIALS.items()
    }


def _scene(
    shape: dict[str, Any],
    integrator: dict[str, Any],
    *,
    origin: tuple[float, float, float],
    fov: float,
    size: int,
) -> Scene:
    """Place a shape at the origin on black; stratified samples keep noise low."""
    select_variant()
    return load_scene(
        {
            "type": "scene",
            "integrator": {**integrator, "hide_emitters": True},
            "shape": shape,
            "sensor": {
                "type": "perspective",
                "fov": fov,
                "to_world": mi.ScalarTransform4f().look_at(origin, [0, 0, 0], [0, 1, 0]),
                "film": {
                    "type": "hdrfilm",
                    "width": size,
                    "height": size,
                    "pixel_format": "rgb",
                    "rfilter": {"type": "box"},
                },
                "sampler": {"type": "multijitter"},
            },
            "my_envmap": {"type": "envmap", "bitmap": mi.Bitmap(np.ones((2, 4, 3), np.float32))},
        }
    )


def _errors(
    shots: Shots, estimate: NDArray[Any], truth: NDArray[Any], metrics: tuple[Metric, ...]
) -> Errors:
    errors = {}
    with stage("Rendering under both maps", len(shots)) as shown:
        for number, (name, (scene, spp)) in enumerate(shots.items()):
            words = name.replace("_", " ")
            shown.advance(number, words, f"rendering {words}")
            pair = _pair(scene, estimate, truth, spp=spp)
            errors[name] = {metric.__name__: metric(*pair) for metric in metrics}
        shown.advance(len(shots))
    return errors


def _images(shots: Shots, texels: NDArray[Any]) -> Images:
    return {
        name: (render(scene, texels, spp=spp), _mask(scene)) for name, (scene, spp) in shots.items()
    }


def _pair(
    scene: Scene, estimate: NDArray[Any], truth: NDArray[Any], *, spp: int
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.bool_]]:
    """Render the image under the estimate and the reference under the truth; return the mask too.

    As rendering is linear, the image is the reference plus an image of the maps' difference. So the
    noise of the error is in proportion to the error, and equal maps have none.
    """
    reference = render(scene, truth, spp=spp)
    return reference + render(scene, estimate - truth, spp=spp), reference, _mask(scene)


def _mask(scene: Scene) -> NDArray[np.bool_]:
    """Mask of the pixels that the object covers, even in part: bright ones under uniform light."""
    return np.asarray(render(scene, spp=16).any(axis=2))


def _masked(
    image: ArrayLike, reference: ArrayLike, mask: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = np.asarray(image, np.float64), np.asarray(reference, np.float64)
    if a.shape != b.shape or a.shape[:2] != mask.shape:
        raise ValueError(f"unequal shapes: image {a.shape}, reference {b.shape}, mask {mask.shape}")
    return a[mask], b[mask]


def _per_pixel(difference: NDArray[np.float64]) -> float:
    return float(np.sqrt(np.sum(difference**2) / len(difference)))


def _normalized(values: NDArray[np.float64]) -> NDArray[np.float64]:
    low, high = np.percentile(values, [0.1, 99.9])
    return np.asarray((values - low) / ((high - low) or 1.0))


def _ratio(error: Any, whole: Any) -> float:
    if whole == 0:
        return np.inf if error > 0 else 0.0
    return float(error / whole)
