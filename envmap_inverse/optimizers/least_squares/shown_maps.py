"""How the pictures show maps that follow from few numbers: recorded, and rendered where sparse."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.light_models.family import Family, Spot, Tangents
from envmap_inverse.optimizers.least_squares.pictures import Pixels
from envmap_inverse.problem.problem import Problem
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.recording.other_light import light_alone
from envmap_inverse.system.arrays import as_columns, to_host
from envmap_inverse.system.memory import free_memory, gibibytes

__all__ = ["ShownMaps"]

Array = NDArray[Any]

SPOT_SPP, LAST_SPP, LAST_PATHS, KEPT = 16, 128, 2**21, 32
"""Paths per pixel of each half of a spot's picture; of those in the last round, if so many paths
are enough; and how many of these halves are kept."""

SPARSE, MORE = 0.25, 4
"""Share of noise in a spot's picture from which on the last round has so many times the paths."""

HALVES = 0, 1
"""Seeds of the two pictures of a spot."""

CORRECTION_SPP = 64
"""Paths per pixel of the picture that takes the recording's noise away."""


class ShownMaps:
    """The pictures by the maps of a family, from the recording.

    Few recorded paths of a dull object meet a spot: its picture is rendered, by paths that look for
    light. Where light is near, nothing is rendered, as Mitsuba does not know it.

    Each spot is rendered twice, with other paths. In a product of both pictures noise is zero on
    average; in the square of one it adds to the spot's own, which would then be found too faint:
    by a quarter on a mirror, which shows the sun in a few pixels.

    Attributes:
        level: radiance over that of the family's maps.
    """

    def __init__(self, problem: Problem, transport: LightTransport, family: Family) -> None:
        """Prepare.

        Raises:
            InputError: if the pictures of the family's maps do not fit into memory.
        """
        self._problem, self._transport, self._family = problem, transport, family
        self.level, self._spp = 1.0, SPOT_SPP
        self._columns: Array | None = None
        self._spots: dict[tuple[bytes, int, int], Pixels] = {}
        self._correction: Pixels | float = 0.0
        self._can_render = problem.scene.surroundings is None
        tangents = family.tangents(family.mean)
        num_maps, num_pixels = len(tangents.maps) + len(tangents.spots), transport.shape[0]
        num_bytes = 3 * 4 * num_maps * num_pixels
        if num_bytes > free_memory() // 2:
            raise InputError(
                f"parameterization: {num_maps} maps for {num_pixels} pixels need "
                f"{gibibytes(num_bytes)} of memory; take fewer, or smaller pictures"
            )

    def predict(self, numbers: Array) -> Pixels:
        """The pictures by some numbers, shape (pixels, 3)."""
        first, second = self.predictions(numbers)
        return first if first is second else (first + second) / np.float32(2)

    def predictions(self, numbers: Array) -> tuple[Pixels, Pixels]:
        """The same, by each of the two pictures of the spot."""
        broad, spot = self._family.parts(numbers)
        pixels = self._transport.matvec(self.as_texels(self.level * broad))
        if self._family.is_shape.any():
            pixels = pixels + self._correction
        if spot is None:
            return pixels, pixels
        first, second = (pixels + self._of_spot(spot, half) for half in HALVES)
        return first, second

    def columns(self, tangents: Tangents) -> tuple[Array, Array]:
        """How the pictures show each of the maps, and each spot, shapes (3, maps, pixels).

        Two of them, by each of the two pictures of the spots.
        """
        if self._columns is None or self._family.is_shape.any():
            shown = [self._transport.matvec(self.as_texels(self.level * m)) for m in tangents.maps]
            self._columns = _by_channel(shown)
        if not tangents.spots:
            return self._columns, self._columns
        first, second = (
            np.concatenate(
                [self._columns, _by_channel([self._of_spot(s, half) for s in tangents.spots])],
                axis=1,
            )
            for half in HALVES
        )
        return first, second

    def correct(self, numbers: Array) -> None:
        """Find what the recording's noise adds to the picture of a map, by rendering it."""
        if self._can_render and self._family.is_shape.any():
            texels = self.as_texels(self.level * self._family.parts(numbers)[0])
            rendered = self._rendered(np.asarray(to_host(texels)), CORRECTION_SPP)
            self._correction = rendered - self._transport.matvec(texels)

    def look_closely(self, numbers: Array) -> None:
        """Render the pictures of spots with less noise from now on, in mirrors most of all."""
        _, spot = self._family.parts(numbers)
        if spot is None or not self._can_render:
            return
        first, second = (to_host(self._of_spot(spot, half)) for half in HALVES)
        squares = float(np.sum(first**2 + second**2)) / 2
        is_sparse = float(np.sum(first * second)) < (1 - SPARSE) * squares
        most = LAST_SPP * (MORE if is_sparse else 1)
        self._spp = max(SPOT_SPP, min(most, LAST_PATHS // self._transport.shape[0]))

    def as_texels(self, texels: Array) -> Array:
        """A map of shape (H * W, 1 or 3) where the recording lies."""
        whole = np.broadcast_to(texels, (len(texels), 3)).astype(np.float32)
        found: Array = as_columns(self._transport.library.array(whole))
        return found

    def _of_spot(self, spot: Spot, half: int) -> Pixels:
        key = spot.place.tobytes(), self._spp, half
        if key not in self._spots:
            self._spots = dict(list(self._spots.items())[-KEPT:])
            texels = self.as_texels(spot.share)
            self._spots[key] = (
                self._rendered(np.asarray(to_host(texels)), self._spp, half)
                if self._can_render
                else self._transport.matvec(texels)
            )
        light = self._transport.library.array(np.float32(self.level * spot.light))
        found: Pixels = self._spots[key] * light
        return found

    def _rendered(self, texels: NDArray[np.float32], spp: int, seed: int = 0) -> Pixels:
        """The pictures by a map (H * W, 3), by paths that look for light."""
        width, height = self._transport.resolution
        sensors = [view.sensor for view in self._problem.views]
        shown = np.ascontiguousarray(texels.reshape(height, width, 3))
        image = light_alone(self._problem.scene, shown, sensors, spp, seed)
        found: Pixels = as_columns(self._transport.library.array(image))
        return found


def _by_channel(pictures: list[Pixels]) -> Array:
    """Pictures (pixels, 3) as one array (3, pictures, pixels)."""
    shown = [to_host(each) for each in pictures]
    return np.stack([np.stack([each[:, k] for each in shown]) for k in range(3)])
