"""The option --cameras, and which camera took which picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from envmap_inverse.console.meshes import MeshChoice
from envmap_inverse.console.options import panelled
from envmap_inverse.console.pictures import Reading, read_views
from envmap_inverse.console.shots import Shots, parse_sensors
from envmap_inverse.errors import Faults
from envmap_inverse.problem.view import View
from envmap_inverse.scene.camera_files import SOURCES, read_cameras
from envmap_inverse.scene.cameras import Camera, match_cameras
from envmap_inverse.scene.scene import Scene

__all__ = ["Cameras", "choose_sensors", "read_taken", "take_cameras"]

Cameras = Annotated[
    Path | None,
    panelled(
        "Pictures",
        metavar="FILE|DIR",
        help=f"Cameras in place of the scene's sensors: {' or '.join(s.name for s in SOURCES)}.",
    ),
]


def take_cameras(scene: Scene, path: Path | None) -> tuple[Camera, ...]:
    """Replace the scene's sensors by the cameras of a file, if one is given, and return those."""
    cameras = () if path is None else read_cameras(path)
    if cameras:
        scene.set_sensors(cameras)
    return cameras


def choose_sensors(
    scene: Scene, cameras: Path | None, sensor: str | None, pictures: Sequence[Path]
) -> list[int]:
    """Choose the sensor of each picture, by --sensor or by the picture's name."""
    taken = take_cameras(scene, cameras)
    if taken and sensor is None:
        return match_cameras(taken, pictures)
    return parse_sensors(sensor, len(pictures), scene.num_sensors)


def read_taken(
    faults: Faults,
    scene: Scene,
    shots: Shots,
    reading: Reading,
    cameras: Path | None,
    mesh: MeshChoice | None,
    *,
    is_readable: bool,
) -> list[View]:
    """Choose the sensor of each picture, and read the pictures.

    Args:
        faults: keeps what is wrong.
        scene: its sensors took the pictures.
        shots: the pictures.
        reading: how they are read.
        cameras: file of cameras that take the place of the scene's sensors.
        mesh: the mesh in place of a scene, whose viewpoints are the sensors.
        is_readable: whether the files can be read.

    Raises:
        InputError: if anything is wrong; reports all faults.
    """
    sensors: list[int] | None = None
    has_viewpoints = mesh is not None and bool(mesh.viewpoints)
    if mesh is not None and has_viewpoints:
        sensors = faults.attempt(mesh.sensors, shots.sensor, len(shots.pictures))
    elif is_readable or cameras is None:
        sensors = faults.attempt(choose_sensors, scene, cameras, shots.sensor, shots.pictures)
    if not (is_readable and shots.is_whole and sensors):
        faults.report()
    found = sensors or []
    return faults.need(
        read_views,
        shots.pictures,
        found,
        masks=shots.masks,
        exposures=shots.exposures,
        reading=reading,
        sizes=None if has_viewpoints else shots.sizes(scene, found),
    )
