"""Follow the sun as it crosses a room, in 48 frames of a copper bunny.

    python examples/sun_crossing.py [--size 128] [--frames 48] [-o sun-crossing-example]

The frames are rendered from the room's map with a sun that is turned and dimmed towards the ends.
`frames/` holds them; `envmap-inverse estimate SCENE frames -o run --sequence` would do the same as
the second half, and leave a report with curves of the lights.
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images
from envmap_inverse.bundled import bundled_scene, map_file
from envmap_inverse.metrics import log_rmse
from envmap_inverse.sphere.latlong import texel_directions

NEAR = np.cos(np.radians(8))
"""Cosine of the angle up to which a lamp of a map is the sun, or a part of it."""

parser = argparse.ArgumentParser(description="Follow the sun as it crosses a room.")
parser.add_argument("--size", type=int, default=128, help="width and height of the frames")
parser.add_argument("--frames", type=int, default=48, help="number of frames")
parser.add_argument(
    "-o", "--output", type=Path, default=Path("sun-crossing-example"), help="folder"
)
options = parser.parse_args()
(options.output / "frames").mkdir(parents=True, exist_ok=True)

scene = bundled_scene("bunny", "mirror")
scene.set_film_size(options.size)
room = images.read_image(map_file("windows"))
directions = texel_directions(*room.shape[:2])


def sun_at(time: float) -> np.ndarray:
    """Unit vector towards the sun at a time from 0 (sunrise) to 1 (sunset)."""
    azimuth = np.radians(120 * time - 60)
    elevation = np.radians(15 + 40 * np.sin(np.pi * time))
    flat = np.cos(elevation)
    return np.array([flat * np.sin(azimuth), np.sin(elevation), flat * np.cos(azimuth)])


def lit_room(time: float) -> np.ndarray:
    """The room with the sun that it has then."""
    height = np.sin(np.pi * time)
    disc = directions @ sun_at(time) > np.cos(np.radians(3))
    colour = np.float32([1, 0.7 + 0.2 * height, 0.35 + 0.4 * height])
    return room + (150 * (0.2 + height) * room.mean()) * disc[:, :, None] * colour


times = np.linspace(0, 1, options.frames)
maps = [lit_room(time) for time in times]
frames = []
for number, texels in enumerate(maps):
    frames.append(ei.render(scene, texels, spp=64, seed=number))
    images.write_image(options.output / "frames" / f"frame_{number + 1:02d}.exr", frames[-1])

seconds, found = [], []
for number, result in enumerate(ei.estimate_sequence(scene, frames)):
    found.append(result.texels)
    seconds.append(result.seconds)
    sun = sun_at(times[number])
    parts = [lamp for lamp in ei.find_lamps(result).lamps if lamp.direction @ sun > NEAR]
    light = [lamp.irradiance.mean() for lamp in parts]
    where = "not found"
    if parts:
        centre = np.average([lamp.direction for lamp in parts], axis=0, weights=light)
        off = np.degrees(np.arccos(min(centre @ sun / np.linalg.norm(centre), 1)))
        where = f"{off:.1f} degrees off, irradiance {sum(light):.2f}"
    error = log_rmse(result.texels, maps[number])
    print(f"frame {number + 1:2d}: sun {where}, log RMSE {error:.3f}")
print(f"first frame {seconds[0]:.2f} s, each of the others {np.mean(seconds[1:]):.3f} s")

exposure = images.display_exposure(frames[0])
last = options.frames // 2
images.write_image(options.output / "photo.png", exposure * frames[last])
images.write_image(options.output / "envmap.png", exposure * found[last])
images.write_image(options.output / "envmap-true.png", exposure * maps[last])
