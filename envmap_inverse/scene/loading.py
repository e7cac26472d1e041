"""Read scene descriptions, and refuse any that would crash Mitsuba."""

from __future__ import annotations

import itertools
import os
import re
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from fractions import Fraction
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, in_one_line, in_short
from envmap_inverse.images import is_readable
from envmap_inverse.scene.envmap import read_map
from envmap_inverse.scene.limits import check_numbers, tame_integrators, values_of
from envmap_inverse.scene.mesh_checks import check_count, check_obj, check_ply
from envmap_inverse.scene.parameters import objects_of
from envmap_inverse.scene.xml_checks import check_xml

__all__ = [
    "ENVMAP_ID",
    "check_shapes",
    "contents_of",
    "has_envmap",
    "read_integrator",
    "read_scene",
]

ENVMAP_ID = "my_envmap"
"""Name of the map that is added to a scene without one."""

NEGATIVE_SHARE = 1e-3
"""Share of a map's light from which negative values are worth a warning."""

_OTHER_PROJECTIONS = {Fraction(1), Fraction(3, 4), Fraction(4, 3), Fraction(6), Fraction(1, 6)}
"""Aspects of mirror balls, angular maps and cube maps."""

_SURROUNDINGS = {"constant", "sky", "sunsky", "timed_sunsky"}
"""Emitters that take an environment map's place."""


def read_scene(
    source: str | Path | Mapping[str, Any],
    envmap: str | tuple[int, int] | None,
    defaults: Mapping[str, Any],
) -> Any:
    """Read a `mi.Scene` with at most one environment map; for the arguments see `load_scene`.

    If `envmap` is a resolution, a scene without a map gets a map of 1 everywhere.

    Raises:
        InputError: if it cannot be read, holds several maps and none is chosen, or would crash
            Mitsuba.
        FileNotFoundError: if the XML file does not exist.
    """
    config = mi.parser.ParserConfig(mi.variant())
    config.merge_equivalent = False  # or sensors with equal films would share one
    config.merge_meshes = False  # or shapes would stand in the order of their memory addresses
    if isinstance(source, Mapping):
        described = dict(source)
        parse = partial(mi.parser.parse_dict, config, described)
        return _instantiate(config, "the dictionary", envmap, parse)
    path, strings = Path(source), {str(name): str(value) for name, value in defaults.items()}
    check_xml(path, strings)
    with _resolving_beside(path):
        return _instantiate(config, str(path), envmap, partial(_parsed, config, path, strings))


def contents_of(path: Path, define: Mapping[str, str]) -> tuple[list[Path], set[str]]:
    """List the files besides XML that a scene's elements name, and its plugins; loads none.

    Args:
        path: the scene's XML file.
        define: values for its `$name` parameters.

    Raises:
        InputError: if the XML cannot be read, or would crash Mitsuba.
        FileNotFoundError: if there is no such file.
    """
    check_xml(path, define)
    with _resolving_beside(path), _refusing(str(path)):
        state = _parsed(mi.parser.ParserConfig(mi.variant()), path, define)
        named = [_file_of(node) for node in state.nodes]
        plugins = {str(node.props.plugin_name()) for node in state.nodes}
    return [file for file in named if file is not None and file.is_file()], plugins


def has_envmap(path: Path, defaults: Mapping[str, Any] | None = None) -> bool:
    """Whether a scene's XML file has an environment map; loads nothing else.

    Raises:
        InputError: if the XML cannot be read, or would crash Mitsuba.
        FileNotFoundError: if there is no such file.
    """
    strings = {str(name): str(value) for name, value in (defaults or {}).items()}
    check_xml(path, strings)
    with _resolving_beside(path), _refusing(str(path)):
        config = mi.parser.ParserConfig(mi.variant())
        return any(map(_is_envmap, _parsed(config, path, strings).nodes))


@contextmanager
def _resolving_beside(path: Path) -> Iterator[None]:
    """Let Mitsuba look for files in a scene's folder first."""
    resolver = mi.file_resolver()
    with_folder = mi.FileResolver(resolver)
    with_folder.prepend(str(Path(os.path.realpath(path)).parent))
    mi.set_file_resolver(with_folder)
    try:
        yield
    finally:
        mi.set_file_resolver(resolver)


def _parsed(config: Any, path: Path, define: Mapping[str, str]) -> Any:
    """Parse the XML of a file."""
    reserved = sorted({"config", "filename"} & set(define))
    if reserved:
        raise InputError(
            f"${reserved[0]} cannot be defined, as Mitsuba's loader uses that name; rename it"
        )
    return mi.parser.parse_file(config, str(path), **define)


def _instantiate(
    config: Any, name: str, envmap: str | tuple[int, int] | None, parse: Callable[[], Any]
) -> Any:
    with _refusing(name):
        state = parse()
        check_numbers(state)
        tame_integrators(state)
        _check_places(state)
        _keep_one_envmap(state, envmap if isinstance(envmap, str) else None)
        if isinstance(envmap, tuple) and not any(map(_is_envmap, state.nodes)):
            _add_envmap(state, name, *envmap)
        _read_maps(state)
        mi.parser.transform_all(config, state)
        _check_meshes(state)
        loaded = mi.parser.instantiate(config, state)
    scene = loaded[0] if isinstance(loaded, list) else loaded
    if not isinstance(scene, mi.Scene):
        raise InputError(f"{name}: the outermost element is a {type(scene).__name__}, not a scene")
    return scene


def read_integrator(described: Any) -> Any:
    """Make a `mi.Integrator` of a dictionary; return one as it is.

    Raises:
        InputError: if it is neither, or would crash Mitsuba.
    """
    made = described
    if isinstance(described, Mapping):
        config = mi.parser.ParserConfig(mi.variant())
        with _refusing("integrator"):
            state = mi.parser.parse_dict(config, dict(described))
            check_numbers(state)
            tame_integrators(state)
            made = mi.parser.instantiate(config, state)
    if not isinstance(made, mi.Integrator):
        found = in_short(described)
        raise InputError(f"integrator: found {found}; give a mi.Integrator or its dictionary")
    return made


def check_shapes(mi_scene: Any) -> None:
    """Refuse scenes that Mitsuba cannot render, or that end the process on a GPU.

    Raises:
        InputError: if there is no shape, a mesh without faces, or an instance of nothing.
    """
    if not mi_scene.shapes():
        raise InputError("the scene has no shapes; Mitsuba renders none without: add one, anywhere")
    for part in objects_of(mi_scene):
        if isinstance(part, mi.Mesh):
            _check_mesh(part)
    for shape in mi_scene.shapes():
        if shape.class_name() == "Instance" and not shape.effective_primitive_count():
            raise InputError(f"the instance {shape.id()!r} is of a group without shapes")


def _check_mesh(mesh: Any) -> None:
    if not (mesh.face_count() and mesh.vertex_count()):
        name = f"mesh {mesh.id()!r}" if mesh.id() else "mesh without an id"
        raise InputError(f"the {name} has no faces; take it out of the scene")


@contextmanager
def _refusing(name: str) -> Iterator[None]:
    """Turn what Mitsuba raises into an `InputError` that begins with a name."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # noqa: BLE001 - Mitsuba raises RuntimeError, TypeError and others
        text = in_one_line(error)
        message = text.partition("] ")[2] if text.startswith("[parser.cpp") else text
        undefined = re.search(r"undefined parameter: \$(\w+)", message)
        if undefined:
            message += f"; give it a value: --define {undefined[1]}=VALUE (define= of load_scene)"
        raise InputError(f"{name}: {message}") from None


def _check_places(state: Any) -> None:
    """Refuse environment maps inside other elements, where Mitsuba does not look for them."""
    if state.root.type != mi.ObjectType.Scene:
        return  # refused as that later
    root = state.root.props
    values = [root[key] for key in root.keys()]
    kept = {value.index() for value in values if isinstance(value, mi.Properties.ResolvedReference)}
    for index, node in enumerate(state.nodes):
        if _is_envmap(node) and index not in kept:
            raise InputError(
                f"the environment map {node.props.id()!r} is inside another element; move it to "
                "the outermost one, <scene>"
            )


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
            f"the scene has several environment maps: {names}; choose one with --envmap-name "
            "(envmap= of load_scene)"
        )
    if wanted not in nodes:
        raise InputError(f"the scene has no environment map {wanted!r}; there are: {names}")
    unwanted = {index for name, index in nodes.items() if name != wanted}
    root = state.root.props
    for key in list(root.keys()):
        if isinstance(root[key], mi.Properties.ResolvedReference) and root[key].index() in unwanted:
            del root[key]


def _add_envmap(state: Any, name: str, width: int, height: int) -> None:
    """Add a map of 1 everywhere to a parsed scene, replacing other emitters all around it."""
    root = state.root.props
    for key in list(root.keys()):
        if isinstance(root[key], mi.Properties.ResolvedReference):
            node = state.nodes[root[key].index()]
            if str(node.props.plugin_name()) in _SURROUNDINGS:
                warnings.warn(
                    f"{name}: its {node.props.plugin_name()} emitter gives way to the unknown "
                    "environment map",
                    stacklevel=2,
                )
                del root[key]
    taken = {node.props.id() for node in state.nodes} | set(root.keys())
    names = itertools.chain([ENVMAP_ID], (f"{ENVMAP_ID}_{k}" for k in itertools.count(2)))
    node = mi.parser.SceneNode()
    node.type, node.props = mi.ObjectType.Emitter, mi.Properties("envmap")
    node.props.set_id(next(free for free in names if free not in taken))
    node.props["bitmap"] = mi.Bitmap(np.ones((height, width, 3), np.float32))
    state.nodes.append(node)  # this moves the nodes and invalidates `root`
    state.root.props[node.props.id()] = mi.Properties.ResolvedReference(len(state.nodes) - 1)


def _read_maps(state: Any) -> None:
    """Read the files of a parsed scene's maps with this package's own reader.

    Mitsuba's reader stretches an EXR's data window over the sphere (or crashes), does not know
    layers by name, and ignores the exposure and the pixel order of a Radiance file's header.
    """
    root = state.root.props
    for key in list(root.keys()):
        if not isinstance(root[key], mi.Properties.ResolvedReference):
            continue
        node = state.nodes[root[key].index()]
        path = _file_of(node) if _is_envmap(node) else None
        if path is not None and path.is_file() and is_readable(path):
            texels = read_map(path)
            _warn_of_map(path, texels)
            node.props["bitmap"] = mi.Bitmap(texels)
            del node.props["filename"]


def _warn_of_map(path: Path, texels: NDArray[np.float32]) -> None:
    """Warn of another projection, and of negative light beyond the ringing of lossy files."""
    height, width, _ = texels.shape
    if Fraction(width, height) in _OTHER_PROJECTIONS:
        warnings.warn(
            f"{path}: is {width} x {height}, but a map is twice as wide as high; if it is a light "
            "probe or a cube map, convert it first with 'envmap-inverse convert'",
            stacklevel=2,
        )
    if -np.minimum(texels, 0).sum() > NEGATIVE_SHARE * np.abs(texels).sum():
        warnings.warn(
            f"{path}: {(texels < 0).sum()} texel values are negative, which light cannot be; "
            "Mitsuba renders them as they are",
            stacklevel=2,
        )


def _is_envmap(node: Any) -> bool:
    return str(node.props.plugin_name()) == "envmap"


def _check_meshes(state: Any) -> None:
    """Refuse meshes without faces, which end the process on a GPU, or with impossible ones.

    Mitsuba reads past the end of the vertices where a face points outside them.
    """
    for node in state.nodes:
        for _, value in values_of(node.props):
            if isinstance(value, mi.Mesh):
                _check_mesh(value)
        check = _MESH_CHECKS.get(str(node.props.plugin_name()))
        path = _file_of(node)
        if check is not None and path is not None and path.is_file():
            check(path, node)


def _check_serialized(path: Path, node: Any) -> None:
    # With face normals, reading the file does not follow the indices.
    described = {"type": "serialized", "filename": str(path), "face_normals": True}
    if "shape_index" in node.props:
        described["shape_index"] = node.props["shape_index"]
    mesh = mi.load_dict(described)
    faces = np.array(mi.traverse(mesh)["faces"])
    check_count(path, faces.size)
    if faces.max() >= mesh.vertex_count():
        raise InputError(
            f"{path}: a face points to vertex {faces.max()}, but there are {mesh.vertex_count()}"
        )


_MESH_CHECKS: dict[str, Callable[[Path, Any], None]] = {
    "ply": lambda path, _: check_ply(path),
    "obj": lambda path, _: check_obj(path),
    "serialized": _check_serialized,
}


def _file_of(node: Any) -> Path | None:
    """Return the file that an element of a parsed scene names; None if it names none."""
    if "filename" not in node.props:
        return None
    return Path(str(mi.file_resolver().resolve(node.props["filename"])))
