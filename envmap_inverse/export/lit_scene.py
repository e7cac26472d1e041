"""What the scenes of all programs are made of: a map without small lamps, and those lamps."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.images.exr import Exr
from envmap_inverse.lights.lamps import Lamp, find_lamps
from envmap_inverse.lights.light import Light
from envmap_inverse.sphere.projections import Latlong
from envmap_inverse.sphere.reproject import reproject

__all__ = ["LitScene", "beside", "exr_bytes", "level_and_colour"]


@dataclass(frozen=True, kw_only=True, eq=False)
class LitScene:
    """A map, and lamps beside it that are not in it.

    Lamps of up to 5 degrees are lamps; larger ones stay in the map, where they keep their shape.

    Attributes:
        light: all of it.
    """

    light: Light

    @cached_property
    def _parts(self) -> tuple[NDArray[np.float32], tuple[Lamp, ...]]:
        found = find_lamps(self.light)
        small = [number for number, lamp in enumerate(found.lamps) if lamp.kind == "directional"]
        return found.without(small), tuple(found.lamps[number] for number in small)

    @property
    def texels(self) -> NDArray[np.float32]:
        """The map without those lamps, corner-aligned rows, shape (H, W, 3)."""
        return self._parts[0]

    @property
    def lamps(self) -> tuple[Lamp, ...]:
        """The lamps."""
        return self._parts[1]

    def reprojected(self, offset: float) -> NDArray[np.float32]:
        """The map with centred rows, as most programs read it, turned by a part of a turn.

        Args:
            offset: see `Latlong`; 0.25 puts +x in the middle.
        """
        height, width, _ = self.texels.shape
        return reproject(
            self.texels,
            Latlong(height, width, rows="corner", offset=0.0),
            Latlong(height, width, rows="centred", offset=offset),
        )


def beside(path: Path, program: str) -> Path:
    """The name of the map that a program's file refers to."""
    return path.with_name(f"{path.stem}_{program}.exr")


def exr_bytes(texels: NDArray[np.float32]) -> bytes:
    """An EXR file."""
    return Exr().encode(np.ascontiguousarray(texels, np.float32))


def level_and_colour(irradiance: NDArray[np.float64]) -> tuple[float, list[float]]:
    """The largest channel, and the colour whose largest channel is 1."""
    level = float(irradiance.max())
    return level, [float(part) / max(level, 1e-30) for part in irradiance]
