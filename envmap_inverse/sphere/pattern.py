"""A test pattern with its six directions labelled, which shows how a program reads a map."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

__all__ = ["draw_pattern"]

_FACES = {
    "+X": (214, 69, 65),
    "-X": (122, 52, 50),
    "+Y": (96, 176, 68),
    "-Y": (58, 94, 46),
    "+Z": (66, 118, 210),
    "-Z": (48, 68, 120),
}
"""Labels and colours, in the order of a cube map's strip."""

_INK = (255, 255, 255)
_GRID_DEGREES = (-30, -15, 0, 15, 30)


def draw_pattern(face: int) -> NDArray[np.uint8]:
    """Draw a cube map as a vertical strip, each face with a colour, a label and a 15 degree grid.

    Labels are upright when seen from inside. -Z lies below the label of +Y and above that of -Y.

    Args:
        face: length of a face's edge in pixels.

    Returns:
        Shape (6 * face, face, 3), sRGB-encoded.
    """
    faces = [_draw_face(label, colour, face) for label, colour in _FACES.items()]
    return np.concatenate(faces)


def _draw_face(label: str, colour: tuple[int, int, int], size: int) -> NDArray[np.uint8]:
    picture = Image.new("RGB", (size, size), colour)
    draw = ImageDraw.Draw(picture)
    thin = max(1, size // 256)
    for degrees in _GRID_DEGREES:
        at = (1 + np.tan(np.deg2rad(degrees))) / 2 * size
        draw.line([(at, 0), (at, size)], tuple(c // 2 + 96 for c in colour), thin)
        draw.line([(0, at), (size, at)], tuple(c // 2 + 96 for c in colour), thin)
    draw.rectangle([0, 0, size - 1, size - 1], outline=_INK, width=2 * thin)
    font = ImageFont.load_default(size=0.42 * size)
    draw.text((size / 2, 0.56 * size), label, _INK, font, anchor="mm")
    tip, base, half = 0.16 * size, 0.27 * size, 0.08 * size
    draw.polygon([(size / 2, tip), (size / 2 - half, base), (size / 2 + half, base)], _INK)
    return np.asarray(picture)
