"""Files of arrays in which no bit can change unnoticed.

Such a file is an .npz file, uncompressed, whose archive comment is the SHA-256 of all bytes before
it. It is read without pickle.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import in_one_line
from envmap_inverse.system.reading import is_endless
from envmap_inverse.system.writing import new_file

__all__ = ["read_arrays", "write_arrays"]

SEAL_LENGTH = 64
"""A SHA-256 in hexadecimal digits."""

LENGTHS_AT = 26
"""Where the header of an archive's member has the lengths of its name and of what follows."""

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


def read_arrays(path: Path, *, is_mapped: bool = False) -> dict[str, NDArray[Any]]:
    """Read what `write_arrays` wrote.

    Args:
        path: the file.
        is_mapped: whether arrays stay on the disk and are mapped into memory; nobody may change
            the file then.

    Raises:
        OSError: if it cannot be read.
        ValueError: if anything in it has changed, or it is not such a file.
    """
    if is_endless(path):
        raise ValueError("it is a pipe or a device")
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
                if is_mapped:
                    return {m.filename[:-4]: _mapped(path, archive, m) for m in archive.infolist()}
            file.seek(0)
            with np.load(file, allow_pickle=False) as found:
                return {name: found[name] for name in found.files}
        except (BadZipFile, EOFError, KeyError, AttributeError, NotImplementedError) as error:
            raise ValueError(in_one_line(error)) from None


def _mapped(path: Path, archive: ZipFile, member: ZipInfo) -> NDArray[Any]:
    """Map an array into memory; one without elements, or of objects, is read."""
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_2_0
        if version == (1, 0):
            read = np.lib.format.read_array_header_1_0
        shape, is_fortran, dtype = read(file)
        length = file.tell()
    if dtype.hasobject or 0 in shape:
        with archive.open(member) as file:
            return np.asarray(np.lib.format.read_array(file, allow_pickle=False))
    with path.open("rb") as whole:
        whole.seek(member.header_offset + LENGTHS_AT)
        start = whole.tell() + 4 + sum(np.frombuffer(whole.read(4), "<u2").tolist())
    order: Literal["F", "C"] = "F" if is_fortran else "C"
    return np.memmap(path, dtype, "r", start + length, shape, order).view(np.ndarray)


def _digest(file: BinaryIO) -> bytes:
    """Hash everything before the seal, and leave the file positioned there."""
    left = file.seek(0, 2) - SEAL_LENGTH
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0 and (piece := file.read(min(left, _PIECE))):
        digest.update(piece)
        left -= len(piece)
    return digest.hexdigest().encode()
