"""`envmap-inverse coverage`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse.console.cameras import Cameras, take_cameras
from envmap_inverse.console.options import (
    Define,
    EnvmapName,
    SceneFile,
    Seed,
    Spp,
    TrustInput,
    definitions,
    panelled,
    sensor_numbers,
)
from envmap_inverse.console.output import coverage_table, say, say_table
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.console.scenes import load_with_map
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.planning.ranking import ViewCoverage, rank_views
from envmap_inverse.report.coverage import write_coverage
from envmap_inverse.system.progress import stage

__all__ = ["coverage"]


def coverage(
    context: typer.Context,
    scene: SceneFile,
    sensor: Annotated[
        str | None,
        panelled(
            "Pictures", metavar="K,...", help="Candidates, e.g. 0 or 0,1,2; by default all sensors."
        ),
    ] = None,
    cameras: Cameras = None,
    noise: Annotated[
        float,
        panelled(
            "Pictures",
            help="Standard deviation of a pixel relative to its value; 10 % for the map are added.",
        ),
    ] = 0.05,
    size: Annotated[int, panelled("Pictures", help="Longer side of the films in pixels.")] = 128,
    spp: Spp = 32,
    seed: Seed = 0,
    output: Annotated[
        Path | None,
        panelled("Output", "-o", "--output", metavar="DIR", help="Folder for a picture and maps."),
    ] = None,
    as_json: Annotated[bool, panelled("Output", "--json", help="Print JSON.")] = False,
    define: Define = None,
    envmap_name: EnvmapName = None,
    trust_input: TrustInput = False,
) -> None:
    """Report what sensors would see of the environment map, and which picture to take first.

    A texel is seen if its radiance is known to a factor of 1.8 (one standard deviation of its
    logarithm). Deviations are those of an estimate whose map is the scene's own, with natural light
    as prior; bits are what a view adds to those before it.

    Examples:
        envmap-inverse coverage scene.xml
        envmap-inverse coverage scene.xml --sensor 0,2 -o advice
    """
    faults = faults_of(context)
    defined = faults.attempt(definitions, define) or {}
    listed = None if sensor is None else faults.attempt(sensor_numbers, sensor)
    report_if_incomplete(context)
    with stage(f"Reading {scene.name}"):
        if not trust_input:
            read_apart(faults, scene, [], cameras=cameras, envmap=envmap_name, define=defined)
        loaded, _ = faults.need(load_with_map, scene, None, envmap_name=envmap_name, define=defined)
        faults.report()
        take_cameras(loaded, cameras)
        candidates = range(loaded.num_sensors) if listed is None else listed
        for index in dict.fromkeys(candidates):
            faults.attempt(loaded.set_film_size, size, index)
        faults.report()
    with stage(f"Tracing {len(candidates)} views"):
        views = rank_views(loaded, candidates, noise=noise, spp=spp, seed=seed)
    if output is not None:
        with stage(f"Writing {output.name}"):
            write_coverage(output, views)
    names = [str(loaded.sensor(view.sensor).id()) for view in views]
    if as_json:
        say(json.dumps([_line(*pair) for pair in zip(views, names, strict=True)], indent=2))
        return
    say_table(coverage_table(views, names))


def _line(view: ViewCoverage, name: str) -> dict[str, object]:
    return {
        "sensor": view.sensor,
        "name": name,
        "seen_share": view.alone.seen_share,
        "median_deviation": view.alone.median_deviation,
        "gain": view.gain,
        "seen_share_together": view.together.seen_share,
        "median_deviation_together": view.together.median_deviation,
    }
