"""Load the scene of a command, with its own map or an unknown one."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import backend
from envmap_inverse.console.options import definitions, is_number, panelled, pixel_size
from envmap_inverse.console.output import tell
from envmap_inverse.errors import Faults, InputError
from envmap_inverse.scene.envmap import read_map
from envmap_inverse.scene.loading import has_envmap
from envmap_inverse.scene.near import Surroundings, surroundings_of
from envmap_inverse.scene.scene import Scene, check_map_size, load_scene
from envmap_inverse.sphere.latlong import resample

__all__ = [
    "DEFAULT_MAP_SIZE",
    "LightDistance",
    "MapSize",
    "SceneChoice",
    "add_unknown_map",
    "distance_of",
    "film_size_of",
    "load_with_map",
    "map_size_of",
    "put_light",
    "read_ground_truth",
    "read_initial",
]

DEFAULT_MAP_SIZE = 256, 128

MapSize = Annotated[
    str | None,
    panelled(
        "Light",
        metavar="WxH",
        help="Size of the map in texels, in place of the scene's. A scene without a map gets an "
        "unknown one, by default of 256x128 texels, or fewer if the pictures have fewer pixels.",
    ),
]

AUTO = "auto"

LightDistance = Annotated[
    str | None,
    panelled(
        "Light",
        "--distance",
        metavar="sphere:R|box:X,Y,Z|auto",
        help="Where the light stands: on a sphere or on the walls of a room round the scene, in "
        "its units; auto finds the sphere that predicts unseen pixels best. By default infinitely "
        "far. For transport.",
    ),
]


@dataclass(frozen=True, kw_only=True)
class SceneChoice:
    """The scene that a command names, and how it is loaded.

    Attributes:
        path: its file.
        map_size: (width, height) of its map in texels; None for the map's own or a default size.
        envmap_name: name of its map among several.
        define: values of its `$name` parameters.
        distance: where the light stands; None for infinitely far.
        finds_distance: whether that is to be found.
    """

    path: Path
    map_size: tuple[int, int] | None
    envmap_name: str | None
    define: dict[str, str]
    distance: Surroundings | None = None
    finds_distance: bool = False

    @classmethod
    def parse(
        cls,
        faults: Faults,
        path: Path,
        map_size: str | None,
        *,
        envmap_name: str | None,
        define: list[str] | None,
        distance: str | None = None,
    ) -> SceneChoice:
        """Parse --map-size, --define and --distance; `faults` keeps what is wrong."""
        return cls(
            path=path,
            map_size=faults.attempt(map_size_of, map_size),
            envmap_name=envmap_name,
            define=faults.attempt(definitions, define) or {},
            distance=None if distance == AUTO else faults.attempt(distance_of, distance),
            finds_distance=distance == AUTO,
        )

    def load(self) -> tuple[Scene, bool]:
        """Load the scene; see `load_with_map`."""
        return load_with_map(
            self.path, self.map_size, envmap_name=self.envmap_name, define=self.define
        )


def put_light(scene: Scene, distance: Surroundings | None) -> None:
    """Put the light where --distance says.

    Raises:
        InputError: if the scene is larger.
    """
    if distance is None:
        return
    try:
        scene.surroundings = distance
    except InputError as error:
        raise InputError(f"--distance {error}") from None


def distance_of(option: str | None) -> Surroundings | None:
    """Parse --distance.

    Raises:
        InputError: if it is none.
    """
    if option is None:
        return None
    try:
        return surroundings_of(option)
    except InputError as error:
        raise InputError(f"--distance: {error}") from None


def map_size_of(option: str | None) -> tuple[int, int] | None:
    """Parse --map-size into (width, height); one number is the width of a map half as high.

    Raises:
        InputError: if no map can have that size.
    """
    size = pixel_size("--map-size", option, example="512x256")
    if size is None:
        return None
    width, height = (size, size // 2) if isinstance(size, int) else size
    try:
        check_map_size(width, height)
    except InputError as error:
        raise InputError(f"--map-size {option}: {error}") from None
    if width not in {2 * height, 2 * height - 2}:  # with or without a row for each pole
        warnings.warn(
            f"--map-size {option}: its texels are not as wide as high; most programs, and evaluate "
            f"unless told otherwise, read maps of 2:1, such as {2 * height}x{height}",
            stacklevel=1,
        )
    return width, height


def load_with_map(
    path: Path,
    map_size: tuple[int, int] | None,
    *,
    envmap_name: str | None = None,
    define: Mapping[str, str] | None = None,
) -> tuple[Scene, bool]:
    """Load a scene with a map of this size; also return whether the map had to be added.

    Without a size, the scene's own map keeps its size, and an added one has the default.
    """
    backend.select_variant()
    is_added = not has_envmap(path, define)
    wanted = (map_size or DEFAULT_MAP_SIZE) if is_added else envmap_name
    scene = load_scene(path, envmap=wanted, define=define)
    if map_size is not None:
        scene.set_map_size(*map_size)
    return scene, is_added


def add_unknown_map(scene: Scene, size: tuple[int, int]) -> None:
    """Resize the map that was added to a scene, and report it."""
    scene.set_map_size(*size)
    tell(f"the scene has no environment map; an unknown one of {size[0]} x {size[1]} is added")


def film_size_of(option: str | None, *, full_size: bool) -> dict[str, Any]:
    """Convert --size and --full-size to arguments of `fit_films`.

    Raises:
        InputError: if both are given, or --size names no size.
    """
    if option is not None and full_size:
        raise InputError("--size and --full-size: give one of them")
    if full_size:
        return {"max_pixels": None}
    return {"size": pixel_size("--size", option)}


def read_ground_truth(path: Path | None, scene: Scene) -> NDArray[np.floating[Any]] | None:
    """Read the true map, if one is named, and resample it to the size of the scene's map."""
    if path is None:
        return None
    more = " ('envmap-inverse evaluate' measures at its own size)"
    return _resampled("--ground-truth", path, scene, more)


def read_initial(option: str, scene: Scene) -> float | NDArray[np.floating[Any]]:
    """Read the number or the map that --initial names, resampled to the size of the scene's map."""
    if is_number(option):
        return float(option)
    return _resampled("--initial", Path(option), scene)


def _resampled(option: str, path: Path, scene: Scene, more: str = "") -> NDArray[np.floating[Any]]:
    """Read a map; say so if it is resampled to the size of the scene's."""
    texels, (width, height) = read_map(path), scene.envmap.resolution
    if texels.shape[:2] == (height, width):
        return texels
    warnings.warn(
        f"{option} {path}: is {texels.shape[1]} x {texels.shape[0]}; resampled to the scene's "
        f"{width} x {height}{more}",
        stacklevel=1,
    )
    return resample(texels, height, width)
