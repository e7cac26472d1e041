"""Load a scene and access its differentiable parameters, sensors and environment map."""

from __future__ import annotations

import itertools
import logging
import numbers
import operator
import os
import re
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError, check_counts, counted, in_short
from envmap_inverse.scene import films
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.envmap import Envmap, as_texels
from envmap_inverse.scene.limits import MAX_SIDE
from envmap_inverse.scene.loading import check_shapes, read_scene
from envmap_inverse.scene.near import Surroundings
from envmap_inverse.scene.parameters import Parameters, describe, stable_names, value_of
from envmap_inverse.sphere import latlong
from envmap_inverse.system.digests import digest_of

__all__ = ["Origin", "Scene", "load_scene"]

_LOGGER = logging.getLogger(__name__)

MAX_TEXELS = 2**27
"""Most texels of a map: 16384 x 8192, as for images."""

_HOW_TO_ADD = (
    "load_scene(..., envmap=(256, 128)) adds an unknown one, as estimate and coverage do by "
    "themselves, and render --envmap FILE takes a known one"
)

_COUNTS = re.compile(r"^ *(sample_count|samples_per_wavefront|wavefront_size) = .*\n", re.MULTILINE)
"""What a rendering leaves in a sampler."""

_SURROUNDINGS = {
    "ConstantBackgroundEmitter": "constant",
    "SunskyEmitter": "sunsky",
    "TimedSunskyEmitter": "timed_sunsky",
}
"""Names of plugins by their classes."""


Change = tuple[str, tuple[Any, ...]]
"""Name and arguments of a method of `Scene`."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a scene was loaded from: the arguments of `load_scene`."""

    source: Path | Mapping[str, Any]
    envmap: str | tuple[int, int] | None
    define: Mapping[str, str]


class Scene:
    """A Mitsuba scene with one environment map whose texels can be read and written.

    Attributes:
        mi_scene: the `mi.Scene`.
        envmap: its environment map.
        has_cameras: whether `set_sensors` made the sensors, with calibrated fields of view.
        origin: what it was loaded from, if another process can load it again.
        changes: of its sensors since then.

    Example:
        >>> scene
        <Scene lit by <Envmap 'my_envmap' of 16 x 8 texels>; 1 sensor of 8 x 8 pixels>
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
            InputError: if it has no environment map or cannot be rendered, or the variant is not
                such a variant.
        """
        self._variant = _require_rgb_ad_variant(mi.variant())
        check_shapes(mi_scene)
        self.mi_scene = mi_scene
        emitter = mi_scene.environment()
        if emitter is None or emitter.class_name() != "EnvironmentMapEmitter":
            name = "none" if emitter is None else emitter.class_name()
            found = _SURROUNDINGS.get(name, name)
            raise InputError(f"the scene has no environment map (found: {found}); {_HOW_TO_ADD}")
        params = mi.traverse(mi_scene)
        name = _emitter_name(params, emitter)
        params.keep([f"{name}.{key}" for key in ("data", "scale", "to_world")])
        self.envmap = Envmap(params, name)
        self._sensors = list(mi_scene.sensors())
        self._surroundings: Surroundings | None = None
        self.has_cameras = False
        self.origin: Origin | None = None
        self.changes: list[Change] = []

    def __repr__(self) -> str:
        """One line: its map and its sensors."""
        sizes = [self.film_size(k) for k in range(self.num_sensors)]
        listed = ", ".join(f"{width} x {height}" for width, height in dict.fromkeys(sizes))
        sensors = counted(len(sizes), "sensor")
        return f"<Scene lit by {self.envmap!r}; {sensors} of {listed or 'no'} pixels>"

    @property
    def parameters(self) -> Parameters:
        """Every parameter of the Mitsuba scene; `set_sensors` leaves its own sensors there."""
        return describe(mi.traverse(self.mi_scene))

    def contents(self) -> Iterator[NDArray[Any] | str]:
        """Everything that determines an image but the map's texels, to compare two scenes by.

        It stays the same when the scene is loaded again.
        """
        yield str(self.mi_scene.integrator())
        if self._surroundings is not None:
            yield repr(self._surroundings)
        of_map = {f"{self.envmap.name}.{key}" for key in ("data", "scale")}
        for part in (self.mi_scene, *self._sensors):
            params = mi.traverse(part)
            for node in params.hierarchy:  # some settings of BSDFs are not parameters
                yield str(node) if isinstance(node, mi.BSDF) else node.class_name()
            for key, name in stable_names(params).items():
                if part is not self.mi_scene or key not in of_map:
                    yield name
                    yield value_of(params, key)
        for sensor in self._sensors:  # their films' filters are not parameters
            yield _COUNTS.sub("", str(sensor))

    @property
    def fingerprint(self) -> str:
        """A hash of `contents`: that of all scenes that differ in their map's texels alone."""
        return digest_of(*self.contents())

    @property
    def surroundings(self) -> Surroundings | None:
        """What the map's light stands on, a `NearSphere` or a `NearBox`; None if infinitely far."""
        return self._surroundings

    @surroundings.setter
    def surroundings(self, near: Surroundings | None) -> None:
        if near is not None:
            if not isinstance(near, Surroundings):
                raise InputError(
                    f"surroundings: found {in_short(near)}; give a NearSphere, a NearBox or None"
                )
            box = self.mi_scene.bbox()
            ends = np.array([box.min, box.max], np.float64).reshape(2, 3)
            middle = ends.mean(axis=0) if near.centre is None else np.asarray(near.centre)
            corners = np.array(list(itertools.product(*ends.T))) - middle
            if not near.holds(corners):
                size = " x ".join(f"{side:.3g}" for side in ends[1] - ends[0])
                raise InputError(
                    f"{near}: does not hold the scene, which is {size} large; make it larger"
                )
            near = replace(near, centre=tuple(middle.tolist()))
        self._surroundings = near

    @property
    def num_sensors(self) -> int:
        """Number of sensors."""
        return len(self._sensors)

    def sensor(self, index: int = 0) -> Any:
        """The `mi.Sensor` with an index.

        Raises:
            InputError: if there is no such sensor, or Mitsuba's variant is another one now.
        """
        if mi.variant() != self._variant:
            raise InputError(
                f"the scene was loaded with the variant {self._variant}, but Mitsuba's is "
                f"{mi.variant()} now; set it back: mi.set_variant({self._variant!r})"
            )
        if not isinstance(index, numbers.Integral):
            raise InputError(f"sensor must be a whole number; found {in_short(index)}")
        if not 0 <= index < len(self._sensors):
            raise InputError(
                f"sensor {index}: the scene has {counted(self.num_sensors, 'sensor')}, numbered "
                "from 0"
            )
        return self._sensors[index]

    def set_sensors(self, cameras: Sequence[Camera]) -> None:
        """Replace the sensors: sensor k is `cameras[k]`, with a film of its picture's size.

        Raises:
            InputError: if there is no camera.
        """
        if not cameras:
            raise InputError("no cameras; at least one is needed")
        for camera in cameras:
            if not isinstance(camera, Camera):
                raise InputError(f"cameras: found {in_short(camera)}; give a list of Camera")
        self._sensors = [camera.sensor() for camera in cameras]
        self.has_cameras = True
        self.changes = [("set_sensors", (tuple(cameras),))]

    def film_size(self, sensor: int = 0) -> tuple[int, int]:
        """(width, height) in pixels of the image that a sensor takes (its crop window)."""
        return films.window_size(self.sensor(sensor))

    def set_film_size(self, size: int | tuple[int, int], sensor: int = 0) -> None:
        """Set the size of a sensor's image in pixels; its horizontal field of view stays.

        Args:
            size: (width, height), or the longer side of an image of the same aspect. With another
                aspect there is more or less to see above and below, around the same centre.
            sensor: index of the sensor.

        Raises:
            InputError: if a side is less than 1 or there is no such sensor.
        """
        chosen = self.sensor(sensor)
        if not isinstance(size, tuple | list):
            check_counts(size=size, most=MAX_SIDE)
            size = films.scaled_size(films.window_size(chosen), size)
        films.set_film_size(chosen, size)
        self.changes.append(("set_film_size", (tuple(size), sensor)))

    def cut_film(self, x: int, y: int, width: int, height: int, sensor: int = 0) -> None:
        """Make a sensor's image a window of the present one, whose pixels see the same."""
        films.cut_film(self.sensor(sensor), x, y, (width, height))
        self.changes.append(("cut_film", (x, y, width, height, sensor)))

    def drop_crop_window(self, sensor: int = 0) -> None:
        """Make a sensor's crop window a film of its own, which sees the same."""
        films.drop_crop_window(self.sensor(sensor))
        self.changes.append(("drop_crop_window", (sensor,)))

    def set_map_size(self, width: int, height: int) -> None:
        """Resample the environment map, keeping its integral over the sphere.

        Raises:
            InputError: if a side is too small for Mitsuba or too large for any machine.
        """
        check_counts(width=width, height=height)
        check_map_size(width, height)
        if self.envmap.resolution != (width, height):
            texels = latlong.resample(self.envmap.texels, height, width)
            self.envmap.write(texels.astype(np.float32))

    def set_envmap(self, texels_or_rgba: ArrayLike) -> None:
        """Replace the environment map.

        Args:
            texels_or_rgba: linear RGB radiance of the map's current resolution, shape (H, W, 3), or
                flat RGBA (W*H*4,), whose alpha is ignored.

        Raises:
            InputError: if the shape is wrong, or a number is negative, NaN or infinite.
        """
        texels = as_texels(texels_or_rgba, self.envmap.resolution)
        if (texels < 0).any():
            raise InputError(
                f"{_share(texels < 0)} of the texel values are negative, which light cannot be; "
                "set them to 0 first, e.g. np.maximum(texels, 0)"
            )
        self.envmap.write(texels)


@exclusive
def load_scene(
    source: str | Path | Mapping[str, Any] | Any,
    *,
    envmap: str | tuple[int, int] | None = None,
    variant: str | None = None,
    define: Mapping[str, Any] | None = None,
    **defaults: Any,
) -> Scene:
    """Load a scene that is lit by an environment map.

    Args:
        source: an XML file, a Mitsuba dictionary, or a `mi.Scene`.
        envmap: id of the environment map to use, needed if the scene has several; or a resolution
            (width, height): an existing map is resampled, and a scene without a map gets one of 1
            everywhere, the unknown, in place of a constant emitter or a sky.
        variant: Mitsuba variant; by default the one already set, or the best that works here.
        define: values for the `$name` parameters of an XML file, in place of its defaults.
        **defaults: likewise, for names that are not names of arguments.

    Raises:
        InputError: if the scene cannot be read or has no environment map; the message includes
            Mitsuba's own, which names the line.
        FileNotFoundError: if the XML file does not exist.
        BackendError: if no Mitsuba backend works here.

    Example:
        >>> scene = ei.load_scene("scene.xml", resolution=16)
        >>> scene.film_size()
        (16, 16)
    """
    if variant is not None and variant in mi.variants():  # else it is refused by name
        _require_rgb_ad_variant(variant)
    _require_rgb_ad_variant(backend.select_variant(variant))
    if define is not None and not isinstance(define, Mapping):
        raise InputError(f"define: found {in_short(define)}; give a dictionary of names and values")
    size = None if envmap is None or isinstance(envmap, str) else _resolution(envmap)
    if isinstance(source, Scene):
        scene = source
    elif isinstance(source, mi.Scene):
        scene = Scene(source)
    elif not isinstance(source, str | os.PathLike | Mapping):
        raise InputError(
            f"scene: found {in_short(source)}; give the name of a file, a dictionary or a mi.Scene"
        )
    else:
        scene = _read(
            source,
            size or envmap,
            {str(name): value for name, value in {**(define or {}), **defaults}.items()},
        )
    if size is not None:
        scene.set_map_size(*size)
    return scene


def _read(source: Any, envmap: Any, defaults: Mapping[str, Any]) -> Scene:
    name = "the dictionary" if isinstance(source, Mapping) else str(source)
    begun = time.perf_counter()
    mi_scene = read_scene(source, envmap, defaults)
    _LOGGER.info("loaded %s in %.2f s", name, time.perf_counter() - begun)
    try:
        scene = Scene(mi_scene)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None
    known = source if isinstance(source, Mapping) else Path(source)
    strings = {key: str(value) for key, value in defaults.items()}
    scene.origin = Origin(source=known, envmap=envmap, define=strings)
    return scene


def _resolution(envmap: Any) -> tuple[int, int]:
    try:
        width, height = map(operator.index, envmap)
    except (TypeError, ValueError):
        raise InputError(
            f"envmap={in_short(envmap)}: give the map's id, or its resolution, e.g. (256, 128)"
        ) from None
    return check_map_size(width, height)


def check_map_size(width: int, height: int) -> tuple[int, int]:
    """Check that a map can have this resolution, and return (width, height).

    Raises:
        InputError: if a side is too small for Mitsuba or too large for any machine.
    """
    if width < 3 or height < 2 or width * height > MAX_TEXELS:
        raise InputError(
            f"a map has at least 3 x 2 texels, and at most {MAX_TEXELS}; found {width} x {height}"
        )
    return width, height


def _share(mask: NDArray[np.bool_]) -> str:
    return f"{100 * mask.mean():.2g} %"


def _require_rgb_ad_variant(variant: str | None) -> str:
    if variant is None or "_ad_rgb" not in variant:
        raise InputError(
            f"Mitsuba variant {variant or 'none'!r} cannot be used; set 'llvm_ad_rgb' or "
            "'cuda_ad_rgb' (RGB radiance, automatic differentiation)"
        )
    if not str(mi.__version__).startswith("3.9."):
        raise InputError(f"Mitsuba {mi.__version__} cannot be used; install 'mitsuba>=3.9,<3.10'")
    return variant


def _emitter_name(params: Any, emitter: Any) -> str:
    keys = (key for key in params.keys() if params.properties[key][2] == emitter)
    return str(next(keys)).rpartition(".")[0]
