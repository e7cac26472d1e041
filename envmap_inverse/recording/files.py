"""Files of recorded light transport."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from envmap_inverse.errors import InputError, MissingFileError
from envmap_inverse.recording.assembly import matrix_of
from envmap_inverse.recording.rows import check_rows
from envmap_inverse.system.arrays import to_host
from envmap_inverse.system.memory import free_memory
from envmap_inverse.system.sealed_arrays import read_arrays, write_arrays

__all__ = ["read_recording", "write_recording"]

FORMAT, OLDER = 7, 6
"""Of what is written, and of recordings of one shard."""

_MATRICES = ("red", "green", "blue", "squares")
_PARTS = ("data", "indices", "indptr")
_ARRAYS = ("resolution", "image_sizes", "sensors", "spp", "offset", "rows", "scene", "ends")

T = TypeVar("T")


def write_recording(path: Path, transport: Any) -> None:
    """Write a `LightTransport`; the file appears under its own name once it is complete."""
    arrays: dict[str, Any] = {name: np.array(getattr(transport, name)) for name in _ARRAYS}
    matrices = [to_host(matrix) for matrix in (*transport.channels, transport.squares)]
    for name, matrix in zip(_MATRICES, matrices, strict=True):
        for part in _PARTS:
            array, of_red = getattr(matrix, part), getattr(matrices[0], part)
            is_again = part != "data" and (array is of_red or np.array_equal(array, of_red))
            if name == "red" or not is_again:
                arrays[f"{name}_{part}"] = array
    write_arrays(path, {"format": FORMAT, **arrays})


def read_recording(path: Path, make: Callable[..., T]) -> T:
    """Read what `write_recording` wrote; a large one stays on the disk, mapped into memory.

    Args:
        path: the file.
        make: takes the attributes of a `LightTransport`.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is damaged, not a recording, or from another version.
    """
    try:
        found = read_arrays(path, is_mapped=path.stat().st_size > free_memory() / 2)
        if found["format"].item() == OLDER:
            found["ends"] = np.array([found["rows"].max(initial=-1) + 1])
        elif found["format"].item() != FORMAT:
            raise InputError(f"{path}: recorded by another version; record again")
        return make(**_checked(found))
    except InputError:
        raise
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such recording") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a recording, as `record` writes it") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a recorded light transport: {error}; record again") from None


def _checked(found: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    """The attributes of a recording; a ValueError says what does not fit together."""
    width, height = (int(side) for side in found["resolution"])
    sizes = tuple((int(w), int(h)) for w, h in found["image_sizes"])
    sensors = tuple(int(sensor) for sensor in found["sensors"])
    if sensors and len(sensors) != len(sizes):
        raise ValueError(f"{len(sizes)} views have {len(sensors)} sensors")
    num_pixels, rows = sum(w * h for w, h in sizes), found["rows"]
    check_rows(rows, num_pixels)
    num_rows = int(rows.max(initial=-1)) + 1
    ends = tuple(int(end) for end in found["ends"])
    if not ends or ends[-1] != num_rows or (np.diff([0, *ends]) < 0).any():
        raise ValueError(f"its {num_rows} rows are cut at {ends}")
    *channels, squares = (_matrix(found, name, (num_rows, width * height)) for name in _MATRICES)
    if found["offset"].shape != (num_pixels, 3):
        raise ValueError(f"the offset has shape {found['offset'].shape}")
    return {
        "channels": tuple(channels),
        "squares": squares,
        "offset": found["offset"],
        "resolution": (width, height),
        "image_sizes": sizes,
        "sensors": sensors,
        "spp": found["spp"].item(),
        "rows": rows,
        "scene": found["scene"].item(),
        "ends": ends,
    }


def _matrix(arrays: Mapping[str, NDArray[Any]], name: str, shape: tuple[int, int]) -> Any:
    data = arrays[f"{name}_data"]
    indices, ends = (
        arrays[key] if (key := f"{name}_{part}") in arrays else arrays[f"red_{part}"]
        for part in _PARTS[1:]
    )
    is_usual = len(data) < 2**31  # else SciPy would copy the indices
    matrix = (
        sparse.csr_matrix((data, indices, ends), shape)
        if is_usual
        else matrix_of(data, indices, ends, shape)
    )
    if is_usual:
        matrix.check_format(full_check=True)
    return matrix
