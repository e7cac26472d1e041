"""`envmap-inverse params` and `render`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse.commands.options import SceneFile, Seed, Size, Spp, read_map
from envmap_inverse.console import say
from envmap_inverse.errors import InputError
from envmap_inverse.images import write_image
from envmap_inverse.render import render as render_image
from envmap_inverse.scene import load_scene

__all__ = ["params", "render"]


def params(scene: SceneFile) -> None:
    """Print the scene's parameters and which of them are differentiable."""
    say(str(load_scene(scene).parameters))


def render(
    scene: SceneFile,
    output: Annotated[Path, typer.Option("-o", "--output", help="Image: .exr, .hdr or .png.")],
    envmap: Annotated[
        Path | None, typer.Option(help="Environment map to use in place of the scene's.")
    ] = None,
    spp: Spp = 64,
    seed: Seed = 0,
    sensor: Annotated[int, typer.Option(help="Index of the sensor.")] = 0,
    size: Size = None,
) -> None:
    """Render one image in linear RGB."""
    loaded = load_scene(scene)
    if size is not None:
        loaded.set_film_size(size, sensor)
    texels = None if envmap is None else read_map(envmap)
    image = render_image(loaded, texels, spp=spp, seed=seed, sensor=sensor)
    try:
        write_image(output, image)
    except OSError as error:
        raise InputError(f"-o {output}: cannot be written: {error.strerror}") from None
