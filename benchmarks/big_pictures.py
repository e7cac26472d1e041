"""Cost of big pictures of small objects, beside crops of them that were made by hand.

Printed by `python -m benchmarks --only big-pictures`.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

import envmap_inverse as ei
from benchmarks.methods import bundled_case
from benchmarks.settings import Settings
from benchmarks.tables import Table
from envmap_inverse.bundled import bunny, map_file
from envmap_inverse.images import tonemap, write_image
from envmap_inverse.metrics import log_rmse
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor
from envmap_inverse.scene.cameras import Camera
from envmap_inverse.scene.xml_writing import scene_xml
from envmap_inverse.sphere.circles import Circle
from envmap_inverse.sphere.latlong import resample

SIZE, LARGE = (1500, 1000), (4000, 3000)
BALL = Circle(x=633.2, y=541.7, radius=71.0)
EXPOSURES = (1.0, 0.25, 0.0625)

_RUN = """
import json, os, subprocess, sys, time
start = time.perf_counter()
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
_, status, usage = os.wait4(child.pid, 0)
seconds = time.perf_counter() - start, usage.ru_utime + usage.ru_stime
print(json.dumps([status, *seconds, usage.ru_maxrss * 1024]))
"""
"""Run by a small process, as the peak of a child counts from the size of its parent. The child's
seconds and peak are those of its own children, too."""

Array = NDArray[np.float32]


def big_pictures(settings: Settings) -> Table:
    """Seconds, memory and error with big pictures, and their ratios to those of a crop."""
    return Table(
        name="big-pictures",
        title="Big pictures, small objects",
        note=f"Whole commands: on a bracket of three pictures of {SIZE[0]} x {SIZE[1]} with a "
        f"mirror ball of {BALL.radius:g} pixels radius, on crops of these round the ball that "
        f"were made by hand, and on one JPEG of {LARGE[0]} x {LARGE[1]}. Ratios are to the first "
        "crop. Before black nothing is masked, and the integrator hides the map from the camera.",
        columns={
            "pictures": "",
            "s": ".1f",
            "core s": ".1f",
            "peak MB": ".0f",
            "log RMSE": ".3f",
            "s / crop": "",
            "core s / crop": "",
            "MB / crop": "",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    with tempfile.TemporaryDirectory() as name:
        folder, turns = Path(name), range(settings.repeats(1, 3))
        commands = _commands(folder)
        _measured(next(iter(commands.values())), folder)  # compiles the kernels
        base: NDArray[np.float64] | None = None
        for kind, command in commands.items():
            found = np.median([_measured(command, folder) for _ in turns], axis=0)
            base = found if base is None else base
            yield kind, *found, *(f"{ratio:.2f}" for ratio in (found / base)[:3])
        large = folder / "large.jpg"
        _write_large(large)
        yield "12 megapixels", *_measured(["estimate", bunny(), large], folder), "", "", ""


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """A scene's file, pictures of it, and perhaps their mask."""

    scene: Path
    pictures: list[Path]
    mask: Path | None = None

    @property
    def command(self) -> list[Any]:
        """The command that estimates the map."""
        masked = [] if self.mask is None else ["--mask", self.mask]
        exposures = ",".join(map(str, EXPOSURES))
        return ["estimate", self.scene, *self.pictures, *masked, "--exposure", exposures]


def _commands(folder: Path) -> dict[str, list[Any]]:
    """Write scenes and pictures of the ball; return the commands to compare."""
    shot = BallShot.of_whole_picture(SIZE, BALL, 1.2 * SIZE[0])
    window, light = shot.window, ei.read_image(map_file("museum"))
    camera = shot.camera("camera")
    scene = ei.load_scene(ball_scene(conductor("0.9")), envmap=(light.shape[1], light.shape[0]))
    scene.set_sensors([camera])
    scene.set_envmap(light)
    shown = ei.render(scene, spp=64)
    x, y = camera.principal_point
    whole = replace(
        camera, width=SIZE[0], height=SIZE[1], principal_point=(x + window.x, y + window.y)
    )
    black, before_room, mask = np.zeros((3, SIZE[1], SIZE[0], 3), np.float32)
    room = resample(light, *SIZE[::-1]).astype(np.float32)
    counts = shot.mask()[:, :, None]
    window.of(black)[:] = shown
    window.of(mask)[:] = counts
    before_room[:] = np.where(black.any(axis=2, keepdims=True), black, room)

    def kind(name: str, camera: Camera, image: Array, mask: Array | None = None) -> _Kind:
        path = folder / f"{name}.xml"
        path.write_text(scene_xml(ball_scene(conductor("0.9")), [camera]))
        pictures = [folder / f"{name}{number}.png" for number in range(len(EXPOSURES))]
        for picture, exposure in zip(pictures, EXPOSURES, strict=True):
            write_image(picture, exposure * image)
        if mask is not None:
            write_image(folder / f"{name}-mask.png", mask)
        return _Kind(
            scene=path,
            pictures=pictures,
            mask=None if mask is None else folder / f"{name}-mask.png",
        )

    masked = kind("whole", whole, before_room, mask)
    fov, circle = 2 * np.degrees(np.arctan(1 / 2.4)), f"{BALL.x},{BALL.y},{BALL.radius}"
    ball = ["ball", *masked.pictures, "--fov", fov, "--circle", circle]
    return {
        "crop": kind("crop", camera, window.of(before_room), window.of(mask)).command,
        "whole, masked": masked.command,
        "whole, ball command": [*ball, "--exposure", ",".join(map(str, EXPOSURES))],
        "crop before black": kind("black-crop", camera, window.of(black)).command,
        "whole before black": kind("black", whole, black).command,
    }


def _write_large(path: Path) -> None:
    """Write a JPEG of the bunny with so many pixels."""
    case = bundled_case(1000)
    case.scene.set_film_size((LARGE[0] // 4, LARGE[1] // 4))
    picture = ei.render(case.scene, spp=64)
    Image.fromarray(tonemap(picture)).resize(LARGE, Image.Resampling.BICUBIC).save(path, quality=92)


def _measured(command: list[Any], folder: Path) -> tuple[float, float, float, float]:
    """Seconds, seconds of all cores, most megabytes resident, and error of a command."""
    output = folder / "run"
    words = [*command, "-o", output, "--overwrite", "-q"]
    done = subprocess.run(
        [sys.executable, "-c", _RUN, *map(str, (sys.executable, "-m", "envmap_inverse", *words))],
        stdout=subprocess.PIPE,
        check=True,
    )
    status, seconds, of_cores, peak = json.loads(done.stdout)
    if status:
        raise RuntimeError(" ".join(map(str, words)))
    found = ei.read_image(output / "envmap.exr")
    truth = resample(ei.read_image(map_file("museum")), *found.shape[:2])
    return seconds, of_cores, peak / 1e6, log_rmse(found, truth)
