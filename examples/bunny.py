"""Recover the light of a museum from one picture of a copper bunny.

    python examples/bunny.py [--size 512] [--iterations 100] [-o bunny-example]

This is the tutorial "Differentiating textures" of Mitsuba 2: a picture is rendered under a known
environment map, the map is forgotten, and gradient descent finds it again by rendering. (Write
`ei.Transport()` in place of `ei.Adam(...)` to trace the light once and solve for the map.)
"""

import argparse
from pathlib import Path

import envmap_inverse as ei
from envmap_inverse.bundled import scene_file
from envmap_inverse.images import write_image

parser = argparse.ArgumentParser(description="Recover the light around a copper bunny.")
parser.add_argument("--size", type=int, default=512, help="width and height of the picture")
parser.add_argument("--iterations", type=int, default=100, help="steps of Adam")
parser.add_argument("-o", "--output", type=Path, default=Path("bunny-example"), help="folder")
options = parser.parse_args()

# Which of the scene's parameters could be recovered, and the one that will be.
scene = ei.load_scene(scene_file("bunny"))
scene.set_film_size(options.size)
print(scene.parameters.differentiable(), end="\n\n")
print(scene.parameters.keep(f"{scene.envmap.name}.data"), end="\n\n")

# The picture is all that is known of the light. Its seed is none of those that Adam will use.
reference = ei.render(scene, spp=16, seed=2**30)

# Begin with a white map and follow the gradient. The true map serves only to print the error.
result = ei.estimate(
    scene,
    reference,
    optimizer=ei.Adam(iterations=options.iterations, learning_rate=0.02, spp=1),
    initial=1.0,
    ground_truth=scene.envmap.texels,
    on_iteration=lambda it: print(f"Iteration {it.index:03d}: error={it.error:.6g}"),
)

# The picture, the same one under the recovered light, and that light: .exr to use, .png to look at.
image = ei.render(scene, result.texels, spp=64)
options.output.mkdir(parents=True, exist_ok=True)
for name, pixels in {"reference": reference, "render": image, "envmap": result.texels}.items():
    write_image(options.output / f"{name}.exr", pixels)
    write_image(options.output / f"{name}.png", pixels)
print(f"\nLook at {options.output / 'render.png'} and {options.output / 'envmap.png'}.")
