"""`envmap-inverse params` and `render`."""

from __future__ import annotations

import warnings
from math import prod
from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from envmap_inverse.console.cameras import Cameras, take_cameras
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    SceneFile,
    Seed,
    Size,
    Spp,
    TrustInput,
    definitions,
    given_files,
    read_map,
)
from envmap_inverse.console.output import say
from envmap_inverse.errors import cannot_write
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images import write_image
from envmap_inverse.scene.rendering import render as render_image
from envmap_inverse.scene.scene import load_scene
from envmap_inverse.system.memory import check_memory

__all__ = ["params", "render"]


def params(
    scene: SceneFile,
    define: Define = None,
    envmap_name: EnvmapName = None,
    trust_input: TrustInput = False,
) -> None:
    """Print the scene's parameters and which of them are differentiable."""
    defined = definitions(define)
    if not trust_input:
        read_apart(scene, [], envmap=envmap_name, define=defined)
    say(str(load_scene(scene, envmap=envmap_name, define=defined).parameters))


def render(
    scene: SceneFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Image: .exr, .hdr or .png.")],
    envmap: Annotated[
        Path | None,
        typer.Option(
            help="Radiance of the environment map, in place of the scene's, whose scale does not "
            "apply to it."
        ),
    ] = None,
    spp: Spp = 64,
    seed: Seed = 0,
    sensor: Annotated[int, typer.Option(help="Index of the sensor.")] = 0,
    cameras: Cameras = None,
    size: Size = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    trust_input: TrustInput = False,
) -> None:
    """Render one image in linear RGB."""
    defined = definitions(define)
    if not trust_input:
        images = given_files(envmap)
        read_apart(scene, images, cameras=cameras, envmap=envmap_name, define=defined)
    loaded = load_scene(scene, envmap=envmap_name, define=defined)
    take_cameras(loaded, cameras)
    if size is not None:
        loaded.set_film_size(size, sensor)
    check_memory(prod(loaded.film_size(sensor)), 0)
    texels = None if envmap is None else read_map(envmap)
    image = render_image(loaded, texels, spp=spp, seed=seed, sensor=sensor)
    if not np.isfinite(image).all():
        share = f"{100 * (1 - np.isfinite(image).mean()):.2g} %"
        warnings.warn(f"{output}: {share} of its values are NaN or infinite", stacklevel=1)
    try:
        write_image(output, image)
    except OSError as error:
        raise cannot_write(f"-o {output}", error) from None
