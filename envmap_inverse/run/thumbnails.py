"""Small pictures of some iterations, and of maps drawn at random, for the report to play."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import Uint8Image, shrink, tonemap, write_bytes
from envmap_inverse.problem.solution import Iteration
from envmap_inverse.system.reading import check_regular
from envmap_inverse.system.sealed_arrays import write_arrays

__all__ = ["ThumbnailWriter", "Thumbnails"]

MAX_PIXELS = 256 * 256
MAX_COUNT = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class Thumbnails:
    """Tone-mapped pictures of n iterations.

    Attributes:
        indices: numbers of the iterations, shape (n,).
        images: pictures of the first view, shape (n, h, w, 3).
        envmaps: pictures of the map, shape (n, H, W, 3).
        samples: pictures of maps drawn at random, shape (m, H, W, 3); m is 0 if nothing is known of
            how sure the map is.
    """

    indices: NDArray[np.int64]
    images: Uint8Image
    envmaps: Uint8Image
    samples: Uint8Image = field(default_factory=lambda: np.zeros((0, 1, 1, 3), np.uint8))

    @classmethod
    def read(cls, path: Path) -> Thumbnails:
        """Read a file that a `ThumbnailWriter` wrote.

        Raises:
            InputError: if the file is damaged.
        """
        try:
            check_regular(path)
            with np.load(path, allow_pickle=False) as arrays:
                return cls(**arrays)
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
            raise InputError(f"{path}: damaged, delete it: {error}") from None


class ThumbnailWriter:
    """Keeps every k-th iteration and the last; k doubles whenever the most are kept."""

    def __init__(self, most: int = MAX_COUNT) -> None:
        """Start with nothing kept; most is a power of 2."""
        self._stride, self._most = 1, most
        self._kept: dict[int, tuple[NDArray[Any], NDArray[Any]]] = {}  # uint8 if tone-mapped
        self._last: Iteration | None = None

    def add(self, iteration: Iteration) -> None:
        """Consider the next iteration."""
        self._last = iteration
        if iteration.index % self._stride:
            return
        self._keep(iteration)
        if len(self._kept) == self._most:
            self._stride *= 2
            self._kept = {k: pair for k, pair in self._kept.items() if k % self._stride == 0}

    def write(
        self, path: Path, exposure: float, samples: Sequence[NDArray[np.float32]] = ()
    ) -> None:
        """Write the kept iterations and the last one to a file.

        Args:
            path: the file.
            exposure: see `tonemap`.
            samples: maps drawn at random, shape (H, W, 3) each.
        """
        if self._last is None:
            return
        arrays = self._arrays(self._last, exposure)
        if len(samples):
            drawn = [tonemap(shrink(texels, MAX_PIXELS), exposure) for texels in samples]
            arrays["samples"] = np.stack(drawn)
        stream = io.BytesIO()
        np.savez_compressed(stream, **arrays)
        write_bytes(path, stream.getvalue())

    def write_draft(self, path: Path, exposure: float) -> None:
        """Write a file for `restore` fast; it is about as large as the pictures."""
        if self._last is not None:
            write_arrays(path, self._arrays(self._last, exposure))

    def restore(self, path: Path, count: int) -> None:
        """Restore the thumbnails of the earlier iterations of a resumed run.

        Args:
            path: the file; nothing happens if it does not exist.
            count: number of earlier iterations.

        Raises:
            InputError: if the file is damaged.
        """
        while -(-count // self._stride) >= self._most:
            self._stride *= 2
        if not path.exists():
            return
        found = Thumbnails.read(path)
        pairs = zip(found.images, found.envmaps, strict=True)
        self._kept = {
            int(index): pair
            for index, pair in zip(found.indices, pairs, strict=True)
            if index < count and index % self._stride == 0
        }

    def _keep(self, iteration: Iteration) -> None:
        self._kept[iteration.index] = _small(iteration)

    def _arrays(self, last: Iteration, exposure: float) -> dict[str, Any]:
        kept = {**self._kept, last.index: self._kept.get(last.index) or _small(last)}
        images, envmaps = (
            np.stack([p if p.dtype == np.uint8 else tonemap(p, exposure) for p in pictures])
            for pictures in zip(*kept.values(), strict=True)
        )
        return {"indices": list(kept), "images": images, "envmaps": envmaps}


def _small(iteration: Iteration) -> tuple[NDArray[Any], NDArray[Any]]:
    return shrink(iteration.image, MAX_PIXELS), shrink(iteration.texels, MAX_PIXELS)
