"""Builds the binary files of the bundled scenes: a mesh by formula, the others from two packages.

    python scenes/build.py

writes `knot/knot.ply`, `bunny/bunny.ply`, `bunny/museum.exr` and `maps/*.exr` next to this script.
The bunny comes from the Debian package `glmark2-data`, the maps from the npm package
`@pmndrs/assets`. Each source file is checked against a SHA-256 digest, and building twice gives
identical bytes.

Needs `dpkg-deb`, and, unless both packages are given as files, `apt-get` and `npm`.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import resample

SCENES = Path(__file__).resolve().parent
HEIGHT, WIDTH = 125, 250
RINGING_RADIUS = 3

MESH_PACKAGE = "glmark2-data"
MESH_MEMBER = "usr/share/glmark2/models/bunny.obj"
MESH_DIGEST = "bff773d28c62e80187b2dfa8c6c8cc771a4c7707ddcdcf2e515913d322d1f548"
MAPS_PACKAGE = "@pmndrs/assets@1.7.0"


@dataclass(frozen=True)
class MapSource:
    """One map to build.

    Attributes:
        target: file to write, relative to this script.
        name: name of the map in the npm package.
        digest: SHA-256 of the packed EXR file.
        roll: number of source columns by which the map is moved to the right.
        scale: factor on the radiance.
    """

    target: str
    name: str
    digest: str
    roll: int = 0
    scale: float = 1.0


MAPS = (
    # Moved so that the stairs, the glass front and a corner of the green wall are behind the bunny,
    # and halved so that the picture is well exposed without tone mapping.
    MapSource(
        "bunny/museum.exr",
        "lobby",
        "55b54fc7b4efc5e9fef27529208d4abe9614839307f40490b135ce75aa08b72c",
        roll=53,
        scale=0.5,
    ),
    MapSource(
        "maps/windows.exr",
        "apartment",
        "31c62c03b5686b3d899071070ec1bfc760a3ddc1e6a05915ebc28102fef2fb1c",
    ),
    MapSource(
        "maps/lamps.exr", "hall", "205a84e0108d40fb207e077db9bc68a15f329a8af8ee1f82c28524e967963b81"
    ),
    MapSource(
        "maps/sun.exr", "sky", "a72412700b91a49080a582420476d2ab9a1e8fd181031f4ae7ec5e2596addc2a"
    ),
)


def main() -> None:
    """Builds everything that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--glmark2-deb", type=Path, help="the glmark2-data package (default: apt-get download)"
    )
    parser.add_argument(
        "--pmndrs-tgz", type=Path, help="the @pmndrs/assets package (default: npm pack)"
    )
    arguments = parser.parse_args()
    build_knot(SCENES / "knot" / "knot.ply")
    _report(SCENES / "knot" / "knot.ply")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        mesh_package = arguments.glmark2_deb or _download(
            work / "apt", ["apt-get", "download", MESH_PACKAGE], "*.deb"
        )
        maps_package = arguments.pmndrs_tgz or _download(
            work / "npm", ["npm", "pack", "--silent", MAPS_PACKAGE], "*.tgz"
        )
        build_mesh(mesh_package, work / "deb", SCENES / "bunny" / "bunny.ply")
        build_maps(maps_package, work)


def build_knot(target: Path) -> None:
    """Writes a trefoil knot: a tube round a curve that winds 3 times through a torus's hole.

    Args:
        target: PLY file to write.
    """
    vertices, normals, faces = torus_knot(windings=(2, 3), segments=(224, 24))
    # Rounded, so that the last bit of another machine's sine changes no byte; + 0 makes -0 a 0.
    vertices, normals = (np.round(values, 6) + 0.0 for values in (vertices, normals))
    write_ply(target, vertices, normals, faces, comment="torus knot (2, 3), envmap_inverse, MIT")


def build_mesh(package: Path, folder: Path, target: Path) -> None:
    """Writes the bunny with smooth normals.

    Args:
        package: the Debian package.
        folder: folder to unpack it in.
        target: PLY file to write.

    Raises:
        ValueError: if the package holds a different mesh.
    """
    subprocess.run(["dpkg-deb", "-x", str(package), str(folder)], check=True)
    data = (folder / MESH_MEMBER).read_bytes()
    _check_digest(data, MESH_DIGEST, MESH_MEMBER)
    vertices, faces = parse_obj(data.decode("ascii"))
    vertices = normalise(vertices)
    comment = "Stanford bunny, Stanford 3D Scanning Repository"
    write_ply(target, vertices, vertex_normals(vertices, faces), faces, comment=comment)
    _report(target)


def build_maps(package: Path, folder: Path) -> None:
    """Writes all maps.

    Args:
        package: the npm package.
        folder: folder for temporary files.

    Raises:
        ValueError: if the package holds different maps.
    """
    with tarfile.open(package) as archive:
        for source in MAPS:
            texels = _read_packed_exr(archive, source, folder)
            texels = remove_negative_ringing(np.roll(texels, source.roll, axis=1) * source.scale)
            target = SCENES / source.target
            write_exr(target, resample(texels, HEIGHT, WIDTH, rows="centred"))
            _report(target)


def torus_knot(
    *,
    windings: tuple[int, int],
    segments: tuple[int, int],
    radii: tuple[float, float, float] = (0.62, 0.3, 0.2),
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.int32]]:
    """A tube round a curve on a torus whose axis is z.

    The curve is ((R + r cos b) cos a, (R + r cos b) sin a, r sin b) with a = p t and b = q t. It
    lies on the torus, whose normal is therefore at right angles to the curve and spans the tube's
    cross-section together with the cross product of both.

    Args:
        windings: (p, q): times round the axis, times through the hole; without a common divisor.
        segments: along the curve, round the tube.
        radii: R of the torus, r of the torus, of the tube.

    Returns:
        Vertices (V, 3), their unit normals (V, 3), and triangles (F, 3), counter-clockwise seen
        from outside.
    """
    along, around = segments
    torus, ring, tube = radii
    t = np.arange(along) * (2 * np.pi / along)
    a, b = windings[0] * t, windings[1] * t
    outward = np.stack([np.cos(a), np.sin(a), 0 * a], axis=1)
    forward = np.stack([-np.sin(a), np.cos(a), 0 * a], axis=1)
    up = np.array([0.0, 0.0, 1.0])
    normal = np.cos(b)[:, None] * outward + np.sin(b)[:, None] * up
    turning = np.cos(b)[:, None] * up - np.sin(b)[:, None] * outward
    distance = (torus + ring * np.cos(b))[:, None]
    tangent = _unit(windings[0] * distance * forward + windings[1] * ring * turning)
    side = np.cross(tangent, normal)
    angle = (np.arange(around) * (2 * np.pi / around))[None, :, None]
    normals = np.cos(angle) * normal[:, None] + np.sin(angle) * side[:, None]
    vertices = (torus * outward + ring * normal)[:, None] + tube * normals

    index = np.arange(along * around, dtype=np.int32).reshape(along, around)
    ahead, beside = np.roll(index, -1, axis=0), np.roll(index, -1, axis=1)
    across = np.roll(ahead, -1, axis=1)
    quads = np.stack([index, beside, across, ahead], axis=-1).reshape(-1, 4)
    faces = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return vertices.reshape(-1, 3), normals.reshape(-1, 3), faces


def parse_obj(text: str) -> tuple[NDArray[np.float64], NDArray[np.int32]]:
    """Reads the vertices and triangles of an OBJ file that has nothing else.

    Args:
        text: content of the file.

    Returns:
        Vertices, shape (V, 3), and zero-based triangles, shape (F, 3).
    """
    rows = [line.split() for line in text.splitlines()]
    vertices = np.array([row[1:] for row in rows if row[:1] == ["v"]], np.float64)
    faces = np.array([row[1:] for row in rows if row[:1] == ["f"]], np.int32) - 1
    return vertices, faces


def normalise(vertices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Moves the centre of the bounding box to the origin and scales the height (y) to 2.

    Args:
        vertices: shape (V, 3).

    Returns:
        Shape (V, 3); y spans [-1, 1].
    """
    low, high = vertices.min(axis=0), vertices.max(axis=0)
    return np.asarray((vertices - (low + high) / 2) * (2 / (high[1] - low[1])))


def vertex_normals(vertices: NDArray[np.float64], faces: NDArray[np.int32]) -> NDArray[np.float64]:
    """Smooth normals: mean of the adjacent face normals, weighted by the angle at the vertex.

    Args:
        vertices: shape (V, 3).
        faces: shape (F, 3), counter-clockwise seen from outside.

    Returns:
        Unit vectors, shape (V, 3), that point outwards.
    """
    corners = vertices[faces]
    face_normals = _unit(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]))
    normals = np.zeros_like(vertices)
    for corner in range(3):
        ahead = _unit(corners[:, (corner + 1) % 3] - corners[:, corner])
        back = _unit(corners[:, (corner + 2) % 3] - corners[:, corner])
        angle = np.arccos(np.clip(np.sum(ahead * back, axis=1), -1.0, 1.0))
        np.add.at(normals, faces[:, corner], angle[:, None] * face_normals)
    return _unit(normals)


def remove_negative_ringing(texels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Makes a map non-negative without changing how much light it holds.

    The packed maps were downsized with a filter that has negative lobes, so bright lamps are
    surrounded by negative texels. Clamping them would add light (a quarter more for a sun). Instead
    each negative texel is set to zero and what it lacks is taken from the positive texels of the
    window around it, in proportion to their light: mostly from the lamp that caused it. This is
    done before resampling, whose weights are not negative, so that no ring is spread first.

    Args:
        texels: shape (H, W, 3), centred rows.

    Returns:
        Shape (H, W, 3), not negative, with the same integral over the sphere.
    """
    edges = np.cos(np.linspace(0, np.pi, texels.shape[0] + 1))
    solid_angles = (edges[:-1] - edges[1:])[:, None, None]
    light = np.maximum(texels, 0.0) * solid_angles
    lack = np.maximum(-texels, 0.0) * solid_angles
    share = lack / np.maximum(_window_sum(light), np.finfo(np.float64).tiny)
    kept = np.maximum(1.0 - _window_sum(share), 0.0)
    return np.asarray(light * kept / solid_angles)


def write_ply(
    target: Path,
    vertices: NDArray[np.float64],
    normals: NDArray[np.float64],
    faces: NDArray[np.int32],
    *,
    comment: str,
) -> None:
    """Writes a binary little-endian PLY file.

    Args:
        target: file to write.
        vertices: shape (V, 3).
        normals: shape (V, 3).
        faces: shape (F, 3).
        comment: line of text to put into it.
    """
    header = [
        "ply",
        "format binary_little_endian 1.0",
        f"comment {comment}",
        f"element vertex {len(vertices)}",
        *(f"property float {name}" for name in ("x", "y", "z", "nx", "ny", "nz")),
        f"element face {len(faces)}",
        "property list uchar int vertex_indices",
        "end_header",
        "",
    ]
    records = np.zeros(len(faces), np.dtype([("count", "u1"), ("indices", "<i4", 3)]))
    records["count"] = 3
    records["indices"] = faces
    body = np.hstack([vertices, normals]).astype("<f4").tobytes() + records.tobytes()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes("\n".join(header).encode("ascii") + body)


def write_exr(target: Path, texels: NDArray[np.float64]) -> None:
    """Writes an RGB EXR file, half float, ZIP (lossless).

    Args:
        target: file to write.
        texels: shape (H, W, 3), within the range of half floats.

    Raises:
        ValueError: if a texel is negative or too large.
    """
    if texels.min() < 0 or texels.max() > np.finfo(np.float16).max:
        raise ValueError(f"{target.name}: texels span {texels.min()} to {texels.max()}")
    header = {"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}
    target.parent.mkdir(parents=True, exist_ok=True)
    with OpenEXR.File(header, {"RGB": np.ascontiguousarray(texels, np.float16)}) as file:
        file.write(str(target))


def _read_packed_exr(
    archive: tarfile.TarFile, source: MapSource, folder: Path
) -> NDArray[np.float64]:
    """Reads the EXR file that a JavaScript module of the npm package holds as base64."""
    member = archive.extractfile(f"package/hdri/{source.name}.exr.js")
    if member is None:
        raise ValueError(f"{source.name}: not a file")
    encoded = member.read().partition(b"base64,")[2].partition(b"'")[0]
    data = base64.b64decode(encoded, validate=True)
    _check_digest(data, source.digest, source.name)
    path = folder / f"{source.name}.exr"
    path.write_bytes(data)
    with OpenEXR.File(str(path)) as file:
        return np.asarray(file.channels()["RGB"].pixels, np.float64)


def _download(folder: Path, command: list[str], pattern: str) -> Path:
    """Runs a command that downloads one file into a folder; returns the file."""
    folder.mkdir()
    subprocess.run(command, cwd=folder, check=True, stdout=subprocess.DEVNULL)
    (path,) = folder.glob(pattern)
    return path


def _check_digest(data: bytes, expected: str, name: str) -> None:
    """Raises ValueError if the SHA-256 digest is not the expected one."""
    found = hashlib.sha256(data).hexdigest()
    if found != expected:
        raise ValueError(f"{name}: SHA-256 is {found}, expected {expected}")


def _unit(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Scales vectors, shape (N, 3), to length 1."""
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))


def _window_sum(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sum over the square window around each texel; columns are periodic, rows end at the poles."""
    radius = RINGING_RADIUS
    tall = np.pad(values, ((radius, radius), (0, 0), (0, 0)))
    padded = np.pad(tall, ((0, 0), (radius, radius), (0, 0)), mode="wrap")
    size = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(0, 1))
    return np.asarray(windows.sum(axis=(-2, -1)))


def _report(target: Path) -> None:
    """Says what was written."""
    sys.stdout.write(f"{target.relative_to(SCENES)}: {target.stat().st_size:,} bytes\n")


if __name__ == "__main__":
    main()
