"""Read and write images, and tone-map them for display.

Each format has its own file; `formats` lists them. `read_picture` also returns what a file says
besides its values.
"""

from envmap_inverse.images.colour import linear_to_srgb, srgb_to_linear
from envmap_inverse.images.formats import FORMATS, endings, is_readable
from envmap_inverse.images.jpeg import encode_jpeg
from envmap_inverse.images.limits import MAX_PIXELS
from envmap_inverse.images.picture import CameraSettings, Picture
from envmap_inverse.images.png import encode_png
from envmap_inverse.images.reading import (
    clipping_levels,
    read_image,
    read_mask,
    read_noted,
    read_picture,
)
from envmap_inverse.images.tone import Uint8Image, display_exposure, shrink, tonemap
from envmap_inverse.images.writing import write_image
from envmap_inverse.system.writing import write_bytes

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "CameraSettings",
    "Picture",
    "Uint8Image",
    "clipping_levels",
    "display_exposure",
    "encode_jpeg",
    "encode_png",
    "endings",
    "is_readable",
    "linear_to_srgb",
    "read_image",
    "read_mask",
    "read_noted",
    "read_picture",
    "shrink",
    "srgb_to_linear",
    "tonemap",
    "write_bytes",
    "write_image",
]
