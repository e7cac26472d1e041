"""Recover the light round a chrome ball and a grey ball from one clipped 8-bit picture.

    python examples/mirror_ball.py [--size 256] [-o mirror-ball-example]

The picture is a PNG: where the light was too bright for it, it says only "at least this bright".
Taken at its word, it makes the sun as dim as the paper that it is printed on. Taken as a bound, it
leaves the sun to the grey ball, on which its light is not clipped. As that blurs, the energy is
found, but spread round the sun; and the part of the sky that the grey ball hides is guessed badly.
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import images, metrics
from envmap_inverse.bundled import map_file
from envmap_inverse.sphere.latlong import texel_solid_angles

parser = argparse.ArgumentParser(description="Recover the light from a clipped picture.")
parser.add_argument("--size", type=int, default=256, help="width of the picture")
parser.add_argument("-o", "--output", type=Path, default=Path("mirror-ball-example"), help="folder")
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

camera = ei.Camera(
    name="photo",
    width=options.size,
    height=options.size // 2,
    focal_lengths=(1.5 * options.size,) * 2,
    principal_point=(options.size / 2, options.size / 4),
    to_world=np.array([[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 7], [0, 0, 0, 1]]),
)
GREY = {"type": "diffuse", "reflectance": {"type": "rgb", "value": 0.18}}
scene = ei.load_scene(
    {
        "type": "scene",
        "integrator": {"type": "path", "max_depth": 4},
        "chrome": {
            "type": "sphere",
            "center": [-1.05, 0, 0],
            "bsdf": {"type": "conductor", "material": "Cr"},
        },
        "grey": {"type": "sphere", "center": [1.05, 0, 0], "bsdf": GREY},
        "light": {"type": "envmap", "filename": str(map_file("sun"))},
    }
)
scene.set_sensors([camera])
truth = scene.envmap.texels

# Expose so that 2 % of the values are too bright for 8 bits, and keep nothing but the PNG.
radiance = ei.render(scene, spp=256, seed=1)
exposure = 1 / float(np.quantile(radiance, 0.98))
photo = options.output / "photo.png"
images.write_image(photo, exposure * radiance)
picture, (white, black) = images.read_image(photo), images.clipping_levels(photo)

# Whatever is brighter than the picture's white is a light here: mostly the sun.
is_light = truth.max(axis=2) * exposure > 1
solid_angles = texel_solid_angles(*truth.shape[:2])[is_light, None]
energy = np.sum(solid_angles * truth[is_light])
views = {
    "exact": ei.View(picture, exposure=exposure),
    "bounds": ei.View(picture, exposure=exposure, white=white, black=black),
}
images.write_image(options.output / "envmap-true.png", exposure * truth)
for name, view in views.items():
    texels = ei.estimate(scene, view, optimizer=ei.Transport()).texels
    found = np.sum(solid_angles * texels[is_light]) / energy
    error = metrics.log_rmse(texels, truth)
    print(f"Clipped values as {name}: {found:.0%} of the lights' energy, log RMSE {error:.3f}")
    images.write_image(options.output / f"envmap-{name}.png", exposure * texels)
share = views["bounds"].clipped_share["over"]
print(f"{share:.1%} of the picture's values are clipped.")
