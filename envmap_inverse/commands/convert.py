"""`envmap-inverse convert` and `test-pattern`."""

from __future__ import annotations

import enum
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from envmap_inverse.console.options import OverwriteFile, RowConvention, TrustInput, check_new
from envmap_inverse.console.output import say
from envmap_inverse.console.parsing import faults_of, report_if_incomplete
from envmap_inverse.errors import InputError, cannot_write
from envmap_inverse.guard.reader import read_apart
from envmap_inverse.images import MAX_PIXELS, read_noted, srgb_to_linear, write_image
from envmap_inverse.images.arrays import check_finite
from envmap_inverse.sphere.pattern import draw_pattern
from envmap_inverse.sphere.projections import AngularMap, Cube, Latlong, MirrorBall, Projection
from envmap_inverse.sphere.reproject import reproject, rotation
from envmap_inverse.sphere.restore import can_restore, restore

__all__ = ["convert", "pattern"]


class Kind(enum.StrEnum):
    """Values of --from and --to."""

    latlong = "latlong"
    blender = "blender"
    three_js = "three.js"
    usd = "usd"
    cube = "cube"
    ball = "ball"
    angular = "angular"


_LATLONGS = {
    Kind.latlong: partial(Latlong, rows="corner", offset=0.0),
    Kind.blender: partial(Latlong, rows="centred", offset=0.25),
    Kind.three_js: partial(Latlong, rows="centred", offset=0.25),
    Kind.usd: partial(Latlong, rows="centred", offset=0.0),
}
"""Latlong maps of Mitsuba and other programs, as derived in docs/conventions.md."""

_OTHERS: dict[Kind, Callable[[int, int], Projection]] = {
    Kind.cube: Cube,
    Kind.ball: MirrorBall,
    Kind.angular: AngularMap,
}

NOTICEABLE = 0.01
"""Largest misfit of a map to its picture, relative to the picture's root mean square."""

To = Annotated[
    Kind,
    typer.Option(
        "--to",
        help="Kind of OUT: a latlong map as Mitsuba (latlong), Blender, three.js or a USD dome "
        "light reads it, a cube map, a mirror ball or an angular map.",
    ),
]
ToRows = Annotated[
    RowConvention | None,
    typer.Option(
        help="Rows of OUT, if a latlong map: the first row at the zenith (corner), or half a row "
        "below (centred). By default corner for latlong, centred for the other programs."
    ),
]
Size = Annotated[
    str | None,
    typer.Option(
        metavar="N|WxH",
        help="Pixels of OUT: its width, or width and height; a cube map is a cross if 4:3 or 3:4, "
        "a strip if 1:6. By default enough for the detail of IN: the other images are twice as "
        "wide as a latlong map.",
    ),
]
Rotate = Annotated[
    str | None,
    typer.Option(
        metavar="AXIS=DEGREES,...",
        help="Turn the light about axes of our frame (+y up), in the order given, "
        "counter-clockwise when seen against the axis, e.g. y=90.",
    ),
]


def convert(
    context: typer.Context,
    source: Annotated[
        Path, typer.Argument(metavar="IN", help="EXR, HDR, NPY, PNG or JPEG with the whole sphere.")
    ],
    output: Annotated[Path, typer.Argument(metavar="OUT", help="EXR, HDR, NPY, PNG or JPEG.")],
    from_: Annotated[
        Kind, typer.Option("--from", help="Kind of IN; takes the same values as --to.")
    ] = Kind.latlong,
    to: To = Kind.latlong,
    rows: Annotated[RowConvention | None, typer.Option(help="Rows of IN; see --to-rows.")] = None,
    to_rows: ToRows = None,
    size: Size = None,
    rotate: Rotate = None,
    exposure: Annotated[float, typer.Option(help="Factor for all values, e.g. for a PNG.")] = 1.0,
    overwrite: OverwriteFile = False,
    trust_input: TrustInput = False,
) -> None:
    """Convert an environment map: file format, projection, rows, size, orientation.

    Values are linear radiance; a PNG or JPEG is clipped at 1 and sRGB-encoded.

    Examples:
        envmap-inverse convert run/envmap.exr light.exr --to blender
        envmap-inverse convert ball.hdr map.exr --from ball --size 1024 --rotate y=90
    """
    faults = faults_of(context)
    faults.attempt(_check_rows, "--rows", from_, rows)
    faults.attempt(_check_rows, "--to-rows", to, to_rows)
    faults.attempt(_check_exposure, exposure)
    faults.attempt(_parse_rotation, rotate)
    if size is not None:
        faults.attempt(_parse_size, size, to)
    report_if_incomplete(context)
    if output.exists() and source.exists() and output.samefile(source):
        faults.keep(InputError(f"{output}: is IN and OUT; name another file for OUT"))
    else:
        faults.attempt(check_new, output, overwrite=overwrite)
    if not trust_input:
        read_apart(faults, None, [source])
    faults.report()
    image = read_noted(source)
    try:
        check_finite(image, "repair them first")
    except InputError as error:
        raise InputError(f"{source}: {error}") from None
    height, width, _ = image.shape
    try:
        given = _projection(from_, rows, height, width)
    except InputError as error:
        raise InputError(f"{source}: {error}; name what it is with --from") from None
    matrix = _parse_rotation(rotate)
    if size is None:
        wanted = _holding(to, to_rows, given.detail, output)
    else:
        wanted = _wanted(to, to_rows, size)
    _write(output, exposure * _converted(image, given, wanted, matrix, output), to)


def pattern(
    context: typer.Context,
    output: Annotated[Path, typer.Argument(metavar="OUT", help="EXR, HDR, NPY, PNG or JPEG.")],
    to: To = Kind.latlong,
    to_rows: ToRows = None,
    size: Size = None,
    rotate: Rotate = None,
    overwrite: OverwriteFile = False,
) -> None:
    """Write a map that labels +X, -X, +Y, -Y, +Z and -Z, to see how a program reads maps.

    Examples:
        envmap-inverse pattern pattern.exr
        envmap-inverse pattern pattern.png --to blender --size 2048
    """
    faults = faults_of(context)
    faults.attempt(_check_rows, "--to-rows", to, to_rows)
    report_if_incomplete(context)
    faults.attempt(check_new, output, overwrite=overwrite)
    faults.attempt(_parse_rotation, rotate)
    wanted = faults.need(_wanted, to, to_rows, size or "1024")
    faults.report()
    face = max(64, max(wanted.height, wanted.width) // 2)
    strip = srgb_to_linear(draw_pattern(face) / 255).astype(np.float32)
    image = reproject(strip, Cube(6 * face, face), wanted, _parse_rotation(rotate))
    _write(output, image, to)


def _write(path: Path, image: NDArray[np.float32], kind: Kind) -> None:
    try:
        write_image(path, image)
    except OSError as error:
        raise cannot_write(str(path), error) from None
    say(f"wrote {path}: {kind.value}, {image.shape[1]} x {image.shape[0]}")


def _check_exposure(exposure: float) -> None:
    if not (np.isfinite(exposure) and exposure > 0):
        raise InputError(f"--exposure {exposure}: must be a positive number")


def _check_rows(option: str, kind: Kind, rows: RowConvention | None) -> None:
    if rows is not None and kind in _OTHERS:
        raise InputError(f"{option} {rows.value}: only latlong maps have row conventions")


def _projection(kind: Kind, rows: RowConvention | None, height: int, width: int) -> Projection:
    """The projection of an image of this kind and size."""
    if kind in _OTHERS:
        return _OTHERS[kind](height, width)
    given: dict[str, Any] = {} if rows is None else {"rows": rows.value}
    return _LATLONGS[kind](height, width, **given)


def _wanted(kind: Kind, rows: RowConvention | None, size: str) -> Projection:
    """The projection that --to, --to-rows and --size ask for."""
    height, width = _parse_size(size, kind)
    if height * width > MAX_PIXELS:
        raise InputError(f"--size: {width} x {height} pixels are more than {MAX_PIXELS}")
    try:
        return _projection(kind, rows, height, width)
    except InputError as error:
        raise InputError(f"--size {size}: {error}") from None


def _holding(kind: Kind, rows: RowConvention | None, detail: int, output: Path) -> Projection:
    """The smallest image with the detail of a latlong map this wide, or else the largest allowed.

    Images of any kind are limited to a width whose square has MAX_PIXELS.
    """
    width = detail if kind in _LATLONGS else 2 * detail
    limit = int(MAX_PIXELS**0.5)
    if width > limit:
        warnings.warn(
            f"{output}: {width} pixels would keep all detail but are too many to write; it is "
            f"{limit} wide",
            stacklevel=1,
        )
    if kind is Kind.cube:
        face = -(-min(width, limit) // 4)
        return Cube(3 * face, 4 * face)
    return _projection(kind, rows, *_size_of_width(kind, min(width, limit)))


def _converted(
    image: NDArray[np.float32],
    given: Projection,
    wanted: Projection,
    matrix: NDArray[np.float64],
    output: Path,
) -> NDArray[np.float32]:
    """Convert an image to the projection wanted; warn of detail that is lost."""
    if isinstance(wanted, Latlong) and can_restore(given, wanted):
        texels, misfit = restore(image, given, wanted, matrix)
        if misfit < NOTICEABLE:
            return texels
        warnings.warn(
            f"{output}: IN has detail that a map of {wanted.width} x {wanted.height} does not hold "
            f"({100 * misfit:.2g} %, RMS); a larger --size keeps more",
            stacklevel=1,
        )
    if wanted.detail < given.detail:
        warnings.warn(
            f"{output}: has the detail of a latlong map {wanted.detail} wide, IN that of one "
            f"{given.detail} wide; leave out --size to keep it",
            stacklevel=1,
        )
    if isinstance(wanted, MirrorBall):
        warnings.warn(
            f"{output}: a mirror ball hardly shows what is behind it: within "
            f"{wanted.blind_angle(given.pitch):.0f} degrees of -z its pixels are coarser than IN's",
            stacklevel=1,
        )
    return reproject(image, given, wanted, matrix)


def _parse_size(option: str, kind: Kind) -> tuple[int, int]:
    """Parse --size into height and width."""
    try:
        sides = [int(part) for part in option.split("x")]
    except ValueError:
        sides = []
    if not 1 <= len(sides) <= 2 or min(sides) < 1:
        raise InputError(f"--size {option}: give pixels, e.g. 512 or 512x256")
    return _size_of_width(kind, sides[0]) if len(sides) == 1 else (sides[1], sides[0])


def _size_of_width(kind: Kind, width: int) -> tuple[int, int]:
    """Height and width of an image about this wide; a cube map is a horizontal cross."""
    if kind is Kind.cube:
        face = max(1, round(width / 4))
        return 3 * face, 4 * face
    return (max(2, round(width / 2)) if kind in _LATLONGS else width), width


def _parse_rotation(option: str | None) -> NDArray[np.float64]:
    """Convert --rotate to a matrix."""
    turns = []
    for part in option.split(",") if option is not None else []:
        axis, _, degrees = part.strip().partition("=")
        try:
            angle = float(degrees)
        except ValueError:
            angle = np.nan
        if axis not in {"x", "y", "z"} or not np.isfinite(angle):
            raise InputError(f"--rotate {option}: give axes and degrees, e.g. y=90 or y=90,x=-15")
        turns.append((axis, angle))
    return rotation(*turns)
