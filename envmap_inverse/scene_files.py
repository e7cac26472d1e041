"""Read scene descriptions, and refuse those that would crash Mitsuba."""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError

__all__ = ["read_scene"]

MAX_XML_DEPTH = 100
"""Mitsuba's parser recurses into elements and crashes at some depth; scenes need about ten."""
MAX_INCLUDES = 16


def read_scene(
    source: str | Path | Mapping[str, Any], envmap: str | None, defaults: Mapping[str, Any]
) -> Any:
    """A `mi.Scene` with one environment map at most; the arguments are those of `load_scene`.

    Raises:
        InputError: if it cannot be read, holds several maps and none is chosen, or would crash
            Mitsuba.
        FileNotFoundError: if the XML file does not exist.
    """
    config = mi.parser.ParserConfig(mi.variant())
    config.merge_equivalent = False  # or sensors with equal films would share one
    if isinstance(source, Mapping):
        return _instantiate(config, "the dictionary", envmap, mi.parser.parse_dict, dict(source))
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such scene file")
    _check_xml(path)
    resolver = mi.file_resolver()
    with_folder = mi.FileResolver(resolver)
    with_folder.prepend(str(path.resolve().parent))
    mi.set_file_resolver(with_folder)
    try:
        strings = {name: str(value) for name, value in defaults.items()}
        return _instantiate(config, str(path), envmap, mi.parser.parse_file, str(path), **strings)
    finally:
        mi.set_file_resolver(resolver)


def _instantiate(
    config: Any, name: str, envmap: str | None, parse: Any, *args: Any, **kw: Any
) -> Any:
    try:
        state = parse(config, *args, **kw)
        _keep_one_envmap(state, envmap)
        mi.parser.transform_all(config, state)
        _check_meshes(state)
        loaded = mi.parser.instantiate(config, state)
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - Mitsuba raises RuntimeError, TypeError and others
        raise InputError(f"{name}: {_one_line(error)}") from None
    scene = loaded[0] if isinstance(loaded, list) else loaded
    if not isinstance(scene, mi.Scene):
        raise InputError(f"{name}: the outermost element is a {type(scene).__name__}, not a scene")
    return scene


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition("] ")[2] if text.startswith("[parser.cpp") else text


def _check_xml(path: Path, *, num_includers: int = 0) -> None:
    """Refuse what would crash Mitsuba's parser: elements nested too deep, here or included."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the scene's XML file")
    included = _nested_files(path)
    for other in included if num_includers < MAX_INCLUDES else ():
        if other.is_file():
            _check_xml(other, num_includers=num_includers + 1)


def _nested_files(path: Path) -> list[Path]:
    """The files that an XML file includes; elements nested too deep are refused."""
    depth, included = 0, list[Path]()

    def start(name: str, attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_XML_DEPTH:
            line = parser.CurrentLineNumber
            raise InputError(
                f"{path}: line {line}: elements are nested more than {MAX_XML_DEPTH} deep"
            )
        if name == "include":
            included.append(path.parent / attributes.get("filename", ""))

    def end(_name: str) -> None:
        nonlocal depth
        depth -= 1

    parser = xml.parsers.expat.ParserCreate()
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    try:
        parser.Parse(path.read_bytes(), True)
    except xml.parsers.expat.ExpatError as error:
        raise InputError(f"{path}: malformed XML: {error}") from None
    return included


def _keep_one_envmap(state: Any, wanted: str | None) -> None:
    """Remove all environment maps but one from a parsed scene; Mitsuba takes only one."""
    nodes = {
        node.props.id() or f"number {number}": index
        for number, index in enumerate(i for i, n in enumerate(state.nodes) if _is_envmap(n))
        for node in [state.nodes[index]]
    }
    if wanted is None and len(nodes) <= 1:
        return
    names = ", ".join(repr(name) for name in nodes) or "none"
    if wanted is None:
        raise InputError(
            f"the scene has several environment maps: {names}; choose one with envmap=..."
        )
    if wanted not in nodes:
        raise InputError(f"the scene has no environment map {wanted!r}; there are: {names}")
    unwanted = {index for name, index in nodes.items() if name != wanted}
    root = state.root.props
    for key in list(root.keys()):
        if isinstance(root[key], mi.Properties.ResolvedReference) and root[key].index() in unwanted:
            del root[key]


def _is_envmap(node: Any) -> bool:
    return str(node.props.plugin_name()) == "envmap"


def _check_meshes(state: Any) -> None:
    """Refuse meshes whose faces point outside their vertices: Mitsuba reads past the end."""
    for node in state.nodes:
        if node.props.plugin_name() not in {"ply", "serialized"} or "filename" not in node.props:
            continue
        filename = str(mi.file_resolver().resolve(node.props["filename"]))
        # With face normals nothing follows the indices while the file is read.
        described = {"type": node.props.plugin_name(), "filename": filename, "face_normals": True}
        if "shape_index" in node.props:
            described["shape_index"] = node.props["shape_index"]
        mesh = mi.load_dict(described)
        faces = np.array(mi.traverse(mesh)["faces"])
        if faces.size and faces.max() >= mesh.vertex_count():
            raise InputError(
                f"{filename}: a face points to vertex {faces.max()}, "
                f"but there are {mesh.vertex_count()}"
            )
