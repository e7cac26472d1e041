"""Which pixels are recorded: views of one sensor share rows, and masked pixels have none.

Pixels of large pictures may be taken together: in blocks, squares of so many pixels on a side.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_rows", "in_blocks", "means_of_blocks", "pixels_of_blocks", "shared_rows"]


def in_blocks(size: tuple[int, int], block: int) -> tuple[int, int]:
    """How many whole blocks a picture of (width, height) has across and down.

    Args:
        size: of the picture.
        block: pixels on a side of a block.
    """
    return size[0] // block, size[1] // block


def pixels_of_blocks(
    numbers: NDArray[np.uint32], size: tuple[int, int], block: int
) -> NDArray[np.uint32]:
    """The numbers of the upper left pixels of blocks; see `in_blocks`.

    Args:
        numbers: of the blocks.
        size: (width, height) of the picture in pixels.
        block: pixels on a side of a block.
    """
    row, column = np.divmod(numbers, max(in_blocks(size, block)[0], 1))
    return np.asarray(block * (row * size[0] + column), np.uint32)


def means_of_blocks(image: NDArray[np.float32], block: int) -> NDArray[np.float32]:
    """The means of an image, shape (h, w, 3), over its whole blocks."""
    columns, rows = in_blocks(image.shape[1::-1], block)
    parts = image[: block * rows, : block * columns].reshape(rows, block, columns, block, -1)
    return image if block == 1 else np.asarray(parts.mean(axis=(1, 3)), np.float32)


def shared_rows(
    sizes: Sequence[tuple[int, int]],
    sensors: Sequence[int],
    masks: Sequence[NDArray[Any]] | None = None,
) -> tuple[Mapping[int, NDArray[np.uint32]], NDArray[np.int32]]:
    """Choose the pixels to record, those that count in some view, and number them.

    Args:
        sizes: (width, height) of each view.
        sensors: index of the sensor of each view.
        masks: of each view, shape (h, w): 0 where it does not count; None if all pixels do.

    Returns:
        Numbers of the recorded pixels of each sensor, ascending; and the row of each pixel of all
        views, one view after the other: -1 where it is not recorded.
    """
    counts: dict[int, NDArray[np.bool_]] = {}
    for view, (sensor, (width, height)) in enumerate(zip(sensors, sizes, strict=True)):
        own = np.ones(width * height, bool) if masks is None else np.ravel(masks[view]) > 0
        counts[sensor] = own | counts.get(sensor, False)
    rows, start = {}, 0
    for sensor, recorded in counts.items():
        rows[sensor] = np.where(recorded, start + np.cumsum(recorded) - 1, -1).astype(np.int32)
        start += int(np.count_nonzero(recorded))
    pixels = {sensor: np.flatnonzero(found).astype(np.uint32) for sensor, found in counts.items()}
    return pixels, np.concatenate([rows[sensor] for sensor in sensors])


def check_rows(rows: NDArray[Any], num_pixels: int) -> None:
    """Check rows that were read from a file.

    Raises:
        ValueError: if they are not one number from -1 up for each pixel.
    """
    if rows.shape != (num_pixels,) or rows.dtype != np.int32 or (rows < -1).any():
        raise ValueError(f"the rows of {num_pixels} pixels have shape {rows.shape}, {rows.dtype}")
