"""The environment map of a scene: its texels, and their layout in Mitsuba.

The only file that knows the emitter's parameter keys, its tensor and the halo columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import InputError
from envmap_inverse.images import read_noted
from envmap_inverse.images.arrays import as_radiance, check_finite
from envmap_inverse.sphere import latlong

__all__ = ["Envmap", "as_map", "as_texels", "read_map"]

ROTATION_TOLERANCE = 1e-3
"""Largest deviation of a matrix times its transpose from 1: a twentieth of a texel of 256."""


class Envmap:
    """The environment map of a scene: a live view, without halo columns.

    Its texels are radiance. The emitter's `scale` is applied on reading, and becomes 1 when a map
    is put into the scene: the map is then the light itself, for this and other programs.
    """

    def __init__(self, params: Any, name: str) -> None:
        """Args: params: the map's own `mi.SceneParameters`. name: the emitter's id."""
        self.name = name
        self.params = params
        self._key = f"{name}.data"
        self.original_scale = self._scale

    def __repr__(self) -> str:
        """One line: its name and size."""
        width, height = self.resolution
        name = (
            "" if self.name.startswith("object_") else f" {self.name!r}"
        )  # an address, without id
        return f"<Envmap{name} of {width} x {height} texels>"

    @property
    def resolution(self) -> tuple[int, int]:
        """(width, height), without halo."""
        height, width, _ = self.params[self._key].shape
        return width - 2, height

    @property
    def texels(self) -> NDArray[np.float32]:
        """Linear RGB radiance, the emitter's `scale` applied; (H, W, 3), float32; a copy."""
        return self.texels_of(self.params[self._key]) * np.float32(self._scale)

    @property
    def rgba(self) -> NDArray[np.float32]:
        """The texels as flat float32 (W*H*4,), alpha 1; a copy."""
        return latlong.flatten_rgba(self.texels)

    @property
    def to_world(self) -> NDArray[np.float64]:
        """Rotation from the map's frame to the world, shape (4, 4)."""
        return _matrix(self.params[f"{self.name}.to_world"])

    @property
    def to_local(self) -> NDArray[np.float64]:
        """Mitsuba's matrix from the world to the map's frame, shape (4, 4).

        Mitsuba stores it beside `to_world`. It is not the inverse if the scene rotates about an
        axis that is not of unit length.
        """
        return _matrix(self.params[f"{self.name}.to_world"].inverse())

    @property
    def is_rotated(self) -> bool:
        """Whether `to_world` only rotates or mirrors, and `to_local` undoes it."""
        forward, backward = self.to_world[:3, :3], self.to_local[:3, :3]
        unit = np.stack([forward @ forward.T, forward @ backward])
        return bool(np.allclose(unit, np.eye(3), atol=ROTATION_TOLERANCE))

    def write(self, texels: NDArray[np.float32]) -> None:
        """Put texels (H, W, 3) into the scene, of any resolution and sign, unchecked."""
        halo = np.concatenate([texels[:, -1:], texels, texels[:, :1]], axis=1)
        self.write_tensor(mi.TensorXf(np.ascontiguousarray(halo, np.float32)))

    def write_tensor(self, tensor: Any) -> None:
        """Put a tensor from `to_tensor`, gradients and all, into the scene."""
        self._put(tensor, 1.0)

    def to_tensor(self, rgba: Any) -> Any:
        """Convert a map to Mitsuba's tensor.

        Args:
            rgba: flat `mi.Float` (W*H*4,) of the scene's resolution, on the device.

        Returns:
            `mi.TensorXf` (H, W + 2, 3): one halo column on each side repeats the opposite border.
        """
        width, height = self.resolution
        value = dr.arange(mi.UInt32, height * (width + 2) * 3)
        texel, channel = value // 3, value % 3
        row, column = texel // (width + 2), (texel % (width + 2) + width - 1) % width
        index = (row * width + column) * 4 + channel
        return mi.TensorXf(dr.gather(mi.Float, rgba, index), (height, width + 2, 3))

    def gradient_of(self, tensor: Any) -> Any:
        """Gradient of a tensor from `to_tensor`, flat `mi.Float` (W*H*4,); 0 for alpha.

        The halo's gradient is 0: Mitsuba refreshes it from the columns that it repeats.
        """
        width, height = self.resolution
        value = dr.arange(mi.UInt32, height * width * 4)
        texel, channel = value // 4, value % 4
        row, column = texel // width, texel % width
        index = (row * (width + 2) + column + 1) * 3 + channel
        return dr.gather(mi.Float, dr.grad(tensor).array, index, channel < 3)

    @staticmethod
    def texels_of(tensor: Any) -> NDArray[np.float32]:
        """Convert a tensor in Mitsuba's layout to texels (H, W, 3), without halo; a copy."""
        return np.ascontiguousarray(np.array(tensor, np.float32)[:, 1:-1])

    @contextmanager
    def holding(self, texels: NDArray[np.float32] | None) -> Iterator[None]:
        """Put texels into the scene and restore its own at the end; None changes nothing."""
        if texels is None:
            yield
            return
        before = mi.TensorXf(dr.detach(self.params[self._key])), self._scale
        try:
            self.write(texels)
            yield
        finally:
            self._put(*before)

    @property
    def _scale(self) -> float:
        """Factor by which the emitter multiplies its tensor."""
        return float(self.params[f"{self.name}.scale"][0])

    def _put(self, tensor: Any, scale: float) -> None:
        if self._scale != scale:
            self.params[f"{self.name}.scale"] = scale
        self.params[self._key] = tensor
        self.params.update()


def as_texels(texels_or_rgba: ArrayLike, resolution: tuple[int, int]) -> NDArray[np.float32]:
    """Convert texels or flat RGBA to texels (H, W, 3), and check shape and finiteness.

    Raises:
        InputError: if the shape is wrong, or a number is NaN or infinite.
    """
    width, height = resolution
    array = as_radiance(texels_or_rgba)
    if array.shape == (width * height * 4,):
        array = latlong.unflatten_rgba(array, resolution)
    if array.shape != (height, width, 3):
        raise InputError(
            f"a map for this scene must have shape ({height}, {width}, 3), "
            f"or ({width * height * 4},) as flat RGBA; found {array.shape}"
        )
    check_finite(array, "repair them first")
    return array


def as_map(
    texels_or_rgba: ArrayLike, resolution: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Convert texels of any size from 3 x 2, or flat RGBA of a given size; checks as `as_texels`.

    Raises:
        InputError: if it is neither, or a number is NaN or infinite.
    """
    array = as_radiance(texels_or_rgba)
    if array.ndim == 3 and array.shape[0] >= 2 and array.shape[1] >= 3:
        return as_texels(array, (array.shape[1], array.shape[0]))
    if resolution is None:
        raise InputError(f"a map must have shape (2 or more, 3 or more, 3); found {array.shape}")
    return as_texels(array, resolution)


def read_map(path: Path) -> NDArray[np.float32]:
    """Read the texels (H, W, 3) of an image file; warns of all that is done to its values.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it cannot be read, or cannot be a map; the message names the file.
    """
    image = read_noted(path)
    try:
        return as_map(image)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def _matrix(transform: Any) -> NDArray[np.float64]:
    return np.array(transform.matrix, np.float64).reshape(4, 4)
