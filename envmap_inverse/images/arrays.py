"""Accept arrays of radiance from callers, and refuse what cannot be radiance."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from envmap_inverse.errors import InputError

__all__ = ["as_numbers", "as_radiance", "check_finite"]


def as_radiance(values: ArrayLike) -> NDArray[np.float32]:
    """Convert an array of linear radiance, of any shape, to float32.

    Raises:
        InputError: if it is a file's name, holds sRGB bytes, or is not an array of numbers.
    """
    array = as_numbers(values)
    if array.dtype.kind == "u":
        raise InputError(
            f"holds {array.dtype} values, as 8-bit pictures do: they are sRGB-encoded, not linear "
            "radiance; read the file with ei.read_image, or convert the array "
            "with srgb_to_linear(array / 255)"
        )
    return np.asarray(array, np.float32)


def check_finite(array: NDArray[np.floating], remedy: str) -> None:
    """Refuse an image or a map that has NaN or infinity.

    Args:
        array: shape (rows, columns, channels).
        remedy: what to do about such values.

    Raises:
        InputError: with the number of such values and the place of the first.
    """
    bad = ~np.isfinite(array)
    if bad.any():
        row, column, _ = np.argwhere(bad)[0]
        raise InputError(
            f"{bad.sum()} values are NaN or infinite, the first in row {row}, column {column}; "
            f"{remedy}"
        )


def as_numbers(values: Any) -> NDArray[Any]:
    """Return an array of real numbers, unchanged.

    Raises:
        InputError: if it is a file's name, or not an array of numbers.
    """
    if isinstance(values, str | Path):
        raise InputError(
            f"is the name {str(values)!r}, but must be an array; read the file first, e.g. with "
            "ei.read_image"
        )
    try:
        array = np.asarray(values)
    except (TypeError, ValueError) as error:
        raise InputError(f"is not an array of numbers: {error}") from None
    if array.dtype.kind not in "biuf":
        raise InputError(f"is not an array of numbers; found {type(values).__name__}")
    return array
