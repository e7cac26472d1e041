"""`envmap-inverse export`."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from envmap_inverse.console.options import OverwriteFile, TrustInput, check_new
from envmap_inverse.console.output import note, say
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.errors import InputError, cannot_write
from envmap_inverse.export.blender import blender_files
from envmap_inverse.export.gltf import gltf_files
from envmap_inverse.export.mitsuba import mitsuba_files
from envmap_inverse.export.numbers import (
    gaussians_file,
    harmonics_file,
    lamps_file,
    sun_and_sky_file,
)
from envmap_inverse.export.three import three_files
from envmap_inverse.export.usd import usd_files
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.lights.gaussians import MAX_LOBES
from envmap_inverse.lights.light import LEAST_SAMPLES, Light
from envmap_inverse.run.light import light_files, read_light
from envmap_inverse.sphere.harmonic_basis import MAX_ORDER
from envmap_inverse.system.progress import stage
from envmap_inverse.system.writing import write_bytes

__all__ = ["export"]

Writer = Callable[[Light, Path], dict[Path, bytes]]


class Target(enum.StrEnum):
    """Values of --to."""

    sh = "sh"
    sg = "sg"
    lamps = "lamps"
    sunsky = "sunsky"
    blender = "blender"
    usd = "usd"
    gltf = "gltf"
    three = "three"
    mitsuba = "mitsuba"


_USERS = {"--order": "sh", "--lobes": "sg"}

_ENDINGS = {
    Target.sh: ".json",
    Target.sg: ".json",
    Target.lamps: ".json",
    Target.sunsky: ".json",
    Target.blender: ".py",
    Target.usd: ".usda",
    Target.gltf: ".gltf",
    Target.three: ".html",
    Target.mitsuba: ".xml",
}

_WRITERS: dict[Target, Writer] = {
    Target.lamps: lamps_file,
    Target.sunsky: sun_and_sky_file,
    Target.blender: blender_files,
    Target.usd: usd_files,
    Target.gltf: gltf_files,
    Target.three: three_files,
    Target.mitsuba: mitsuba_files,
}

NUMBERS = {Target.sh, Target.sg, Target.lamps, Target.sunsky}
"""The files that have deviations."""


def export(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="RUN|MAP", help="Folder of a run, or a map (see convert).")
    ],
    to: Annotated[
        Target,
        typer.Option(
            help="Numbers in JSON: spherical harmonics (sh), spherical Gaussians (sg), a list of "
            "lamps, or Mitsuba's sunsky. Or a map and lamps: a script for Blender, a USD stage, "
            "glTF, a page with three.js, or a scene for Mitsuba."
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", metavar="FILE", help="File to write.")],
    order: Annotated[
        int | None, typer.Option(help="Order of --to sh, from 0 to 8; 2 by default.")
    ] = None,
    lobes: Annotated[
        int | None, typer.Option(help="Lobes of --to sg, from 1 to 64; 16 by default.")
    ] = None,
    overwrite: OverwriteFile = False,
    trust_input: TrustInput = False,
) -> None:
    """Write light for other programs.

    Numbers have standard deviations if RUN was made with --samples 64; a map has none.

    Examples:
        envmap-inverse export run --to sh --order 2 -o light.json
        envmap-inverse export envmap.exr --to lamps -o lamps.json
    """
    faults = faults_of(context)
    faults.attempt(_check_number, "--order", order, (0, MAX_ORDER), is_used=to is Target.sh)
    faults.attempt(_check_number, "--lobes", lobes, (1, MAX_LOBES), is_used=to is Target.sg)
    report_if_incomplete(context)
    faults.attempt(_check_ending, to, output)
    faults.attempt(check_new, output, overwrite=overwrite)
    files = faults.attempt(light_files, source)
    if files and not trust_input:
        read_apart(faults, None, files)
    faults.report()
    light = read_light(source)
    with stage(f"Writing {output.name}"):
        written = _writer(to, order, lobes)(light, output)
        for path in written:
            check_new(path, overwrite=overwrite)
        _write(written)
    say(f"wrote {', '.join(map(str, written))}: {to.value}")
    if to is Target.sunsky:
        say(json.loads(written[output])["reason"])
    if to in NUMBERS and light.samples is None:
        note(_why_unknown(source))


def _writer(to: Target, order: int | None, lobes: int | None) -> Writer:
    if to is Target.sh:
        return partial(harmonics_file, order=2 if order is None else order)
    if to is Target.sg:
        return partial(gaussians_file, lobes=16 if lobes is None else lobes)
    return _WRITERS[to]


def _write(files: dict[Path, bytes]) -> None:
    """Write files, the first one last: it stands for all of them."""
    for path in reversed(files):
        try:
            write_bytes(path, files[path])
        except OSError as error:
            raise cannot_write(str(path), error) from None


def _check_number(
    option: str, value: int | None, limits: tuple[int, int], *, is_used: bool
) -> None:
    if value is None:
        return
    if not is_used:
        raise InputError(f"{option} {value}: belongs to --to {_USERS[option]}")
    if not limits[0] <= value <= limits[1]:
        raise InputError(f"{option} {value}: must lie between {limits[0]} and {limits[1]}")


def _check_ending(to: Target, output: Path) -> None:
    ending = _ENDINGS[to]
    if output.suffix.lower() != ending:
        raise InputError(f"{output}: --to {to.value} writes a file that ends in {ending}")


def _why_unknown(source: Path) -> str:
    if not source.is_dir():
        return f"no deviations: {source} is a map; those of a run have them"
    return (
        f"no deviations: {source} has fewer than {LEAST_SAMPLES} samples; repeat the run with "
        "--samples 64"
    )
