"""Build `scenes/samples`: what a simulated camera takes of a chrome ball and of a knot.

    python scenes/build_samples.py

The light is `maps/windows.exr`. `ball` is a bracket of JPEG files by a camera with a curve of its
own, noise and EXIF data; `knot` has raw-like files of two views, linear and of 12 bits, with noise
and clipped, their cameras and masks, and the map under which they were taken. See
`benchmarks/simulated_camera.py`.
"""

import json
import math
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import OpenImageIO
from numpy.typing import NDArray

SCENES = Path(__file__).parent
sys.path.insert(0, str(SCENES.parent))

import envmap_inverse as ei  # noqa: E402
from benchmarks.simulated_camera import SimulatedCamera, film  # noqa: E402
from envmap_inverse.bundled import scene_file  # noqa: E402
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor  # noqa: E402
from envmap_inverse.sphere.circles import Circle  # noqa: E402
from envmap_inverse.sphere.latlong import resample  # noqa: E402

SIZE, DISTANCE = (320, 240), 12.0
BALL = Circle(x=163.0, y=119.0, radius=98.0)
TIMES = ("1/30", "1/125", "1/500")
UNCLIPPED = 0.6
"""Share of the pixels that the longest exposure does not clip."""

KNOT_SIZE, KNOT_FOV, KNOT_DISTANCE = (64, 48), 40.0, 3.6
VIEWS = {"front": 0.0, "side": 70.0}
"""Degrees about the vertical axis."""
TRUTH_SIZE = 31, 62
RAW_EXPOSURES = (1.0, 1 / 16)
FULL = 2**12 - 1
"""Largest value of a raw pixel."""


def build_ball() -> list[Path]:
    """Render the ball, and take its pictures."""
    shot = BallShot.at_distance(SIZE, BALL, DISTANCE)
    described = ball_scene(conductor("0.9"))
    described["integrator"]["hide_emitters"] = False
    truth = ei.read_image(SCENES / "maps" / "windows.exr")
    scene = ei.load_scene(described, envmap=(truth.shape[1], truth.shape[0]))
    scene.set_sensors([shot.camera("camera")])
    scene.envmap.write(truth)
    radiance = ei.render(scene, spp=256, seed=1)
    times = tuple((Fraction(time), float(Fraction(time))) for time in TIMES)
    camera = SimulatedCamera(curve=film, times=times, quality=90)
    longest = 1 / float(np.quantile(radiance.max(axis=2), UNCLIPPED))
    return camera.bracket(radiance, longest, SCENES / "samples" / "ball", seed=1)


def build_knot() -> list[Path]:
    """Render the knot from two sides, and take a bracket of each."""
    folder = SCENES / "samples" / "knot"
    folder.mkdir(parents=True, exist_ok=True)
    truth = resample(ei.read_image(SCENES / "maps" / "windows.exr"), *TRUTH_SIZE).astype(np.float32)
    ei.write_image(folder / "truth.exr", truth)
    scene = ei.load_scene(scene_file("knot"), envmap=TRUTH_SIZE[::-1])
    scene.envmap.write(truth)
    frames = [
        {"file_path": f"{name}_{shot}.png", "transform_matrix": _to_world(degrees).tolist()}
        for name, degrees in VIEWS.items()
        for shot in range(len(RAW_EXPOSURES))
    ]
    width, height = KNOT_SIZE
    shared = {"camera_angle_x": math.radians(KNOT_FOV), "w": width, "h": height}
    (folder / "transforms.json").write_text(
        json.dumps({**shared, "frames": frames}, indent=1) + "\n"
    )
    scene.set_sensors(ei.read_cameras(folder / "transforms.json"))
    camera = SimulatedCamera(curve=lambda light, _: light, times=(), electrons=8_000)
    random = np.random.default_rng(2)
    for number, name in enumerate(VIEWS):
        sensor = number * len(RAW_EXPOSURES)
        radiance = ei.render(scene, spp=1024, seed=3 + number, sensor=sensor)
        # Gold reflects less than all blue light; where all of it comes, the map itself is seen.
        ground = ei.render(scene, np.ones_like(truth), spp=64, sensor=sensor).min(axis=2) == 1
        ei.write_image(folder / f"{name}_mask.png", np.repeat(~ground[..., None], 3, axis=2))
        longest = 1 / float(np.quantile(radiance[~ground].max(axis=1), 0.9))
        for shot, exposure in enumerate(RAW_EXPOSURES):
            light = camera.light(longest * exposure * radiance, shot, random)
            _write_raw(folder / f"{name}_{shot}.png", light)
    return sorted(folder.iterdir())


def _to_world(degrees: float) -> NDArray[np.float64]:
    """A camera that looks at the origin; it looks along its -z."""
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    back = np.array([sine, 0, cosine])
    matrix = np.eye(4)
    matrix[:3] = np.stack([[cosine, 0, -sine], [0, 1, 0], back, KNOT_DISTANCE * back], axis=1)
    return matrix.round(6)


def _write_raw(path: Path, light: NDArray[np.floating]) -> None:
    """Write shares of a full pixel as linear PNG of 16 bits that holds 12."""
    values = np.round(FULL * light) * (65535 / FULL)
    height, width, _ = light.shape
    spec = OpenImageIO.ImageSpec(width, height, 3, "uint16")
    spec["oiio:ColorSpace"] = "linear"
    spec["png:compressionLevel"] = 9
    file = OpenImageIO.ImageOutput.create(str(path))
    file.open(str(path), spec)
    file.write_image(np.round(values).astype(np.uint16))
    file.close()


def main() -> None:
    """Build both folders."""
    for path in build_ball() + build_knot():
        print(path.name, path.stat().st_size, "bytes")  # noqa: T201


if __name__ == "__main__":
    main()
