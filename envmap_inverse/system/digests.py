"""Hashes of arrays and texts, to know them again by."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["digest_of"]


def digest_of(*parts: NDArray[Any] | str) -> str:
    """SHA-256 of the parts and their lengths, in hexadecimal digits."""
    digest = hashlib.sha256()
    for part in parts:
        data = (
            part.encode(errors="surrogatepass")
            if isinstance(part, str)
            else np.ascontiguousarray(part).tobytes()
        )
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()
