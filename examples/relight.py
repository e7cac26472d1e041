"""Stand a golden knot beside the copper bunny of a photograph, under the light found in it.

    python examples/relight.py [--size 512] [-o relight-example]

The light comes from the bunny, whose shape and copper are known; of the patterned table only the
mean colour is. This model is rendered under that light with the knot and without, and the
difference is added to the photograph: the table keeps its pattern and gains the knot's shadow
(differential rendering: Debevec, "Rendering synthetic objects into real scenes", SIGGRAPH 1998).
"""

import argparse
from pathlib import Path

import numpy as np

import envmap_inverse as ei
from envmap_inverse import image_metrics, images
from envmap_inverse.backend import mi, select_variant
from envmap_inverse.bundled import MATERIALS, map_file, scene_file

parser = argparse.ArgumentParser(description="Insert an object under the recovered light.")
parser.add_argument("--size", type=int, default=512, help="width of the picture")
parser.add_argument("-o", "--output", type=Path, default=Path("relight-example"), help="folder")
options = parser.parse_args()
options.output.mkdir(parents=True, exist_ok=True)

select_variant()
transform = mi.ScalarTransform4f()
size = {"width": options.size, "height": options.size * 5 // 8}
camera = {
    "type": "perspective",
    "fov": 43,
    "to_world": transform.look_at(origin=[0.7, 1.3, 5], target=[0.65, -0.15, 0], up=[0, 1, 0]),
    "film": {"type": "hdrfilm", "pixel_format": "rgb", "rfilter": {"type": "box"}, **size},
}
bunny = {
    "type": "ply",
    "filename": str(scene_file("bunny").with_name("bunny.ply")),
    "bsdf": MATERIALS["mirror"],
}
knot = {
    "type": "ply",
    "filename": str(scene_file("knot").with_name("knot.ply")),
    "to_world": transform.translate([1.75, -0.35, 0.3]).rotate([0, 1, 0], -25).scale(0.58),
    "bsdf": {"type": "roughconductor", "material": "Au", "alpha": 0.1},
}
checks = {
    "type": "checkerboard",
    "color0": {"type": "rgb", "value": [0.40, 0.34, 0.28]},
    "color1": {"type": "rgb", "value": [0.60, 0.54, 0.48]},
    "to_uv": transform.scale([10, 10, 1]),
}
mean_colour = {"type": "rgb", "value": [0.50, 0.44, 0.38]}


def scene_of(**objects: dict) -> ei.Scene:
    """These objects before the camera, in the room with windows."""
    light = {"type": "envmap", "filename": str(map_file("windows"))}
    path = {"type": "path", "max_depth": 6}
    return ei.load_scene(
        {"type": "scene", "integrator": path, "camera": camera, "light": light, **objects}
    )


def table(reflectance: dict) -> dict:
    """A matt table on which the bunny stands."""
    lying = transform.translate([0, -1, 0]).rotate([1, 0, 0], -90).scale(3)
    bsdf = {"type": "diffuse", "reflectance": reflectance}
    return {"type": "rectangle", "to_world": lying, "bsdf": bsdf}


def silhouette(scene: ei.Scene) -> np.ndarray:
    """Share of each pixel that objects fill: there a white map is not seen directly."""
    white, direct = np.ones_like(scene.envmap.texels), {"type": "path", "max_depth": 1}
    return 1 - ei.render(scene, white, spp=16, integrator=direct)


photo = ei.render(scene_of(bunny=bunny, table=table(checks)), spp=128, seed=1)

# Only those pixels tell of the light that show nothing but the bunny.
model = scene_of(bunny=bunny, table=table(mean_colour))
mask = silhouette(scene_of(bunny=bunny)).min(axis=2) > 0.999
light = ei.estimate(model, ei.View(photo, mask=mask), optimizer=ei.Transport()).texels

# The same seed in both renderings, so that most of their noise cancels.
model_with_knot = scene_of(bunny=bunny, table=table(mean_colour), knot=knot)
with_knot = ei.render(model_with_knot, light, spp=128)
without = ei.render(model, light, spp=128)
uncovered = 1 - silhouette(scene_of(knot=knot))
composite = uncovered * photo + np.maximum(with_knot - uncovered * without, -uncovered * photo)

truth = ei.render(scene_of(bunny=bunny, table=table(checks), knot=knot), spp=128, seed=2)
exposure = images.display_exposure(photo)
shown = {"photo": photo, "composite": composite, "truth": truth}
for name in ("photo", "composite"):
    a, b = (np.clip(exposure * image, 0, 1) for image in (shown[name], truth))
    print(f"PSNR of the {name} against a true picture of both: {image_metrics.psnr(a, b):.1f} dB")
for name, picture in {**shown, "envmap": light, "envmap-true": model.envmap.texels}.items():
    images.write_image(options.output / f"{name}.png", exposure * picture)
