"""Recover the light round a copper bunny from three unknown exposures of one view.

    python examples/bracketing.py [--size 256] [-o bracketing-example]

Each PNG holds 8 bits. What is white in one is exposed well in a darker one, so that the three
together give one HDR map, and how much longer each was exposed than the first.
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images, metrics
from envmap_inverse.bundled import bundled_scene

FACTORS = {"normal": 1.0, "dark": 0.25, "light": 4.0}

parser = argparse.ArgumentParser(description="Recover the light from bracketed pictures.")
parser.add_argument("--size", type=int, default=256, help="width and height of the pictures")
parser.add_argument("-o", "--output", type=Path, default=Path("bracketing-example"), help="folder")
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

scene = bundled_scene("bunny", "mirror")
scene.set_film_size(options.size)

# Three shots, each with noise of its own, cut to 8 bits. The first one's exposure is called 1, so
# that the map is found in its unit: the radiance that is white in it.
white_radiance = np.quantile(ei.render(scene, spp=64), 0.9)
truth = scene.envmap.texels / white_radiance
views = []
for seed, (name, factor) in enumerate(FACTORS.items(), start=1):
    photo = options.output / f"{name}.png"
    images.write_image(photo, factor * ei.render(scene, spp=64, seed=seed) / white_radiance)
    white, black = images.clipping_levels(photo)
    picture = images.read_image(photo)
    views.append(ei.View(picture, exposure="auto", white=white, black=black, name=name))
    print(f"{name}: {views[-1].clipped_share['over']:.1%} of the values are clipped")

maps = {"true": truth}
for name, chosen in {"normal": views[:1], "three": views}.items():
    result = ei.estimate(scene, chosen, optimizer=ei.Transport())
    maps[name] = result.texels
    found = ", ".join(f"{exposure:.3f}" for exposure in result.exposures.mean(axis=1))
    errors = f"log RMSE {metrics.log_rmse(maps[name], truth):.3f}"
    print(f"From {name}: exposures {found}; {errors}, RMSE {metrics.rmse(maps[name], truth):.3f}")

# Each map as it is and four stops darker, where the lamps show.
images.write_image(options.output / "envmap.exr", maps["three"])
for name, texels in maps.items():
    images.write_image(options.output / f"envmap-{name}.png", texels)
    images.write_image(options.output / f"envmap-{name}-dark.png", texels / 16)
