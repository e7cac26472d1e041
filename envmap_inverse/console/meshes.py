"""The options that make a scene of a mesh: what it is made of, and where the camera is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from envmap_inverse import backend
from envmap_inverse.console.focal_lengths import exif_focal_length
from envmap_inverse.console.options import make_fields, panelled
from envmap_inverse.console.output import tell
from envmap_inverse.console.shots import parse_sensors
from envmap_inverse.errors import Faults, InputError, counted
from envmap_inverse.problem.view import View
from envmap_inverse.scene.materials import Finish, material
from envmap_inverse.scene.mesh_checks import is_mesh
from envmap_inverse.scene.meshes import MeshScene
from envmap_inverse.scene.viewpoints import Box, Viewpoint
from envmap_inverse.scene.xml_writing import scene_xml
from envmap_inverse.solving import layout
from envmap_inverse.system.writing import write_bytes

__all__ = [
    "CameraSpecs",
    "MaterialSpec",
    "MeshChoice",
    "SaveScene",
    "make_material",
    "save_scene_of",
]

MaterialSpec = Annotated[
    str | None,
    panelled(
        "Scene",
        "--material",
        metavar="NAME[:key=value,...]",
        help="What a mesh in place of a scene is made of: chrome, white-plastic, ... "
        "('envmap-inverse materials' lists them).",
    ),
]
CameraSpecs = Annotated[
    list[str] | None,
    panelled(
        "Scene",
        "--camera",
        metavar="fov:DEG[,key=value,...]|exif[:key=value,...]",
        help="Camera of a mesh: its horizontal field of view, or EXIF's, the default. From +z "
        "(up=z: from -y), it sees the mesh fill the picture or its mask, turned by azimuth and "
        "elevation in degrees; or it is at origin=X/Y/Z, looks at target=X/Y/Z. Once, or for each "
        "picture.",
    ),
]
SaveScene = Annotated[
    bool,
    panelled("Output", "--save-scene", help="Also write the scene that is made of a mesh, as XML."),
]


EXIF = "exif"
"""Value of --camera that takes the field of view from the picture."""

UNKNOWN_FOV = 45.0
"""Degrees that stand for a field of view until the picture is read."""


@dataclass(frozen=True, kw_only=True)
class MeshChoice:
    """A mesh in place of a scene, as a command line describes it.

    Attributes:
        name: of its material.
        bsdf: its material.
        viewpoints: of the cameras; empty if a file has them.
        by_exif: the numbers of those whose field of view the pictures say.
    """

    name: str
    bsdf: dict[str, Any]
    viewpoints: list[Viewpoint]
    by_exif: frozenset[int]

    @classmethod
    def parse(
        cls,
        faults: Faults,
        path: Path | None,
        named: str | None,
        camera: Sequence[str] | None,
        cameras: Path | None,
        save_scene: bool,
    ) -> MeshChoice | None:
        """Parse --material and --camera for a scene's file; None if it is no mesh.

        `faults` keeps what is wrong, and what is missing.
        """
        if path is None or not is_mesh(path):
            for option, value in {"--material": named, "--camera": camera}.items():
                if value:
                    faults.keep(InputError(f"{option}: a scene file has its own; leave it out"))
            if save_scene:
                faults.keep(InputError("--save-scene: a scene file is there already; leave it out"))
            return None
        if cameras is not None and camera:
            faults.keep(InputError("--camera and --cameras: give one of them"))
        if named is None:
            faults.keep(
                InputError(
                    f"{path}: a mesh has no material; add --material NAME, e.g. --material chrome "
                    "('envmap-inverse materials' lists them)"
                )
            )
        bsdf = None if named is None else faults.attempt(make_material, named)
        specs = camera or (() if cameras else (EXIF,))
        found = [faults.attempt(_viewpoint, spec) for spec in specs]
        return cls(
            name=named or "",
            bsdf=bsdf or {"type": "diffuse"},
            viewpoints=[viewpoint for viewpoint in found if viewpoint is not None],
            by_exif=frozenset(k for k, spec in enumerate(specs) if _says_exif(spec)),
        )

    def load(self, path: Path, map_size: tuple[int, int]) -> MeshScene:
        """Load the mesh, with a map of (width, height) texels.

        Raises:
            InputError: if that fails.
        """
        backend.select_variant()
        return MeshScene.load(path, self.bsdf, map_size, self.viewpoints)

    def sensors(self, option: str | None, num_pictures: int) -> list[int]:
        """The viewpoint of each picture, by --sensor if it is given.

        Raises:
            InputError: if the numbers of both do not fit.
        """
        count = len(self.viewpoints)
        if option is None and count not in {1, num_pictures}:
            raise InputError(
                f"--camera has {counted(count, 'value')} for {counted(num_pictures, 'picture')}; "
                "give one, one for each, or say with --sensor which took which"
            )
        return parse_sensors(option, num_pictures, count)

    def stand(self, made: MeshScene, path: Path, views: Sequence[View]) -> None:
        """Put up the cameras of pictures, and print where.

        Args:
            made: the scene.
            path: of its mesh.
            views: their sensors are the numbers of viewpoints.

        Raises:
            InputError: if the object is not in a picture, a camera is inside it, or a picture's
                field of view is not known.
        """
        first = [
            next((view for view in views if view.sensor == number), views[0])
            for number in range(len(self.viewpoints))
        ]
        viewpoints = [self._with_fov(number, view) for number, view in enumerate(first)]
        try:
            cameras = made.stand(
                viewpoints,
                [Path(view.name).name for view in first],
                [(view.image.shape[1], view.image.shape[0]) for view in first],
                [_box(view) for view in first],
            )
        except InputError as error:
            raise InputError(f"--camera: {error}") from None
        shading = "; no normals: its faces are flat" if made.has_flat_faces else ""
        tell(f"{path}: {made.num_faces} faces of {self.name}{shading}")
        for camera, viewpoint, view in zip(cameras, self.viewpoints, first, strict=True):
            how = "given" if viewpoint.origin else "fills the mask" if _box(view) else "fills it"
            place = "/".join(f"{number:.4g}" for number in camera.to_world[:3, 3])
            tell(f"{camera.name}: camera at {place} ({how})")

    def _with_fov(self, number: int, view: View) -> Viewpoint:
        """A viewpoint with the field of view of a picture, if that says it; printed then."""
        viewpoint = self.viewpoints[number]
        if number not in self.by_exif:
            return viewpoint
        focal, why = exif_focal_length(view)
        if focal is None:
            raise InputError(
                f"{view.name}: the camera's field of view is not known ({why}); add --camera "
                "fov:DEG, the picture's horizontal field of view in degrees, or --cameras FILE"
            )
        fov = 2 * math.degrees(math.atan(view.image.shape[1] / 2 / focal))
        tell(f"{view.name}: field of view {fov:.1f} degrees, {why}")
        return replace(viewpoint, fov=fov)


def save_scene_of(folder: Path, made: MeshScene | None) -> None:
    """Write the scene that was made of a mesh, if there is one, as XML, and print where."""
    if made is None:
        return
    path = folder / layout.MESH_SCENE
    write_bytes(path, scene_xml(made.described, made.cameras).encode())
    tell(f"scene in {path}")


def make_material(spec: str) -> dict[str, Any]:
    """Make the BSDF that --material describes.

    Raises:
        InputError: if there is no such material, or a key is wrong.
    """
    name, _, keys = spec.partition(":")
    try:
        material(name)
        return material(name, make_fields(Finish, spec, keys))
    except InputError as error:
        raise InputError(f"--material {error}") from None


def _says_exif(spec: str) -> bool:
    return spec.partition(":")[0] == EXIF


def _viewpoint(spec: str) -> Viewpoint:
    """Parse --camera; the field of view of one by EXIF is set once there are pictures."""
    kind, _, rest = spec.partition(":")
    source = f"--camera {spec!r}"
    more: dict[str, float] = {}
    if kind == EXIF:
        if rest.startswith("fov=") or ",fov=" in rest:
            raise InputError(f"{source}: give fov:DEG or exif, not both")
        more = {"fov": UNKNOWN_FOV}
    elif kind == "fov" and rest:
        rest = f"fov={rest}"
    else:
        raise InputError(
            f"{source}: give fov:DEG[,key=value,...], e.g. fov:40,azimuth=30, or "
            "exif[:key=value,...]"
        )
    made: Viewpoint = make_fields(Viewpoint, source, rest, **more)
    return made


def _box(view: View) -> Box | None:
    """The part of a picture that its mask keeps; None if that is all of it."""
    rows, columns = (np.flatnonzero((view.mask > 0).any(axis=axis)) for axis in (1, 0))
    height, width = view.mask.shape
    if not len(rows) or (len(rows), len(columns)) == (height, width):
        return None
    return float(columns[0]), float(rows[0]), columns[-1] + 1.0, rows[-1] + 1.0
