"""What the verdict says of scenes that are given wrong on purpose."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import envmap_inverse as ei
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.backend import mi
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.images import read_image
from envmap_inverse.scene.adjusting import AdjustedCamera
from envmap_inverse.scene.windows import pixels_on_objects

SIZE = 64
KINDS = {
    "outlines": "at the outlines of objects",
    "background": "where it sees the map directly",
    "objects alone": "the objects rather than at the camera",
    "more than noise": "on the objects residuals are larger",
    "noisier": "noisier than their noise model",
    "motion": "of the picture by",
    "level": "as bright as its rendering",
}
"""Words of a reason, by what they stand for."""

Image = NDArray[np.float32]


def metal(name: str, alpha: float = 0.0) -> dict[str, Any]:
    """Mitsuba's description of a conductor, smooth if alpha is 0."""
    if alpha == 0:
        return {"type": "conductor", "material": name}
    return {"type": "roughconductor", "material": name, "alpha": alpha}


ALUMINIUM = metal("Al")
PLASTER = {"type": "diffuse", "reflectance": {"type": "rgb", "value": [0.7, 0.6, 0.5]}}
OBJECTS = {"aluminium": ALUMINIUM, "rough aluminium": metal("Al", 0.2), "plaster": PLASTER}


def wrong_scenes(settings: Settings) -> Table:
    """Verdicts on fits of scenes that are wrong."""
    return Table(
        name="wrong_scenes",
        title="Scenes that are given wrong",
        note="The bunny under the museum, 64 x 64, pictures of 256 samples per pixel. The camera "
        "is turned, or has 1 % more field of view; its mesh is cut down to a share of its faces, "
        "by merging vertices; or all that is not the bunny is a random texture. Kinds: what the "
        "reason names.",
        columns={
            "object": "",
            "wrong": "",
            "fit": "",
            "chi2": ".2f",
            "correlation": ".2f",
            "kinds": "",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    size = settings.film(SIZE)
    for name, bsdf in settings.pick({"aluminium": ALUMINIUM}, OBJECTS).items():
        for wrong, change in CHANGES.items():
            given = _scene(bsdf, size)
            image = change(given, _picture(given))
            yield (name, wrong, *_verdict(given, image))
    for wrong, (true, assumed) in MATERIALS.items():
        yield ("aluminium", wrong, *_verdict(_scene(assumed, size), _picture(_scene(true, size))))


MATERIALS = {
    "copper for aluminium": (ALUMINIUM, metal("Cu")),
    "alpha 0 for 0.05": (metal("Al", 0.05), ALUMINIUM),
    "alpha 0.1 for 0.2": (metal("Al", 0.2), metal("Al", 0.1)),
}
"""The true material and the assumed one."""


def _scene(bsdf: dict[str, Any], size: int) -> ei.Scene:
    """The bunny of some material, under the museum's map."""
    found = bundled_scene("bunny", "mirror").mi_scene
    (shape,) = found.shapes()
    shape.set_bsdf(mi.load_dict(bsdf))
    parts = [found.integrator(), *found.sensors(), shape, found.environment()]
    scene = ei.load_scene({"type": "scene", **{part.id(): part for part in parts}})
    scene.set_film_size(size)
    scene.envmap.write(read_image(map_file("museum")))
    return scene


def _picture(scene: ei.Scene) -> Image:
    return ei.render(scene, spp=256, seed=54321)


def _verdict(scene: ei.Scene, image: Image) -> tuple[str, float, float, str]:
    fit = ei.estimate(scene, image).fit
    kinds = [kind for kind, words in KINDS.items() if words in fit.reason]
    return fit.verdict, fit.chi2, fit.correlation, ", ".join(kinds)


def _camera(pixels: float = 0.0, zoom: float = 1.0) -> Callable[[ei.Scene, Image], Image]:
    """A camera that is given turned aside by so many pixels, or with another field of view."""

    def change(scene: ei.Scene, image: Image) -> Image:
        camera = AdjustedCamera(scene, 0)
        fov = camera.fov or 0.0
        pixel = np.degrees(2 * np.tan(np.radians(fov) / 2)) / scene.film_size()[0]
        camera.place([0, pixels * pixel, 0], np.zeros(3))
        camera.zoom(zoom * fov)
        return image

    return change


def _mesh(share: float) -> Callable[[ei.Scene, Image], Image]:
    """A mesh that is given with a share of its faces."""

    def change(scene: ei.Scene, image: Image) -> Image:
        (shape,) = scene.mi_scene.shapes()
        parameters = mi.traverse(shape)
        vertices, faces = (
            np.array(parameters[name]).reshape(-1, 3) for name in ("vertex_positions", "faces")
        )
        vertices, faces = _merged(vertices, faces, share)
        parameters["vertex_positions"] = mi.Float(vertices.ravel())
        parameters["faces"] = mi.UInt32(faces.ravel())
        for name, width in (("vertex_normals", 3), ("vertex_texcoords", 2)):
            if len(np.array(parameters[name])):
                parameters[name] = mi.Float(np.zeros(width * len(vertices)))
        parameters.update()
        if shape.has_vertex_normals():
            shape.recompute_vertex_normals()
        return image

    return change


def _merged(
    vertices: NDArray[Any], faces: NDArray[Any], share: float
) -> tuple[NDArray[np.float32], NDArray[np.uint32]]:
    """A mesh whose vertices within a cell of a grid are one, with about a share of its faces."""
    low, high = 1e-3, 1.0
    for _ in range(16):
        side = float(np.sqrt(low * high))
        cells = (vertices / (side * np.ptp(vertices))).round()
        _, number = np.unique(cells, axis=0, return_inverse=True)
        merged = number.ravel()[faces]
        proper = (merged != np.roll(merged, 1, axis=1)).all(axis=1)
        _, first = np.unique(np.sort(merged[proper], axis=1), axis=0, return_index=True)
        kept = merged[proper][first]
        low, high = (side, high) if len(kept) > share * len(faces) else (low, side)
    sums = [np.bincount(number.ravel(), column) for column in vertices.T]
    means = np.stack(sums, axis=1) / np.bincount(number.ravel())[:, None]
    return means.astype(np.float32), kept.astype(np.uint32)


def _background(scene: ei.Scene, image: Image) -> Image:
    """The picture with a texture in place of all that is not an object."""
    texture = np.random.default_rng(2).lognormal(0, 1, image.shape)
    texture = ndimage.gaussian_filter(texture, (1, 1, 0)) * image.mean()
    is_object = pixels_on_objects(scene.mi_scene, scene.sensor(0))
    return np.where(is_object[:, :, None], image, texture).astype(np.float32)


def _noisy(_: ei.Scene, image: Image) -> Image:
    """The picture with normal noise of 2 % of its mean."""
    noise = np.random.default_rng(1).standard_normal(image.shape)
    return (image + 0.02 * image.mean() * noise).astype(np.float32)


CHANGES: dict[str, Callable[[ei.Scene, Image], Image]] = {
    "nothing": lambda _, image: image,
    "nothing, 2 % noise": _noisy,
    "camera by 0.25 pixels": _camera(0.25),
    "camera by 1 pixel": _camera(1),
    "camera by 3 pixels": _camera(3),
    "field of view by 1 %": _camera(zoom=1.01),
    "mesh of 10 % of its faces": _mesh(0.1),
    "mesh of 2 % of its faces": _mesh(0.02),
    "background": _background,
}
"""Changes of the scene that is given, or of the picture, and the picture."""
