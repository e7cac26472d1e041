"""The options of `estimate` that say how pictures were taken, and how to read them."""

from __future__ import annotations

from typing import Annotated

from envmap_inverse.console.options import panelled
from envmap_inverse.console.pictures import Alpha, Orientation, Register

__all__ = [
    "Black",
    "Censoring",
    "CropOfEach",
    "ExposureOfEach",
    "FullSize",
    "Gamma",
    "Layer",
    "MaskOfEach",
    "NoiseOfPictures",
    "PictureSize",
    "RegisterPictures",
    "ResponseOfCamera",
    "SensorOfEach",
    "Turn",
    "UseOfAlpha",
    "White",
]

PictureSize = Annotated[
    str | None,
    panelled(
        "Pictures",
        metavar="N|WxH",
        help="Size in pixels to which pictures are averaged down: longer side, or width and "
        "height. By default they keep their own size up to a megapixel. The films follow, and "
        "keep their horizontal field of view.",
    ),
]
FullSize = Annotated[
    bool,
    panelled("Pictures", "--full-size", help="Keep the size of pictures above a megapixel."),
]
NoiseOfPictures = Annotated[
    str,
    panelled(
        "Pictures",
        metavar="auto|none|KEY=X,...",
        help="Noise of the pictures' values: estimated, none, or read, shot and relative, e.g. "
        "read=0.01,relative=0.02.",
    ),
]
SensorOfEach = Annotated[
    str | None,
    panelled(
        "Pictures",
        metavar="K,...",
        help="Sensor of each picture, e.g. 0 or 0,1; by default the only one, or in order.",
    ),
]
MaskOfEach = Annotated[
    list[str] | None,
    panelled(
        "Pictures",
        metavar="FILE,...",
        help="Mask for all pictures, or one for each; white counts, black does not.",
    ),
]
CropOfEach = Annotated[
    list[str] | None,
    panelled(
        "Pictures",
        metavar="X,Y,W,H",
        help="Part of the film that a picture shows, in the film's pixels from its upper left "
        "corner; given for each picture, or none. Crops of a whole picture are found in it.",
    ),
]
RegisterPictures = Annotated[
    Register,
    panelled(
        "Pictures",
        help="Move pictures of one sensor that are shifted by some pixels onto each other, or "
        "leave them as they are.",
    ),
]
ExposureOfEach = Annotated[
    str | None,
    panelled(
        "Pictures",
        metavar="X,...",
        help="Factor from radiance to values, for all pictures or for each: a number, three "
        "(1:0.9:0.8), auto or auto-rgb. Unknown factors are found relative to the first.",
    ),
]
Gamma = Annotated[
    float | None,
    panelled("Pictures", help="Short for --response gamma:X."),
]
ResponseOfCamera = Annotated[
    str,
    panelled(
        "Pictures",
        "--response",
        metavar="auto|srgb|linear|gamma:X|FILE",
        help="Curve that linearizes 8- and 16-bit pictures: found from several exposures, or else "
        "as their files say (auto); or a table of stored and linear values.",
    ),
]
White = Annotated[
    float | None,
    panelled(
        "Pictures",
        help="Linear value from which pictures are clipped; for 8-bit ones the highest.",
    ),
]
Black = Annotated[
    float | None,
    panelled("Pictures", help="Linear value down to which pictures are clipped."),
]
Censoring = Annotated[
    bool, panelled("Pictures", help="Take clipped values as bounds, not as exact.")
]
Turn = Annotated[
    Orientation,
    panelled(
        "Pictures",
        help="Turn pictures upright by EXIF, leave them as stored, or whichever fits the "
        "sensor's shape.",
    ),
]
UseOfAlpha = Annotated[
    Alpha, panelled("Pictures", help="Mask pixels that are not opaque, or ignore alpha.")
]
Layer = Annotated[
    str | None,
    panelled("Pictures", help="Layer of EXR pictures that have several, e.g. V.Combined."),
]
