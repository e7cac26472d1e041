"""Small pictures of some iterations, for the report's scrubber."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import Uint8Image, shrink, tonemap, write_bytes
from envmap_inverse.problem import Iteration

__all__ = ["ThumbnailWriter", "Thumbnails"]

MAX_PIXELS = 256 * 256
MAX_COUNT = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnails:
    """Tone-mapped pictures of n iterations.

    Attributes:
        indices: of the iterations, shape (n,).
        images: of the first view, shape (n, h, w, 3).
        envmaps: of the map, shape (n, H, W, 3).
    """

    indices: NDArray[np.int64]
    images: Uint8Image
    envmaps: Uint8Image

    @classmethod
    def read(cls, path: Path) -> Thumbnails:
        """Read what a `ThumbnailWriter` wrote.

        Raises:
            InputError: if the file is damaged.
        """
        try:
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**arrays)
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
            raise InputError(f"{path}: damaged, delete it: {error}") from None


class ThumbnailWriter:
    """Keeps every k-th iteration and the last; k doubles whenever there are `MAX_COUNT` of them."""

    def __init__(self) -> None:
        """Nothing is kept yet."""
        self._stride = 1
        self._kept: dict[int, tuple[NDArray[np.float32], NDArray[np.float32]]] = {}
        self._last: Iteration | None = None

    def add(self, iteration: Iteration) -> None:
        """Take the next iteration."""
        self._last = iteration
        if iteration.index % self._stride:
            return
        self._keep(iteration)
        if len(self._kept) == MAX_COUNT:
            self._stride *= 2
            self._kept = {k: pair for k, pair in self._kept.items() if k % self._stride == 0}

    def write(self, path: Path, exposure: float) -> None:
        """Write what was kept, and the last iteration, to one file; see `tonemap`."""
        if self._last is None:
            return
        if self._last.index not in self._kept:
            self._keep(self._last)
        images, envmaps = (
            tonemap(np.stack(pictures), exposure)
            for pictures in zip(*self._kept.values(), strict=True)
        )
        stream = io.BytesIO()
        np.savez_compressed(stream, indices=list(self._kept), images=images, envmaps=envmaps)
        write_bytes(path, stream.getvalue())

    def _keep(self, iteration: Iteration) -> None:
        image, envmap = (shrink(p, MAX_PIXELS) for p in (iteration.image, iteration.texels))
        self._kept[iteration.index] = image, envmap
