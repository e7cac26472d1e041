"""Scenes as plain data, from which another process, on any machine, loads them again."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.scene.loading import contents_of
from envmap_inverse.scene.near import Surroundings
from envmap_inverse.scene.scene import Change, Origin, Scene, load_scene
from envmap_inverse.scene.xml_checks import check_xml

__all__ = ["Parcel", "packed", "unpacked"]

_HOW_TO_LOAD = "load it from an XML file, or from a dictionary of plain values (load_scene)"


@dataclass(frozen=True, kw_only=True, eq=False)
class Parcel:
    """A scene as plain data.

    Attributes:
        files: the bytes of its files, by their absolute names.
        source: name of its XML file, or its dictionary.
        envmap: argument of `load_scene`.
        define: argument of `load_scene`.
        resolution: (width, height) of the map.
        changes: of its sensors.
        surroundings: where its light stands.
        fingerprint: of the scene; see `Scene.fingerprint`.
        variant: Mitsuba's.
    """

    files: Mapping[str, bytes]
    source: str | Mapping[str, Any]
    envmap: str | tuple[int, int] | None
    define: Mapping[str, str]
    resolution: tuple[int, int]
    changes: tuple[Change, ...]
    surroundings: Surroundings | None
    fingerprint: str
    variant: str


@dataclass(frozen=True)
class _Transform:
    """A transformation of Mitsuba's in a dictionary; its class has no pickle."""

    matrix: NDArray[Any]


def packed(scene: Scene) -> Parcel:
    """Pack a scene and its files.

    Raises:
        InputError: if it was not loaded from a file or a dictionary, or holds what cannot travel.
    """
    origin = scene.origin
    if origin is None:
        raise InputError(f"the scene cannot travel to other processes; {_HOW_TO_LOAD}")
    files: dict[str, bytes] = {}
    source = (
        _plain(origin.source, files)
        if isinstance(origin.source, Mapping)
        else _packed_xml(origin.source, origin, files)
    )
    return Parcel(
        files=files,
        source=source,
        envmap=origin.envmap,
        define=origin.define,
        resolution=scene.envmap.resolution,
        changes=tuple(scene.changes),
        surroundings=scene.surroundings,
        fingerprint=scene.fingerprint,
        variant=mi.variant(),
    )


def unpacked(parcel: Parcel, folder: Path) -> Scene:
    """Load a scene from its parcel.

    Args:
        parcel: the scene.
        folder: where its files are put, beneath their old absolute names.

    Raises:
        InputError: if it is not the scene that was packed.
    """
    places = {name: f"{folder}{name}" for name in parcel.files}
    for name, content in parcel.files.items():
        path = Path(places[name])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(_moved(content, places) if path.suffix.lower() == ".xml" else content)
    source = parcel.source
    backend.select_variant(parcel.variant)
    scene = load_scene(
        places[source] if isinstance(source, str) else _mitsubas(source, places),
        envmap=parcel.envmap,
        define={name: places.get(value, value) for name, value in parcel.define.items()},
    )
    for name, arguments in parcel.changes:
        getattr(scene, name)(*arguments)
    scene.surroundings = parcel.surroundings
    scene.set_map_size(*parcel.resolution)
    if scene.fingerprint != parcel.fingerprint:
        raise InputError(
            "the scene was changed after it was loaded, by --refine or through Mitsuba, or its "
            "files were; workers load it as it was: save what is changed, and load that"
        )
    return scene


def _packed_xml(path: Path, origin: Origin, files: dict[str, bytes]) -> str:
    xml = check_xml(path, origin.define)
    named, _ = contents_of(path, origin.define)
    for file in (*xml, *named):
        files[_absolute(file)] = file.read_bytes()
    return _absolute(path)


def _absolute(path: Path) -> str:
    """The absolute name, without following links, so that files stay beside each other."""
    return os.path.abspath(path)  # noqa: PTH100 - `resolve` follows links


def _moved(content: bytes, places: Mapping[str, str]) -> bytes:
    """XML that names files by their new absolute names."""
    for name in sorted(places, key=len, reverse=True):
        content = content.replace(f'"{name}"'.encode(), f'"{places[name]}"'.encode())
    return content


def _plain(value: Any, files: dict[str, bytes]) -> Any:
    """A value of a Mitsuba dictionary as plain data; files that it names are read."""
    if isinstance(value, Mapping):
        for key in ("filename", "bitmap_file"):
            if isinstance(name := value.get(key), str | Path):
                files[_absolute(Path(name))] = Path(name).read_bytes()
                value = {**value, key: _absolute(Path(name))}
        return {key: _plain(part, files) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(part, files) for part in value]
    if isinstance(value, mi.ScalarTransform4f):
        return _Transform(np.array(value.matrix))
    if isinstance(value, str | int | float | bool | np.ndarray | np.generic):
        return value
    raise InputError(
        f"the scene holds a {type(value).__name__}, which cannot travel to workers; {_HOW_TO_LOAD}"
    )


def _mitsubas(value: Any, places: Mapping[str, str]) -> Any:
    """The inverse of `_plain`."""
    if isinstance(value, Mapping):
        return {key: _mitsubas(part, places) for key, part in value.items()}
    if isinstance(value, list):
        return [_mitsubas(part, places) for part in value]
    if isinstance(value, _Transform):
        return mi.ScalarTransform4f(value.matrix)
    return places.get(value, value) if isinstance(value, str) else value
