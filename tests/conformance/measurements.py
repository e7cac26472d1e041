"""Files of made-up measurements of materials, as Mitsuba's `measured` plugins read them."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TYPES = {"uint8": 1, "uint16": 3, "float32": 10}
"""Numbers of the types in a tensor file."""


def write_measured(path: Path) -> None:
    """Write a slightly glossy material whose reflectance depends on the channel."""
    slope = np.linspace(1.5, 0.5, 8, dtype=np.float32)
    colour = np.float32([1, 0.6, 0.3])[:, None, None]
    _write(
        path,
        description=np.frombuffer(b"made up", np.uint8),
        theta_i=np.linspace(0, np.pi / 2, 4, dtype=np.float32),
        phi_i=np.zeros(1, np.float32),
        ndf=np.ones((2, 2), np.float32),
        sigma=np.ones((2, 2), np.float32),
        vndf=np.tile(slope, (1, 4, 8, 1)),
        luminance=np.ones((1, 4, 8, 8), np.float32),
        rgb=np.tile(0.1 * colour, (1, 4, 1, 8, 8)),
        jacobian=np.zeros(1, np.uint8),
    )


def write_measured_polarized(path: Path) -> None:
    """Write a material whose Mueller matrices fall with the angle between normal and half way."""
    fall = np.linspace(0.3, 0.1, 6, dtype=np.float32)[:, None, None, None]
    _write(
        path,
        theta_h=np.linspace(0, np.pi / 2, 6, dtype=np.float32)[None],
        theta_d=np.linspace(0, np.pi / 2, 5, dtype=np.float32)[None],
        phi_d=np.linspace(-np.pi, np.pi, 4, dtype=np.float32)[None],
        wvls=np.array([450, 500, 550, 600, 650], np.uint16),
        M=np.broadcast_to(fall * np.eye(4, dtype=np.float32), (4, 5, 6, 5, 4, 4)),
    )


def _write(path: Path, **fields: NDArray[Any]) -> None:
    """Write Mitsuba's tensor file: names, types, places and shapes, and then the numbers."""
    sizes = (2 + len(name) + 11 + 8 * field.ndim for name, field in fields.items())
    header = b"tensor_file\0" + struct.pack("<BBI", 1, 0, len(fields))
    start, body = len(header) + sum(sizes), b""
    for name, field in fields.items():
        kind = _TYPES[str(field.dtype)]
        header += struct.pack("<H", len(name)) + name.encode()
        header += struct.pack("<HBQ", field.ndim, kind, start + len(body))
        header += struct.pack(f"<{field.ndim}Q", *field.shape)
        body += field.tobytes()
    path.write_bytes(header + body)
