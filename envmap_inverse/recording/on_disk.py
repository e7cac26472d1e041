"""Matrices that are larger than memory, in files that are mapped into it."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import DTypeLike, NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.recording.assembly import Matrices, Pairs, ends_of, matrix_of
from envmap_inverse.system.memory import gibibytes
from envmap_inverse.system.writing import naming_file

__all__ = ["BYTES_PER_ENTRY", "MatricesOnDisk", "check_disk", "scratch_folder"]

BYTES_PER_ENTRY = 20
"""Four values and a number of a texel, which the four matrices share."""


def scratch_folder() -> Path:
    """The folder for large temporary files: $TMPDIR, else /var/tmp, which is never in memory."""
    named, usual = os.environ.get("TMPDIR"), Path("/var/tmp")
    return usual if named is None and os.access(usual, os.W_OK) else Path(tempfile.gettempdir())


def check_disk(num_bytes: float, free_memory: int) -> None:
    """Refuse matrices that fit neither into memory nor onto the disk.

    Raises:
        InputError: if they do not fit.
    """
    folder = scratch_folder()
    free = shutil.disk_usage(folder).free
    if num_bytes > free:
        raise InputError(
            f"the recorded light transport takes about {gibibytes(num_bytes)}; "
            f"{gibibytes(free_memory)} of memory and {gibibytes(free)} of the disk of {folder} are "
            "free; a smaller --spp or --size takes less, and TMPDIR names another folder"
        )


class MatricesOnDisk:
    """Writes matrices part by part, and maps them.

    The files have no names: they vanish with the matrices, or with the process.
    """

    def __init__(self) -> None:
        folder = scratch_folder()
        with naming_file(folder):
            self._values = [_File(folder, np.float32) for _ in range(4)]
            self._indices = _File(folder, np.int32)
        self._lengths: list[NDArray[Any]] = []
        self._num_texels = 0

    def append(self, pairs: Sequence[Pairs]) -> None:
        """Write further rows.

        Raises:
            OSError: if the disk is full.
        """
        for red_green, blue_squares in pairs:
            self._lengths.append(np.diff(red_green.indptr))
            self._num_texels = red_green.shape[1]
            self._indices.write(red_green.indices)
            red, green, blue, squares = self._values
            for file, values in (
                (red, red_green.data.real),
                (green, red_green.data.imag),
                (blue, blue_squares.data.real),
                (squares, blue_squares.data.imag),
            ):
                file.write(values)

    def finish(self) -> Matrices:
        """The matrices of all rows, whose arrays are read from the disk as needed."""
        ends = ends_of(np.concatenate(self._lengths))
        indices = self._indices.mapped()
        shape = (len(ends) - 1, self._num_texels)
        red, green, blue, squares = (
            matrix_of(f.mapped(), indices, ends, shape) for f in self._values
        )
        return red, green, blue, squares


class _File:
    """An array in a file without a name."""

    def __init__(self, folder: Path, dtype: DTypeLike) -> None:
        self._folder, self._dtype = folder, dtype
        self._file: BinaryIO = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115

    def write(self, array: NDArray[Any]) -> None:
        with naming_file(self._folder):
            self._file.write(np.ascontiguousarray(array, self._dtype).data)

    def mapped(self) -> NDArray[Any]:
        with naming_file(self._folder):
            self._file.flush()
            if not self._file.tell():
                return np.zeros(0, self._dtype)
            found: NDArray[Any] = np.memmap(self._file, self._dtype, "r").view(np.ndarray)
        self._file.close()  # the map keeps it
        return found
