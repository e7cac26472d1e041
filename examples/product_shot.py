"""Recover the light of a room from a picture of a rough golden knot before a paper backdrop.

    python examples/product_shot.py [--size 256] [-o product-shot-example]

The knot is known (a CAD model), the blue paper is not. Without a mask the paper is mistaken for
light from far behind the knot; with one, only the knot tells of the light.
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images, metrics
from envmap_inverse.bundled import scene_file

parser = argparse.ArgumentParser(description="Recover the light from a product shot.")
parser.add_argument("--size", type=int, default=256, help="width and height of the picture")
parser.add_argument(
    "-o", "--output", type=Path, default=Path("product-shot-example"), help="folder"
)
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

model = ei.load_scene(scene_file("knot"))
model.set_film_size(options.size)
truth = model.envmap.texels

# Paths of one segment show the map alone: of a white one, the part of each pixel beside the knot.
map_alone = {"type": "path", "max_depth": 1}
backdrop = ei.render(model, np.ones_like(truth), spp=64, seed=1, integrator=map_alone)
paper = np.float32([0.1, 0.3, 0.9])
seen_map = ei.render(model, spp=64, seed=1, integrator=map_alone)
photo = ei.render(model, spp=64, seed=1) - seen_map + paper * backdrop
mask = backdrop[:, :, 0] == 0

exposure = images.display_exposure(photo)
maps = {"envmap-true": truth}
for name, view in {"unmasked": ei.View(photo), "masked": ei.View(photo, mask=mask)}.items():
    result = ei.estimate(model, view, optimizer=ei.Transport())
    maps[f"envmap-{name}"] = result.texels
    print(
        f"{name:>8}: mean colour angle {metrics.angular_error(result.texels, truth):.2f} "
        f"degrees, log RMSE {metrics.log_rmse(result.texels, truth):.3f}"
    )
images.write_image(options.output / "photo.png", exposure * photo)
images.write_image(options.output / "mask.png", np.repeat(mask[:, :, None], 3, axis=2))
for name, texels in maps.items():
    images.write_image(options.output / f"{name}.png", exposure * texels)
