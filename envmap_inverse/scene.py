"""Load a scene and reach its differentiable parameters and its environment map.

The only file that knows Mitsuba's parameter keys, tensor layouts and halo columns.
"""

from __future__ import annotations

import xml.parsers.expat
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse import backend, latlong
from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError

__all__ = ["Envmap", "Parameter", "Parameters", "Scene", "load_scene"]

MAX_XML_DEPTH = 100
"""Mitsuba's parser recurses into elements and crashes at some depth; scenes need about ten."""

_Scalar = TypeVar("_Scalar", bound=np.generic)
_HOW_TO_ADD = (
    'add <emitter type="envmap" id="my_envmap"><string name="filename" value="map.exr"/></emitter>'
)


@dataclass(frozen=True, kw_only=True)
class Parameter:
    """One parameter of a scene.

    Attributes:
        name: Mitsuba's key.
        shape: shape of its value; () for a scalar.
        type: Mitsuba's type, e.g. "TensorXf".
        is_differentiable: whether gradients with respect to it exist.
        is_discontinuous: whether it moves discontinuities, so that those gradients need care.
    """

    name: str
    shape: tuple[int, ...]
    type: str
    is_differentiable: bool
    is_discontinuous: bool


class Parameters(Mapping[str, Parameter]):
    """A scene's parameters by name; `str()` is an aligned table."""

    def __init__(self, parameters: Mapping[str, Parameter]) -> None:
        """Args: parameters: the records by name."""
        self._parameters = dict(parameters)

    def __getitem__(self, name: str) -> Parameter:
        """The record of one parameter."""
        if name not in self._parameters:
            raise KeyError(f"no parameter {name!r}; there are: {', '.join(self)}")
        return self._parameters[name]

    def __iter__(self) -> Iterator[str]:
        """Names, in Mitsuba's order."""
        return iter(self._parameters)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self._parameters)

    def keep(self, names: str | Sequence[str]) -> Parameters:
        """Only the named parameters.

        Args:
            names: one name or several.

        Raises:
            KeyError: if there is no such parameter.
        """
        chosen = [names] if isinstance(names, str) else names
        return Parameters({name: self[name] for name in chosen})

    def differentiable(self) -> Parameters:
        """Only the differentiable parameters."""
        return self.keep([name for name in self if self[name].is_differentiable])

    def __repr__(self) -> str:
        """An aligned table: name, shape, type, differentiable, discontinuous."""
        rows = [("name", "shape", "type", "differentiable", "discontinuous")]
        rows += [
            (
                p.name,
                " x ".join(map(str, p.shape)) or "scalar",
                p.type,
                "yes" if p.is_differentiable else "",
                "yes" if p.is_discontinuous else "",
            )
            for p in self.values()
        ]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
        return "\n".join(lines)


class Scene:
    """A Mitsuba scene with one environment map whose texels can be read and written."""

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

    @property
    def parameters(self) -> Parameters:
        """Every parameter of the scene."""
        params = mi.traverse(self.mi_scene)
        return Parameters({name: _describe(params, name) for name in params.keys()})

    @property
    def num_sensors(self) -> int:
        """Number of sensors."""
        return len(self.mi_scene.sensors())

    def sensor(self, index: int = 0) -> Any:
        """The `mi.Sensor` of that index.

        Raises:
            InputError: if there is none.
        """
        sensors = self.mi_scene.sensors()
        if not 0 <= index < len(sensors):
            raise InputError(
                f"sensor {index}: the scene has {len(sensors)} sensor(s), numbered from 0"
            )
        return sensors[index]

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
        for key, least in (("film.size", 1), ("film.crop_size", 1), ("film.crop_offset", 0)):
            params[key] = [max(least, round(factor * side)) for side in params[key]]
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
    """
    backend.select_variant(variant)
    _require_rgb_ad_variant()
    if isinstance(source, Scene):
        return source
    if isinstance(source, mi.Scene):
        return Scene(source)
    config = mi.parser.ParserConfig(mi.variant())
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


def as_texels(texels_or_rgba: ArrayLike, resolution: tuple[int, int]) -> NDArray[np.float32]:
    """Texels (H, W, 3) of an array that holds them or flat RGBA, checked for shape and finiteness.

    Raises:
        InputError: if the shape is another, or a number is NaN or infinite.
    """
    width, height = resolution
    array = np.asarray(texels_or_rgba, np.float32)
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


def _instantiate(
    config: Any, name: str, envmap: str | None, parse: Any, *args: Any, **kw: Any
) -> Scene:
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
    try:
        return Scene(scene)
    except InputError as error:
        raise InputError(f"{name}: {error}") from None


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text.partition("] ")[2] if text.startswith("[parser.cpp") else text


def _check_xml(path: Path) -> None:
    """Refuse what would crash Mitsuba's parser: elements nested too deep."""
    if path.is_dir():
        raise InputError(f"{path}: is a folder; name the scene's XML file")
    depth = 0

    def start(_name: str, _attributes: Mapping[str, str]) -> None:
        nonlocal depth
        depth += 1
        if depth > MAX_XML_DEPTH:
            line = parser.CurrentLineNumber
            raise InputError(
                f"{path}: line {line}: elements are nested more than {MAX_XML_DEPTH} deep"
            )

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
    """Refuse PLY files whose faces point outside their vertices: Mitsuba reads past the end."""
    for node in state.nodes:
        if node.props.plugin_name() != "ply" or "filename" not in node.props:
            continue
        filename = str(mi.file_resolver().resolve(node.props["filename"]))
        # With face normals nothing follows the indices while the file is read.
        mesh = mi.load_dict({"type": "ply", "filename": filename, "face_normals": True})
        faces = mi.traverse(mesh)["faces"]
        last = int(dr.max(faces)[0]) if dr.width(faces) else -1
        if last >= mesh.vertex_count():
            raise InputError(
                f"{filename}: a face points to vertex {last}, but there are {mesh.vertex_count()}"
            )


def _emitter_name(params: Any, emitter: Any) -> str:
    names = [key.removesuffix(".data") for key in params.keys() if key.endswith(".data")]
    named = [name for name in names if name.split(".")[-1] == emitter.id()]
    candidates = named or [name for name in names if f"{name}.to_world" in params]
    return str(candidates[0])


def _describe(params: Any, name: str) -> Parameter:
    value = params[name]
    flags = params.flags(name)
    return Parameter(
        name=name,
        shape=_shape(value),
        type=type(value).__name__,
        is_differentiable=not flags & mi.ParamFlags.NonDifferentiable,
        is_discontinuous=bool(flags & mi.ParamFlags.Discontinuous),
    )


def _shape(value: Any) -> tuple[int, ...]:
    if isinstance(value, bool | int | float | str):
        return ()
    if dr.is_tensor_v(value):
        return tuple(value.shape)
    is_transform = "Transform" in type(value).__name__
    shape = np.array(value.matrix if is_transform else value).shape
    return shape[:-1] if len(shape) > 1 and shape[-1] == 1 else shape
