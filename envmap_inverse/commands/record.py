"""`envmap-inverse record`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse.console.cameras import Cameras, take_cameras
from envmap_inverse.console.optimizers import RayAddress, Workers, executor_of
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    FilmSize,
    OverwriteFile,
    SceneFile,
    Seed,
    TrustInput,
    check_new,
    panelled,
    pixel_size,
    sensor_numbers,
)
from envmap_inverse.console.output import say
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.scenes import LightDistance, MapSize, SceneChoice, put_light
from envmap_inverse.errors import InputError, cannot_write, counted
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.optimizers.transport import usual_spp
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.system.memory import gibibytes
from envmap_inverse.system.progress import stage
from envmap_inverse.system.writing import unfinished_files

__all__ = ["record"]


def record(
    context: typer.Context,
    scene: SceneFile,
    output: Annotated[
        Path, panelled("Output", "-o", "--output", metavar="FILE", help="Recording: .npz.")
    ],
    sensor: Annotated[
        str | None,
        panelled("Pictures", metavar="K,...", help="Sensors, e.g. 0 or 0,1,2; by default all."),
    ] = None,
    cameras: Cameras = None,
    size: FilmSize = None,
    map_size: MapSize = None,
    spp: Annotated[
        int | None, panelled("Pictures", min=1, help="Paths per pixel: by default as for estimate.")
    ] = None,
    seed: Seed = 0,
    distance: LightDistance = None,
    workers: Workers = None,
    ray: RayAddress = None,
    define: Define = None,
    envmap_name: EnvmapName = None,
    overwrite: OverwriteFile = False,
    trust_input: TrustInput = False,
) -> None:
    """Record the light transport of a scene, to solve for many pictures without tracing again.

    Pictures are averaged down to the size of the recorded films. Shapes, materials and cameras must
    stay as they are.

    Examples:
        envmap-inverse record scene.xml -o scene.npz --size 512
        envmap-inverse estimate scene.xml morning.exr -o morning --recording scene.npz
        envmap-inverse estimate scene.xml evening.exr -o evening --recording scene.npz
    """
    faults = faults_of(context)
    place = SceneChoice.parse(
        *(faults, scene, map_size), envmap_name=envmap_name, define=define, distance=distance
    )
    if place.finds_distance:
        faults.keep(InputError("--distance auto: needs pictures; give sphere:R or box:X,Y,Z"))
    listed = None if sensor is None else faults.attempt(sensor_numbers, sensor)
    wanted = faults.attempt(pixel_size, "--size", size)
    faults.attempt(_check_name, output)
    report_if_incomplete(context)
    faults.attempt(check_new, output, overwrite=overwrite)
    with stage(f"Reading {scene.name}"):
        if not trust_input:
            read_apart(faults, scene, [], cameras=cameras, envmap=envmap_name, define=place.define)
        loaded, _ = faults.need(place.load)
        faults.attempt(put_light, loaded, place.distance)
        faults.report()
        take_cameras(loaded, cameras)
        sensors = list(dict.fromkeys(range(loaded.num_sensors) if listed is None else listed))
        for index in sensors:
            faults.attempt(loaded.set_film_size, wanted or loaded.film_size(index), index)
        faults.report()
    pixels = max(width * height for width, height in map(loaded.film_size, sensors))
    transport = LightTransport.record(
        loaded,
        sensors,
        spp=spp or usual_spp(pixels),
        seed=seed,
        executor=executor_of(workers, ray),
    )
    with stage(f"Writing {output.name}"):
        try:
            for file in unfinished_files(output.parent, re.compile(re.escape(output.name))):
                file.unlink(missing_ok=True)  # of a run that was killed as it wrote
            transport.save(output)
        except OSError as error:
            raise cannot_write(f"-o {output}", error) from None
    width, height = transport.resolution
    say(
        f"wrote {output}: {counted(len(sensors), 'view')}, map of {width} x {height}, "
        f"{transport.spp} spp, {gibibytes(transport.nbytes)}"
    )


def _check_name(path: Path) -> None:
    if path.suffix != ".npz":
        raise InputError(f"-o {path}: recordings are .npz files; give it that ending")
