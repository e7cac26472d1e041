"""Small closed meshes as OBJ files, without normals."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

Mesh = tuple[NDArray[np.float64], NDArray[np.int64]]


def cube() -> Mesh:
    """From -1 to 1 along each axis; its vertices are shared."""
    corners = [(x, y, z) for x in (-1, 1) for y in (-1, 1) for z in (-1, 1)]
    quads = [(0, 1, 3, 2), (4, 6, 7, 5), (0, 4, 5, 1), (2, 3, 7, 6), (0, 2, 6, 4), (1, 5, 7, 3)]
    faces = [face for a, b, c, d in quads for face in ((a, b, c), (a, c, d))]
    return np.array(corners, np.float64), np.array(faces)


def ball(num_rows: int = 24) -> Mesh:
    """Of radius 1 about the origin."""
    num_columns = 2 * num_rows
    theta = np.pi * np.arange(num_rows + 1)[:, None] / num_rows
    phi = 2 * np.pi * np.arange(num_columns) / num_columns
    x, y, z = np.sin(theta) * np.sin(phi), np.cos(theta), np.sin(theta) * np.cos(phi)
    vertices = np.stack(np.broadcast_arrays(x, y, z), axis=-1).reshape(-1, 3)
    row, column = np.divmod(np.arange(num_rows * num_columns), num_columns)
    a, b = row * num_columns + column, row * num_columns + (column + 1) % num_columns
    below = np.concatenate([np.stack([a, a + num_columns, b + num_columns], 1)[row < num_rows - 1]])
    above = np.stack([a, b + num_columns, b], 1)[row > 0]
    return vertices, np.concatenate([below, above])


def write(path: Path, mesh: Mesh) -> Path:
    vertices, faces = mesh
    lines = [f"v {x:.9g} {y:.9g} {z:.9g}" for x, y, z in vertices]
    lines += [f"f {a} {b} {c}" for a, b, c in faces + 1]
    path.write_text("\n".join(lines) + "\n")
    return path
