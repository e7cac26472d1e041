"""Build `scenes/samples`: a bracket of a chrome ball as a simulated camera takes it.

    python scenes/build_samples.py

The light is `maps/windows.exr`. The camera has a curve of its own, noise, JPEG compression and EXIF
data; see `benchmarks/simulated_camera.py`.
"""

import sys
from fractions import Fraction
from pathlib import Path

import numpy as np

SCENES = Path(__file__).parent
sys.path.insert(0, str(SCENES.parent))

import envmap_inverse as ei  # noqa: E402
from benchmarks.simulated_camera import SimulatedCamera, film  # noqa: E402
from envmap_inverse.scene.ball import BallShot, ball_scene, conductor  # noqa: E402
from envmap_inverse.sphere.circles import Circle  # noqa: E402

SIZE, DISTANCE = (320, 240), 12.0
BALL = Circle(x=163.0, y=119.0, radius=98.0)
TIMES = ("1/30", "1/125", "1/500")
UNCLIPPED = 0.6
"""Share of the pixels that the longest exposure does not clip."""


def main() -> None:
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
    for path in camera.bracket(radiance, longest, SCENES / "samples" / "ball", seed=1):
        print(path.name, path.stat().st_size, "bytes")  # noqa: T201


if __name__ == "__main__":
    main()
