"""The scene of one object: a mesh, a material and cameras, with no scene file."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse import backend
from envmap_inverse.backend import mi
from envmap_inverse.backend.exclusive import exclusive
from envmap_inverse.errors import InputError, MissingFileError, check_path
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.materials import material as named_bsdf
from envmap_inverse.scene.mesh_checks import has_normals, mesh_shape
from envmap_inverse.scene.scene import Scene, load_scene
from envmap_inverse.scene.viewpoints import Box, Viewpoint, is_inside

__all__ = ["MeshScene", "load_mesh"]

NAME = "object"
"""Id of the mesh in the scene."""

MAX_DEPTH, MAX_DEPTH_CLEAR = 6, 12
"""Path lengths: light that an opaque object reflects so often has faded."""

CREASE = math.cos(math.radians(30))
"""Cosine from a face to the mean of it and its neighbours from which an edge is meant as one."""


@dataclass(kw_only=True)
class MeshScene:
    """What a scene is made of, and the scene once it is loaded.

    Attributes:
        described: the scene as a Mitsuba dictionary, without map and sensors.
        scene: the scene.
        has_flat_faces: whether the mesh, for want of normals, is shaded flat.
        cameras: that `stand` put up.
    """

    described: dict[str, Any]
    scene: Scene
    has_flat_faces: bool
    cameras: tuple[Camera, ...] = ()

    @classmethod
    def load(
        cls,
        path: Path,
        bsdf: Mapping[str, Any],
        map_size: tuple[int, int],
        viewpoints: Sequence[Viewpoint] = (),
    ) -> MeshScene:
        """Load a mesh file, with an unknown map around it.

        A mesh without normals is smooth, unless most of its surface is beside edges of about 60
        degrees or more.

        Args:
            path: file of the mesh.
            bsdf: its material.
            map_size: (width, height) of the map in texels.
            viewpoints: from which it will be seen, which say what is up; without them +y is.

        Raises:
            InputError: if it is no mesh, or has no faces or impossible ones, or the viewpoints do
                not have the same direction up.
            FileNotFoundError: if there is no such file.
        """
        if not path.is_file():
            raise MissingFileError(f"{path}: no such mesh file")
        shape = mesh_shape(path.resolve()) | _upright(viewpoints)
        is_clear = "dielectric" in str(bsdf["type"])
        depth = MAX_DEPTH_CLEAR if is_clear else MAX_DEPTH
        described: dict[str, Any] = {
            "type": "scene",
            "integrator": {"type": "path", "max_depth": depth},
            NAME: {**shape, "bsdf": dict(bsdf)},
        }
        scene = _loaded(path, described, map_size)
        has_flat_faces = not has_normals(path) and _has_creases(scene)
        if has_flat_faces:
            described[NAME]["face_normals"] = True
            scene = _loaded(path, described, map_size)
        return cls(described=described, scene=scene, has_flat_faces=has_flat_faces)

    def stand(
        self,
        viewpoints: Sequence[Viewpoint],
        names: Sequence[str],
        sizes: Sequence[tuple[int, int]],
        boxes: Sequence[Box | None],
    ) -> tuple[Camera, ...]:
        """Put up a camera for each viewpoint, as sensors of the scene.

        Args:
            viewpoints: of the cameras.
            names: of the cameras.
            sizes: (width, height) of their pictures.
            boxes: the parts of the pictures that the object fills, where they are known.

        Raises:
            InputError: if the object is not in a picture, or a camera is inside it.
        """
        vertices, faces, _ = _surface(self.scene)
        for place in (viewpoint.place for viewpoint in viewpoints):
            if place is not None and is_inside(place, vertices, faces):
                raise InputError("the camera is inside the object; move its origin away")
        seen = vertices[np.unique(faces)]
        cameras = tuple(
            viewpoint.camera(name, size, seen, box)
            for viewpoint, name, size, box in zip(viewpoints, names, sizes, boxes, strict=True)
        )
        self.scene.set_sensors(cameras)
        self.cameras = cameras
        return cameras

    @property
    def num_faces(self) -> int:
        """Triangles of the mesh."""
        return len(_surface(self.scene)[1])


@exclusive
def load_mesh(
    path: str | Path,
    *,
    camera: Viewpoint,
    size: tuple[int, int],
    material: str | Mapping[str, Any] = "grey-diffuse",
    envmap: tuple[int, int] = (256, 128),
    variant: str | None = None,
) -> Scene:
    r"""Make a scene of a mesh, a material and a camera, lit by an unknown map.

    Args:
        path: a mesh: OBJ, PLY or Mitsuba's serialized format, in any units.
        camera: where the camera is. The map's zenith is the camera's `up`.
        size: (width, height) of the picture.
        material: a name (`envmap-inverse materials` lists them), or a BSDF as a Mitsuba dictionary.
        envmap: (width, height) of the map in texels.
        variant: see `load_scene`.

    Returns:
        The scene. `Scene.set_sensors` puts up other cameras.

    Raises:
        InputError: if the file is no mesh or has no faces, there is no such material, or the
            object is not in the picture.
        FileNotFoundError: if there is no such file.

    Example:
        >>> with open("tile.obj", "w") as file:
        ...     _ = file.write("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
        >>> camera = ei.Viewpoint(fov=40, azimuth=20)
        >>> scene = ei.load_mesh("tile.obj", material="chrome", camera=camera, size=(8, 6))
        >>> scene.film_size()
        (8, 6)
    """
    backend.select_variant(variant)
    bsdf = named_bsdf(material) if isinstance(material, str) else material
    made = MeshScene.load(check_path(path), bsdf, envmap, [camera])
    made.stand([camera], ["camera"], [size], [None])
    return made.scene


def _upright(viewpoints: Sequence[Viewpoint]) -> dict[str, Any]:
    """How a shape is turned for these viewpoints."""
    turns = [viewpoint.upright for viewpoint in viewpoints]
    if any(not np.allclose(turn, turns[0]) for turn in turns):
        raise InputError("the cameras have different directions up; the object has one")
    if not turns or np.allclose(turns[0], np.eye(3)):
        return {}
    matrix = np.eye(4)
    matrix[:3, :3] = turns[0]
    return {"to_world": mi.ScalarTransform4f(matrix)}


def _loaded(path: Path, described: Mapping[str, Any], map_size: tuple[int, int]) -> Scene:
    try:
        return load_scene(described, envmap=map_size)
    except InputError as error:
        words = str(error).removeprefix("the dictionary: ")
        raise InputError(words if words.startswith(str(path)) else f"{path}: {words}") from None


def _surface(scene: Scene) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Vertices (n, 3), faces (m, 3) and vertex normals (n, 3) of the object."""
    params = mi.traverse(scene.mi_scene)
    vertices, faces, normals = (
        np.array(params[f"{NAME}.{key}"]).reshape(-1, 3)
        for key in ("vertex_positions", "faces", "vertex_normals")
    )
    return vertices.astype(np.float64), faces, normals.astype(np.float64)


def _has_creases(scene: Scene) -> bool:
    """Whether most of a mesh is beside edges that smooth normals would round off."""
    vertices, faces, normals = _surface(scene)
    corners = vertices[faces]
    across = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(across, axis=1)
    cosines = np.einsum("fci,fi->fc", normals[faces], across / np.maximum(area, 1e-30)[:, None])
    return bool(area[(cosines < CREASE).any(axis=1)].sum() > area.sum() / 2)
