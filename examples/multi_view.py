"""Recover the light round a copper bunny from its front, from its back, and from both.

    python examples/multi_view.py [--size 256] [-o multi-view-example]

A mirror shows almost the whole sphere, but what is behind it only at grazing angles and squeezed
into a few pixels. A second picture, from the other side, sees that part best.
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images, metrics
from envmap_inverse.bundled import bundled_scene

parser = argparse.ArgumentParser(description="Recover the light from two pictures.")
parser.add_argument("--size", type=int, default=384, help="width and height of each picture")
parser.add_argument("-o", "--output", type=Path, default=Path("multi-view-example"), help="folder")
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)


def camera(name: str, side: float) -> ei.Camera:
    """A camera that looks at the bunny along the z axis: from its front (1) or its back (-1)."""
    return ei.Camera(
        name=name,
        width=options.size,
        height=options.size,
        focal_lengths=(options.size, options.size),
        principal_point=(options.size / 2, options.size / 2),
        to_world=np.array([[side, 0, 0, 0], [0, 1, 0, 0], [0, 0, side, 2.6 * side], [0, 0, 0, 1]]),
    )


scene = bundled_scene("bunny", "mirror")
scene.set_sensors([camera("front", 1), camera("back", -1)])
truth = scene.envmap.texels
front, back = (ei.View(ei.render(scene, spp=64, seed=1 + k, sensor=k), sensor=k) for k in (0, 1))

exposure = images.display_exposure(truth)
pictures = {"front": front.image * exposure, "back": back.image * exposure}
pictures["envmap-true"] = truth * exposure
errors = {}
for name, views in {"front": [front], "back": [back], "both": [front, back]}.items():
    result = ei.estimate(scene, views, optimizer=ei.Transport())
    errors[name] = metrics.log_rmse(result.texels, truth)
    rmse = metrics.rmse(result.texels, truth)
    print(f"{name:>5}: log RMSE over the whole sphere {errors[name]:.3f}, RMSE {rmse:.3f}")
    pictures[f"envmap-{name}"] = result.texels * exposure
    pictures[f"coverage-{name}"] = result.coverage * images.display_exposure(result.coverage)
ratio = errors["both"] / min(errors["front"], errors["back"])
print(f"Both have {ratio:.2f} times the log RMSE of the better one.")
for name, picture in pictures.items():
    images.write_image(options.output / f"{name}.png", picture)
