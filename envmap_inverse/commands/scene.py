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
    FilmSize,
    OverwriteFile,
    SceneFile,
    Seed,
    Spp,
    TrustInput,
    check_new,
    definitions,
    given_files,
    panelled,
    pixel_size,
)
from envmap_inverse.console.output import say
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.scenes import LightDistance, distance_of, load_with_map, put_light
from envmap_inverse.errors import cannot_write
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images import write_image
from envmap_inverse.run.capacity import check_memory
from envmap_inverse.scene.envmap import read_map
from envmap_inverse.scene.rendering import render as render_image
from envmap_inverse.scene.scene import load_scene
from envmap_inverse.system.progress import stage

__all__ = ["params", "render"]


def params(
    context: typer.Context,
    scene: SceneFile,
    define: Define = None,
    envmap_name: EnvmapName = None,
    trust_input: TrustInput = False,
) -> None:
    """Print the scene's parameters and which of them are differentiable.

    Examples:
        envmap-inverse params scene.xml
    """
    faults = faults_of(context)
    defined = faults.attempt(definitions, define) or {}
    report_if_incomplete(context)
    with stage(f"Reading {scene.name}"):
        if not trust_input:
            read_apart(faults, scene, [], envmap=envmap_name, define=defined)
        faults.report()
        loaded, _ = load_with_map(scene, None, envmap_name=envmap_name, define=defined)
        table = str(loaded.parameters)
    say(table)


def render(
    context: typer.Context,
    scene: SceneFile,
    output: Annotated[
        Path,
        panelled(
            "Output", "-o", "--output", metavar="IMAGE", help="Image: .exr, .hdr, .npy, .png."
        ),
    ],
    envmap: Annotated[
        Path | None,
        panelled(
            "Scene",
            help="Radiance of the environment map, in place of the scene's; the scene's scale does "
            "not apply to it.",
        ),
    ] = None,
    spp: Spp = 64,
    seed: Seed = 0,
    sensor: Annotated[int, panelled("Pictures", metavar="K", help="Index of the sensor.")] = 0,
    cameras: Cameras = None,
    size: FilmSize = None,
    distance: LightDistance = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    overwrite: OverwriteFile = False,
    trust_input: TrustInput = False,
) -> None:
    """Render one image in linear RGB.

    Examples:
        envmap-inverse render scene.xml -o image.exr
        envmap-inverse render scene.xml -o image.png --envmap run/envmap.exr --spp 256
    """
    faults = faults_of(context)
    defined = faults.attempt(definitions, define) or {}
    wanted = faults.attempt(pixel_size, "--size", size)
    near = faults.attempt(distance_of, distance)
    report_if_incomplete(context)
    faults.attempt(check_new, output, overwrite=overwrite)
    with stage(f"Reading {scene.name}"):
        is_readable = trust_input or read_apart(
            faults,
            scene,
            given_files(envmap),
            cameras=cameras,
            envmap=envmap_name,
            define=defined,
        )
        if envmap is None:
            loaded = faults.need(load_scene, scene, envmap=envmap_name, define=defined)
        else:
            loaded, _ = faults.need(
                load_with_map, scene, None, envmap_name=envmap_name, define=defined
            )
        if is_readable or cameras is None:
            faults.need(take_cameras, loaded, cameras)
            faults.attempt(loaded.sensor, sensor)
        if not is_readable:
            faults.report()
        if wanted is not None:
            faults.attempt(loaded.set_film_size, wanted, sensor)
        faults.attempt(put_light, loaded, near)
        texels = None if envmap is None else faults.attempt(read_map, envmap)
        faults.report()
    check_memory(prod(loaded.film_size(sensor)), 0)
    with stage(f"Rendering {output.name}"):
        image = render_image(loaded, texels, spp=spp, seed=seed, sensor=sensor)
    if not np.isfinite(image).all():
        share = f"{100 * (1 - np.isfinite(image).mean()):.2g} %"
        warnings.warn(f"{output}: {share} of its values are NaN or infinite", stacklevel=1)
    try:
        write_image(output, image)
    except OSError as error:
        raise cannot_write(f"-o {output}", error) from None
    say(f"wrote {output}: {image.shape[1]} x {image.shape[0]}")
