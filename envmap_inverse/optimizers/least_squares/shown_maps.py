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

SPOT_SPP, LAST_SPP, LAST_PATHS, KEPT = 16, 128, 2**21, 16
"""Paths per pixel of pictures of spots; of those in the last step, if so many paths are enough; and
how many of these pictures are kept. Their noise makes spots look fainter than they are."""

CORRECTION_SPP = 64
"""Paths per pixel of the picture that takes the recording's noise away."""


class ShownMaps:
    """The pictures by the maps of a family, from the recording.

    Few recorded paths of a dull object meet a spot: its picture is rendered, by paths that look for
    light. Where light is near, nothing is rendered, as Mitsuba does not know it.

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
        self._spots: dict[tuple[bytes, int], Pixels] = {}
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
        broad, spot = self._family.parts(numbers)
        pixels = self._transport.matvec(self.as_texels(self.level * broad))
        if self._family.is_shape.any():
            pixels = pixels + self._correction
        return pixels if spot is None else pixels + self._of_spot(spot)

    def columns(self, tangents: Tangents) -> Array:
        """How the pictures show each of the maps, and each spot, shape (3, maps, pixels)."""
        if self._columns is None or self._family.is_shape.any():
            shown = [
                *(self._transport.matvec(self.as_texels(self.level * m)) for m in tangents.maps),
                *(self._of_spot(spot) for spot in tangents.spots),
            ]
            shown = [to_host(each) for each in shown]
            self._columns = np.stack([np.stack([s[:, k] for s in shown]) for k in range(3)])
        return self._columns

    def correct(self, numbers: Array) -> None:
        """Find what the recording's noise adds to the picture of a map, by rendering it."""
        if self._can_render and self._family.is_shape.any():
            texels = self.as_texels(self.level * self._family.parts(numbers)[0])
            rendered = self._rendered(np.asarray(to_host(texels)), CORRECTION_SPP)
            self._correction = rendered - self._transport.matvec(texels)

    def look_closely(self) -> None:
        """Render the pictures of spots with less noise from now on."""
        self._spp = max(SPOT_SPP, min(LAST_SPP, LAST_PATHS // self._transport.shape[0]))

    def as_texels(self, texels: Array) -> Array:
        """A map of shape (H * W, 1 or 3) where the recording lies."""
        whole = np.broadcast_to(texels, (len(texels), 3)).astype(np.float32)
        found: Array = as_columns(self._transport.library.array(whole))
        return found

    def _of_spot(self, spot: Spot) -> Pixels:
        key = spot.place.tobytes(), self._spp
        if key not in self._spots:
            self._spots = dict(list(self._spots.items())[-KEPT:])
            texels = self.as_texels(spot.share)
            self._spots[key] = (
                self._rendered(np.asarray(to_host(texels)), self._spp)
                if self._can_render
                else self._transport.matvec(texels)
            )
        light = self._transport.library.array(np.float32(self.level * spot.light))
        found: Pixels = self._spots[key] * light
        return found

    def _rendered(self, texels: NDArray[np.float32], spp: int) -> Pixels:
        """The pictures by a map (H * W, 3), by paths that look for light."""
        width, height = self._transport.resolution
        sensors = [view.sensor for view in self._problem.views]
        shown = np.ascontiguousarray(texels.reshape(height, width, 3))
        image = light_alone(self._problem.scene, shown, sensors, spp)
        found: Pixels = as_columns(self._transport.library.array(image))
        return found
