"""Check mesh files before Mitsuba reads them: it follows any index, wherever it points."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError

__all__ = [
    "MESH_PLUGINS",
    "check_count",
    "check_obj",
    "check_ply",
    "has_normals",
    "is_mesh",
    "mesh_shape",
]

MESH_PLUGINS = {".obj": "obj", ".ply": "ply", ".serialized": "serialized"}
"""Mitsuba's plugins for the files of meshes, by their endings."""

_TYPES = {
    "char": "i1",
    "uchar": "u1",
    "short": "i2",
    "ushort": "u2",
    "int": "i4",
    "uint": "u4",
    "int8": "i1",
    "uint8": "u1",
    "int16": "i2",
    "uint16": "u2",
    "int32": "i4",
    "uint32": "u4",
    "long": "i8",
    "ulong": "u8",
    "half": "f2",
    "float16": "f2",
    "float": "f4",
    "double": "f8",
    "float32": "f4",
    "float64": "f8",
}
_ORDERS = {"ascii": "", "binary_little_endian": "<", "binary_big_endian": ">"}
_MAX_HEADER = 2**16
_OBJ_FACE = re.compile(rb"\n[ \t\r\v\f]*f[ \t]([0-9 \t\r/-]*)")
"""Matches the indices of a face in an OBJ file."""

_STRANGE_INDEX = re.compile(rb"-\d*|\d{10,}")
"""Matches an index that is negative or does not fit into 32 bits."""

_DIGITS_TO_ZEROS = bytes.maketrans(b"123456789", b"0" * 9)


@dataclass
class _Element:
    """An element of a PLY file: how many there are, and the columns of each.

    A list has four columns, its length and three items: Mitsuba reads only triangles.
    """

    name: str
    count: int
    columns: list[tuple[str, str]] = field(default_factory=list)

    def indices(self) -> list[str]:
        """Names of the columns with vertex indices."""
        lists = ("vertex_index", "vertex_indices")
        return [name for name, _ in self.columns if name.rpartition(".")[0] in lists]


def is_mesh(path: Path) -> bool:
    """Whether a file is a mesh, by its ending."""
    return path.suffix.lower() in MESH_PLUGINS


def mesh_shape(path: Path) -> dict[str, Any]:
    """The shape of a mesh file as a dictionary for Mitsuba.

    Raises:
        InputError: if it is no mesh, by its ending.
    """
    plugin = MESH_PLUGINS.get(path.suffix.lower())
    if plugin is None:
        raise InputError(f"{path}: not a mesh file; use one of {', '.join(MESH_PLUGINS)}")
    return {"type": plugin, "filename": str(path)}


def has_normals(path: Path) -> bool:
    """Whether the file of a mesh has normals; those of other formats than OBJ and PLY have."""
    data = path.read_bytes()
    if path.suffix.lower() == ".obj":
        return re.search(rb"(^|\n)[ \t]*vn[ \t]", data) is not None
    if path.suffix.lower() == ".ply":
        return (
            re.search(rb"property \w+ nx\s", data[:_MAX_HEADER].split(b"end_header")[0]) is not None
        )
    return True


def check_count(path: Path, num_faces: int) -> None:
    """Refuse a mesh file without faces.

    Raises:
        InputError: if `num_faces` is 0.
    """
    if not num_faces:
        raise InputError(f"{path}: has no faces; take the mesh out of the scene")


def check_ply(path: Path) -> None:
    """Refuse a PLY file without faces, with other faces than triangles, or with impossible ones.

    Mitsuba would read past the end of the vertices, and takes a negative index for 0.

    Raises:
        InputError: if it has such faces, ends too early, or has no valid header.
    """
    data = path.read_bytes()
    order, elements, start = _ply_header(path, data)
    counts = {element.name: element.count for element in elements}
    check_count(path, counts.get("face", 0))
    for element in elements:
        if order:
            dtype = np.dtype([(name, order + kind) for name, kind in element.columns])
            size = dtype.itemsize * element.count
            if start + size > len(data):
                raise InputError(f"{path}: ends before its last {element.name}")
            rows = np.frombuffer(data, dtype, element.count, start) if size else None
            start += size
        else:
            rows, start = _ascii_rows(path, data, start, element)
        if element.name == "face" and rows is not None:
            _check_faces(path, element, rows, counts.get("vertex", 0))


def check_obj(path: Path) -> None:
    """Refuse an OBJ file without faces, or with vertex numbers that are negative or beyond 32 bits.

    Mitsuba itself refuses other numbers of missing vertices.

    Raises:
        InputError: if it has such faces.
    """
    faces = _OBJ_FACE.findall(b"\n" + path.read_bytes())
    check_count(path, len(faces))
    indices = b"\n".join(faces)
    if b"-" in indices or b"0" * 10 in indices.translate(_DIGITS_TO_ZEROS):
        index = next(_STRANGE_INDEX.finditer(indices))[0][:20].decode()
        raise InputError(f"{path}: a face points to vertex {index}; number vertices from 1 upwards")


def _check_faces(path: Path, element: _Element, rows: NDArray[np.void], num_vertices: int) -> None:
    names = element.indices()
    for name in (name for name in names if name.endswith(".count")):
        if (rows[name] != 3).any():
            raise InputError(f"{path}: has faces that are not triangles; triangulate the mesh")
    for name in (name for name in names if not name.endswith(".count")):
        outside = ~((rows[name] >= 0) & (rows[name] < num_vertices))
        if outside.any():
            index = rows[name][outside][0]
            raise InputError(
                f"{path}: a face points to vertex {index:.10g}, but there are {num_vertices}"
            )


def _ply_header(path: Path, data: bytes) -> tuple[str, list[_Element], int]:
    """Read the byte order ("" for text), the elements, and the position where they begin."""
    match = re.match(rb"ply\s*\n(?:.*\n)*?end_header[ \t\r]*\n", data[:_MAX_HEADER])
    if match is None:
        raise InputError(f"{path}: not a PLY file: it has no header")
    orders, elements = list[str](), list[_Element]()
    for line in match[0].decode("latin-1").splitlines()[1:-1]:
        words = line.split()
        if len(words) == 3 and words[0] == "format" and words[1] in _ORDERS:
            orders.append(_ORDERS[words[1]])
        elif not _add_line(elements, words):
            raise InputError(f"{path}: its header has the unknown line {line[:60]!r}")
    for element in elements:
        names = [name for name, _ in element.columns]
        if len(set(names)) < len(names):
            raise InputError(f"{path}: its header names a property of {element.name} twice")
    if len(orders) != 1:
        raise InputError(f"{path}: its header does not name one format")
    return orders[0], elements, match.end()


def _add_line(elements: list[_Element], words: Sequence[str]) -> bool:
    """Add what a line of the header declares; return False if the line is unknown."""
    match words:
        case ["element", name, count] if count.isdecimal():
            elements.append(_Element(name, int(count)))
        case ["property", kind, name] if kind in _TYPES and elements:
            elements[-1].columns.append((name, _TYPES[kind]))
        case ["property", "list", length, kind, name] if {length, kind} <= set(_TYPES) and elements:
            items = [(f"{name}.{item}", _TYPES[kind]) for item in range(3)]
            elements[-1].columns += [(f"{name}.count", _TYPES[length]), *items]
        case [] | ["comment" | "obj_info", *_]:
            pass
        case _:
            return False
    return True


def _ascii_rows(
    path: Path, data: bytes, start: int, element: _Element
) -> tuple[NDArray[np.void] | None, int]:
    """Parse the rows of an element written as text; return them and where the next one begins."""
    num_values = len(element.columns) * element.count
    if not num_values:
        return None, start
    if num_values > len(data):
        raise InputError(f"{path}: ends before its last {element.name}")
    words = data[start:].split(maxsplit=num_values)
    try:
        values = np.array(words[:num_values], np.float64).reshape(element.count, -1)
    except ValueError:
        raise InputError(f"{path}: the values of its {element.name} are not numbers") from None
    end = len(data) - len(words[num_values]) if len(words) > num_values else len(data)
    is_integer = np.array([kind[0] != "f" for _, kind in element.columns])
    if (values[:, is_integer] % 1 != 0).any():
        raise InputError(f"{path}: a whole number of its {element.name} has a fraction")
    dtype = np.dtype([(name, np.float64) for name, _ in element.columns])
    return np.ascontiguousarray(values).view(dtype)[:, 0], end
