"""Files of arrays in which no bit can change unnoticed.

Such a file is an .npz file, uncompressed, whose archive comment is the SHA-256 of all bytes before
it. It is read without pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO
from zipfile import ZIP_STORED, BadZipFile, ZipFile

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import in_one_line
from envmap_inverse.system.writing import new_file

__all__ = ["read_arrays", "write_arrays"]

SEAL_LENGTH = 64
"""A SHA-256 in hexadecimal digits."""

_PIECE = 2**20


def write_arrays(path: Path, arrays: Mapping[str, Any]) -> None:
    """Write arrays by name; the file appears under its own name once it is complete.

    Raises:
        OSError: if it cannot be written; the error names the file.
    """
    with new_file(path) as file:
        np.savez(file, **arrays)
        with ZipFile(file, "a") as archive:
            archive.comment = bytes(SEAL_LENGTH)
        seal = _digest(file)
        file.seek(-SEAL_LENGTH, 2)
        file.write(seal)


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Raises:
        OSError: if it cannot be read.
        ValueError: if anything in it has changed, or it is not such a file.
    """
    with path.open("rb") as file:
        if file.seek(0, 2) < SEAL_LENGTH:
            raise ValueError("it is cut off")
        if _digest(file) != file.read():
            raise ValueError("its checksum does not match")
        try:
            with ZipFile(file) as archive:
                # The file's length proves these sizes; a compressed member could claim any.
                if any(member.compress_type != ZIP_STORED for member in archive.infolist()):
                    raise ValueError("it is compressed")
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except (BadZipFile, EOFError, KeyError, AttributeError, NotImplementedError) as error:
            raise ValueError(in_one_line(error)) from None


def _digest(file: BinaryIO) -> bytes:
    """Hash everything before the seal, and leave the file positioned there."""
    left = file.seek(0, 2) - SEAL_LENGTH
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest().encode()
