"""Which pixels are recorded: views of one sensor share rows, and masked pixels have none."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["check_rows", "shared_rows"]


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
