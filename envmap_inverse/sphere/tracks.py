"""Follow the lights of successive maps. No Mitsuba."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.sphere.latlong import texel_solid_angles
from envmap_inverse.sphere.lights import Lights, find_lights, match_lights

__all__ = ["Track", "tracks_of"]

MAX_GAP = 5
"""Frames for which a light may be gone and be the same when it is back."""

MAX_TRACKS = 8

KNOWN = 0.05
"""Share of the median coverage from which a texel counts as known: below it, light of pixels that
are bright by other texels gathers in specks."""


@dataclass(kw_only=True)
class Track:
    """A light over the frames in which it is found.

    Attributes:
        frames: their numbers, from 0.
        directions: unit vectors towards it in the map's frame, one for each.
        irradiances: of a surface that faces it, W/m^2 of linear RGB.
    """

    frames: list[int] = field(default_factory=list)
    directions: list[NDArray[np.float64]] = field(default_factory=list)
    irradiances: list[NDArray[np.float64]] = field(default_factory=list)

    @property
    def energy(self) -> float:
        """The sum of its irradiances over the frames and channels."""
        return float(np.sum(self.irradiances))

    def as_dict(self) -> dict[str, Any]:
        """The entries of a JSON file."""
        return {
            "frames": [frame + 1 for frame in self.frames],
            "directions": [direction.tolist() for direction in self.directions],
            "irradiances": [irradiance.tolist() for irradiance in self.irradiances],
        }


def tracks_of(
    maps: Iterable[NDArray[np.float32]], coverage: NDArray[np.float32] | None = None
) -> list[Track]:
    """Follow the brightest lights of a sequence of maps, see `find_lights`.

    A light is the same as one of the frames before if `match_lights` pairs them.

    Args:
        maps: shape (H, W, 3) each.
        coverage: how strongly the pictures see the texels, shape (H, W, 3): what lies where they
            see next to nothing is no light. None if all is seen.

    Returns:
        At most eight tracks, the one with most energy first.
    """
    tracks: list[Track] = []
    known = None if coverage is None else _known(coverage)
    for frame, texels in enumerate(maps):
        found = find_lights(texels, texel_solid_angles(*texels.shape[:2]), known)
        near = [track for track in tracks if frame - track.frames[-1] <= MAX_GAP]
        owners = dict.fromkeys(range(len(found.shares)), None) | {
            int(second): near[first] for first, second in _pairs(near, found)
        }
        for number, owner in owners.items():
            track = Track() if owner is None else owner
            if owner is None:
                tracks.append(track)
            track.frames.append(frame)
            track.directions.append(found.directions[number])
            track.irradiances.append(found.irradiances[number])
    return sorted(tracks, key=lambda track: -track.energy)[:MAX_TRACKS]


def _known(coverage: NDArray[np.float32]) -> NDArray[np.bool_]:
    mean = coverage.mean(axis=2)
    usual = np.median(mean[mean > 0]) if mean.any() else 0
    known: NDArray[np.bool_] = (mean > 0) & (mean >= KNOWN * usual)
    return known


def _pairs(tracks: list[Track], found: Lights) -> NDArray[np.intp]:
    if not tracks or not len(found.shares):
        return np.zeros((0, 2), np.intp)
    nothing = np.zeros(len(tracks))
    before = Lights(
        directions=np.stack([track.directions[-1] for track in tracks]),
        shares=nothing,
        solid_angles=nothing,
        irradiances=np.zeros((len(tracks), 3)),
    )
    return match_lights(before, found)[0]
