"""One thread for BLAS while the library's own threads compute."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from threadpoolctl import threadpool_limits

__all__ = ["single_threaded_blas"]


@contextmanager
def single_threaded_blas() -> Iterator[None]:
    """Keep BLAS, NumPy's and SciPy's, to one thread of the whole process inside the context.

    Products with dense matrices are small here, and idle threads of BLAS spin beside ours.
    """
    import scipy.linalg  # noqa: F401, PLC0415 - takes a while to load; its BLAS is its own

    with threadpool_limits(1, user_api="blas"):
        yield
