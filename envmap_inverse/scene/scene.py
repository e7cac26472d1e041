"""Load a scene and reach its differentiable parameters and its environment map.

The only file that knows Mitsuba's parameter keys, tensor layouts and halo columns.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.arrays import as_radiance
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.loading import read_scene
from envmap_inverse.scene.parameters import Parameters, describe, stable_names, value_of
from envmap_inverse.sphere import latlong

__all__ = ["Envmap", "Scene", "load_scene"]

_LOGGER = logging.getLogger(__name__)

_Scalar = TypeVar("_Scalar", bound=np.generic)
_HOW_TO_ADD = (
    'add <emitter type="envmap" id="my_envmap"><string name="filename" value="map.exr"/></emitter>'
)


class Scene:
    """A Mitsuba scene with one environment map whose texels can be read and written.

    Example:
        >>> scene
        <Scene lit by <Envmap 'my_envmap' of 16 x 8 texels>; 1 sensor(s) of 8 x 8 pixels>
        >>> scene.envmap.texels.shape
        (8, 16, 3)
        >>> isinstance(scene, ei.Scene)
        True
    """

    def __init__(self, mi_scene: Any) -> None:
        """Wrap a scene that is already loaded; see `load_scene`.

        Args:
            mi_scene: a `mi.Scene` of an RGB variant with automatic differentiation.

        Raises:
            InputError: if it has no environment map, or the variant is not one of those.
        """
        _require_rgb_ad_variant()
        self.mi_scene = mi_scene
        emitter = mi_scene.environment()
        if emitter is None or emitter.class_name() != "EnvironmentMapEmitter":
            found = "none" if emitter is None else emitter.class_name()
            raise InputError(f"the scene has no environment map (found: {found}); {_HOW_TO_ADD}")
        params = mi.traverse(mi_scene)
        name = _emitter_name(params, emitter)
        params.keep([f"{name}.{key}" for key in ("data", "scale", "to_world")])
        self.envmap = Envmap(params, name)
        self._sensors = list(mi_scene.sensors())

    def __repr__(self) -> str:
        """One line: its map and its sensors."""
        sizes = [self.film_size(k) for k in range(self.num_sensors)]
        listed = ", ".join(f"{width} x {height}" for width, height in dict.fromkeys(sizes))
        return f"<Scene lit by {self.envmap!r}; {len(sizes)} sensor(s) of {listed or 'no'} pixels>"

    @property
    def parameters(self) -> Parameters:
        """Every parameter of the Mitsuba scene, whose own sensors `set_sensors` leaves there."""
        return describe(mi.traverse(self.mi_scene))

    def contents(self) -> Iterator[NDArray[Any] | str]:
        """All that an image follows from, but the texels of the map: two scenes can be compared.

        Nothing in it changes when the scene is loaded again.
        """
        yield str(self.mi_scene.integrator())
        for part in (self.mi_scene, *self._sensors):
            params = mi.traverse(part)
            for node in params.hierarchy:  # some settings of BSDFs are no parameters
                yield str(node) if isinstance(node, mi.BSDF) else node.class_name()
            for key, name in stable_names(params).items():
                if part is not self.mi_scene or key != f"{self.envmap.name}.data":
                    yield name
                    yield value_of(params, key)
        yield from map(str, self._sensors)  # their films' filters are no parameters

    @property
    def num_sensors(self) -> int:
        """Number of sensors."""
        return len(self._sensors)

    def sensor(self, index: int = 0) -> Any:
        """The `mi.Sensor` of that index.

        Raises:
            InputError: if there is none.
        """
        if not 0 <= index < len(self._sensors):
            raise InputError(
                f"sensor {index}: the scene has {len(self._sensors)} sensor(s), numbered from 0"
            )
        return self._sensors[index]

    def set_sensors(self, cameras: Sequence[Camera]) -> None:
        """Replace the sensors: sensor k is `cameras[k]`, with a film of its picture's size.

        Raises:
            InputError: if there is no camera.
        """
        if not cameras:
            raise InputError("no cameras; at least one is needed")
        self._sensors = [camera.sensor() for camera in cameras]

    def film_size(self, sensor: int = 0) -> tuple[int, int]:
        """(width, height) in pixels of the image that a sensor takes (its crop window)."""
        width, height = self.sensor(sensor).film().crop_size()
        return int(width), int(height)

    def set_film_size(self, size: int, sensor: int = 0) -> None:
        """Make the longer side of a sensor's image `size` pixels, keeping what it shows.

        Raises:
            InputError: if size < 1 or there is no such sensor.
        """
        if size < 1:
            raise InputError(f"size must be at least 1 pixel; found {size}")
        params = mi.traverse(self.sensor(sensor))
        factor = size / max(self.film_size(sensor))
        if factor == 1:
            return
        full, crop, offset = (
            list(params[f"film.{k}"]) for k in ("size", "crop_size", "crop_offset")
        )
        full, crop = ([max(1, round(factor * side)) for side in sides] for sides in (full, crop))
        most = [whole - part for whole, part in zip(full, crop, strict=True)]
        offset = [min(round(factor * o), m) for o, m in zip(offset, most, strict=True)]
        params["film.size"], params["film.crop_size"], params["film.crop_offset"] = (
            full,
            crop,
            offset,
        )
        params.update()

    def set_envmap(self, texels_or_rgba: ArrayLike) -> None:
        """Replace the environment map.

        Args:
            texels_or_rgba: linear RGB radiance, shape (H, W, 3) or flat (W*H*4,) RGBA whose alpha
                is ignored, of the map's present resolution.

        Raises:
            InputError: if the shape is another, or a number is negative, NaN or infinite.
        """
        texels = as_texels(texels_or_rgba, self.envmap.resolution)
        if (texels < 0).any():
            raise InputError(
                f"{_share(texels < 0)} of the texel values are negative, which no light is; "
                "set them to 0 first, e.g. np.maximum(texels, 0)"
            )
        self.envmap.write(texels)


class Envmap:
    """The environment map of a scene: a live view, without halo columns."""

    def __init__(self, params: Any, name: str) -> None:
        """Args: params: the map's own `mi.SceneParameters`. name: the emitter's id."""
        self.name = name
        self.params = params
        self._key = f"{name}.data"

    def __repr__(self) -> str:
        """One line: its name and size."""
        width, height = self.resolution
        return f"<Envmap {self.name!r} of {width} x {height} texels>"

    @property
    def resolution(self) -> tuple[int, int]:
        """(width, height), without halo."""
        height, width, _ = self.params[self._key].shape
        return width - 2, height

    @property
    def texels(self) -> NDArray[np.float32]:
        """Linear RGB radiance (before `scale`), shape (H, W, 3), float32; a copy."""
        halo = np.array(self.params[self._key], np.float32)
        return np.ascontiguousarray(halo[:, 1:-1])

    @property
    def rgba(self) -> NDArray[np.float32]:
        """The texels as flat float32 (W*H*4,), alpha 1; a copy."""
        return latlong.flatten_rgba(self.texels)

    @property
    def scale(self) -> float:
        """Factor by which the emitter multiplies its texels."""
        return float(self.params[f"{self.name}.scale"][0])

    @property
    def to_world(self) -> NDArray[np.float64]:
        """Rotation from the map's frame to the world, shape (4, 4)."""
        matrix = np.array(self.params[f"{self.name}.to_world"].matrix, np.float64)
        return matrix.reshape(4, 4)

    def write(self, texels: NDArray[np.float32]) -> None:
        """Put texels (H, W, 3) into the scene, of any resolution and sign, unchecked."""
        self.write_halo(mi.TensorXf(np.ascontiguousarray(_with_halo(texels), np.float32)))

    def write_halo(self, tensor: Any) -> None:
        """Put a `mi.TensorXf` (H, W + 2, 3), gradients and all, into the scene."""
        self.params[self._key] = tensor
        self.params.update()

    @property
    def halo_shape(self) -> tuple[int, int, int]:
        """Shape of Mitsuba's tensor: (H, W + 2, 3), one halo column on each side."""
        width, height = self.resolution
        return height, width + 2, 3

    def halo_index(self) -> NDArray[np.uint32]:
        """Where each value of the tensor (H, W + 2, 3) stands in the flat RGBA array."""
        width, height = self.resolution
        texel = np.arange(height * width).reshape(height, width)
        halo = _with_halo(texel)
        return _index(halo[:, :, None] * 4 + np.arange(3))

    def rgba_index(self) -> NDArray[np.uint32]:
        """Where each value of the flat RGBA array stands in the tensor; alpha points to red."""
        width, height = self.resolution
        row, column = np.divmod(np.arange(height * width), width)
        first = (row * (width + 2) + column + 1) * 3
        return _index(first[:, None] + np.array([0, 1, 2, 0]))

    @contextmanager
    def holding(self, texels: NDArray[np.float32] | None) -> Iterator[None]:
        """Put texels into the scene, and the present ones back at the end; None changes nothing."""
        if texels is None:
            yield
            return
        before = self.texels
        try:
            self.write(texels)
            yield
        finally:
            self.write(before)


def load_scene(
    source: str | Path | Mapping[str, Any] | Any,
    *,
    envmap: str | None = None,
    variant: str | None = None,
    **defaults: Any,
) -> Scene:
    """Load a scene that is lit by an environment map.

    Args:
        source: an XML file, a Mitsuba dictionary, or a `mi.Scene`.
        envmap: id of the environment map to use, needed if the scene has several.
        variant: Mitsuba variant; by default the one already set, or the best that works here.
        **defaults: values for the `$name` parameters of an XML file.

    Raises:
        InputError: if the scene cannot be read or has no environment map; the message carries
            Mitsuba's own, which tells the line.
        FileNotFoundError: if the XML file does not exist.
        BackendError: if no Mitsuba backend works here.

    Example:
        >>> scene = ei.load_scene("scene.xml", resolution=16)
        >>> scene.film_size()
        (16, 16)
    """
    backend.select_variant(variant)
    _require_rgb_ad_variant()
    if isinstance(source, Scene):
        return source
    if isinstance(source, mi.Scene):
        return Scene(source)
    name = "the dictionary" if isinstance(source, Mapping) else str(source)
    begun = time.perf_counter()
    mi_scene = read_scene(source, envmap, defaults)
    _LOGGER.info("loaded %s in %.2f s", name, time.perf_counter() - begun)
    try:
        return Scene(mi_scene)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def as_texels(texels_or_rgba: ArrayLike, resolution: tuple[int, int]) -> NDArray[np.float32]:
    """Texels (H, W, 3) of an array that holds them or flat RGBA, checked for shape and finiteness.

    Raises:
        InputError: if the shape is another, or a number is NaN or infinite.
    """
    width, height = resolution
    array = as_radiance(texels_or_rgba)
    if array.shape == (width * height * 4,):
        array = latlong.unflatten_rgba(array, resolution)
    if array.shape != (height, width, 3):
        raise InputError(
            f"a map for this scene must have shape ({height}, {width}, 3), "
            f"or ({width * height * 4},) as flat RGBA; found {array.shape}"
        )
    bad = ~np.isfinite(array)
    if bad.any():
        row, column, _ = np.argwhere(bad)[0]
        raise InputError(
            f"{bad.sum()} texel values are NaN or infinite, first in row {row}, column {column}"
        )
    return array


def as_map(
    texels_or_rgba: ArrayLike, resolution: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Texels (H, W, 3) of any size from 3 x 2, or flat RGBA of a given one, checked as `as_texels`.

    Raises:
        InputError: if it is neither, or a number is NaN or infinite.
    """
    array = as_radiance(texels_or_rgba)
    if array.ndim == 3 and array.shape[0] >= 2 and array.shape[1] >= 3:
        return as_texels(array, (array.shape[1], array.shape[0]))
    if resolution is None:
        raise InputError(f"a map must have shape (2 or more, 3 or more, 3); found {array.shape}")
    return as_texels(array, resolution)


def _with_halo(columns: NDArray[_Scalar]) -> NDArray[_Scalar]:
    return np.concatenate([columns[:, -1:], columns, columns[:, :1]], axis=1)


def _index(numbers: NDArray[Any]) -> NDArray[np.uint32]:
    return np.asarray(numbers, np.uint32).ravel()


def _share(mask: NDArray[np.bool_]) -> str:
    return f"{100 * mask.mean():.2g} %"


def _require_rgb_ad_variant() -> None:
    variant = mi.variant() or "none"
    if "_ad_rgb" not in variant:
        raise InputError(
            f"Mitsuba variant {variant!r} cannot be used; set 'llvm_ad_rgb' or 'cuda_ad_rgb' "
            "(RGB radiance, automatic differentiation)"
        )
    if not str(mi.__version__).startswith("3.9."):
        raise InputError(f"Mitsuba {mi.__version__} cannot be used; install 'mitsuba>=3.9,<3.10'")


def _emitter_name(params: Any, emitter: Any) -> str:
    keys = (key for key in params.keys() if params.properties[key][2] == emitter)
    return str(next(keys)).rpartition(".")[0]
