"""Light as numbers, in JSON: harmonics, Gaussians, lamps, sun and sky. See docs/lights.md."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from envmap_inverse.lights.gaussians import spherical_gaussians
from envmap_inverse.lights.harmonics import spherical_harmonics
from envmap_inverse.lights.lamps import find_lamps
from envmap_inverse.lights.light import Light
from envmap_inverse.lights.sky import sun_and_sky
from envmap_inverse.system.strict_json import to_json

__all__ = ["gaussians_file", "harmonics_file", "lamps_file", "sun_and_sky_file"]

FRAME = "right-handed, +y up, +z in the middle of the map, +x left of it"


def harmonics_file(light: Light, path: Path, *, order: int) -> dict[Path, bytes]:
    """Spherical harmonics up to an order."""
    return _file(path, "spherical harmonics", spherical_harmonics(light, order).as_dict())


def gaussians_file(light: Light, path: Path, *, lobes: int) -> dict[Path, bytes]:
    """A number of spherical Gaussians."""
    return _file(path, "spherical Gaussians", spherical_gaussians(light, lobes).as_dict())


def lamps_file(light: Light, path: Path) -> dict[Path, bytes]:
    """The lamps."""
    return _file(path, "lamps", find_lamps(light).as_dict())


def sun_and_sky_file(light: Light, path: Path) -> dict[Path, bytes]:
    """Sun and sky."""
    return _file(path, "sun and sky", sun_and_sky(light).as_dict())


def _file(path: Path, kind: str, entries: Mapping[str, Any]) -> dict[Path, bytes]:
    content = {"kind": kind, "frame": FRAME, "units": "linear Rec. 709 RGB, W/m^2 and sr"}
    return {path: f"{to_json(content | dict(entries), indent=1)}\n".encode()}
