"""The option --cameras."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from envmap_inverse.console.options import panelled
from envmap_inverse.console.shots import parse_sensors
from envmap_inverse.scene.camera_files import SOURCES, read_cameras
from envmap_inverse.scene.cameras import Camera, match_cameras
from envmap_inverse.scene.scene import Scene

__all__ = ["Cameras", "choose_sensors", "take_cameras"]

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
