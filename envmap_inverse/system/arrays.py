"""One interface to arrays on the processor (NumPy, SciPy) and on a graphics card (CuPy).

NumPy's functions take arrays of either kind, and return the same kind (its protocols
`__array_ufunc__` and `__array_function__`). The rest is here: which library an array belongs to,
its sparse matrices, and how arrays are moved. CuPy refuses to move arrays unless told to, so that
nothing crosses between the card and the processor unnoticed.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import DTypeLike, NDArray

__all__ = [
    "HOST",
    "Library",
    "as_columns",
    "as_floats",
    "constants",
    "cupy_library",
    "has_numpy_functions",
    "library_of",
    "like",
    "register",
    "to_host",
]


@dataclass(frozen=True, kw_only=True, eq=False)
class Library:
    """A library of arrays.

    Attributes:
        numpy: the module with NumPy's functions.
        scipy: name of the package with SciPy's.
        is_on_card: whether its arrays lie on a graphics card.
        free_memory: returns the free bytes where its arrays lie; None for the processor's.
        finish: waits until all computations are done.
    """

    numpy: Any
    scipy: str
    is_on_card: bool = False
    free_memory: Callable[[], int] | None = None
    finish: Callable[[], None] = lambda: None

    @property
    def sparse(self) -> Any:
        """The module with the functions of `scipy.sparse`."""
        return importlib.import_module(f"{self.scipy}.sparse")

    @property
    def linalg(self) -> Any:
        """The module with the functions of `scipy.linalg`."""
        return importlib.import_module(f"{self.scipy}.linalg")

    def array(self, values: Any) -> Any:
        """Move an array of NumPy to where the library's lie."""
        return self.numpy.asarray(values)

    def matrix(self, matrix: Any) -> Any:
        """Move a CSR matrix of SciPy to where the library's lie."""
        return self.sparse.csr_matrix(matrix) if self.is_on_card else matrix

    def stacked(self, arrays: Sequence[Any]) -> Any:
        """Copy evaluated arrays of Dr.Jit, of equal length, into the rows of one array."""
        if not self.is_on_card:
            return np.stack([array.numpy() for array in arrays])
        rows = self.numpy.stack([self.numpy.from_dlpack(array) for array in arrays])
        self.finish()  # before Dr.Jit takes the arrays' memory for others
        return rows

    def cho_factor(self, matrix: Any) -> Any:
        """The lower Cholesky factor of a matrix; what is above its diagonal does not count."""
        if self.is_on_card:
            return self.numpy.linalg.cholesky(matrix)
        return self.linalg.cho_factor(matrix, lower=True)[0]

    def cho_solve(self, factor: Any, values: Any) -> Any:
        """Solve for the matrix that has this factor; CuPy has no `cho_solve`."""
        if not self.is_on_card:
            return self.linalg.cho_solve((factor, True), values)
        half = self.linalg.solve_triangular(factor, values, lower=True)
        return self.linalg.solve_triangular(factor, half, trans=1, lower=True)


HOST = Library(numpy=np, scipy="scipy")
"""NumPy and SciPy."""

_BY_PACKAGE = {"numpy": HOST, "scipy": HOST}


@functools.cache
def cupy_library() -> Library | None:
    """CuPy, if it is installed and finds a card."""
    try:
        cupy = importlib.import_module("cupy")
        found = Library(
            numpy=cupy,
            scipy="cupyx.scipy",
            is_on_card=True,
            free_memory=lambda: int(cupy.cuda.runtime.memGetInfo()[0]),
            finish=lambda: cupy.cuda.get_current_stream().synchronize(),
        )
        cupy.zeros(1).sum().get()
    except Exception:  # noqa: BLE001 - whatever is missing, the processor does the same work
        return None
    register(found, "cupy", "cupyx")
    return found


def register(library: Library, *packages: str) -> None:
    """Let arrays whose types come from these packages be a library's."""
    _BY_PACKAGE.update(dict.fromkeys(packages, library))


def library_of(array: Any) -> Library:
    """The library of an array or a sparse matrix; the processor's for what is neither."""
    return _BY_PACKAGE.get(type(array).__module__.partition(".")[0], HOST)


def like(array: NDArray[Any], other: Any) -> NDArray[Any]:
    """Move an array of NumPy to where another lies."""
    moved: NDArray[Any] = library_of(other).array(array)
    return moved


def to_host(array: Any) -> Any:
    """Copy an array or a sparse matrix to the processor, unless it lies there."""
    return array.get() if library_of(array).is_on_card else array


def as_floats(
    array: Any, dtype: DTypeLike = np.float32, order: Literal["C", "F"] | None = None
) -> NDArray[Any]:
    """`numpy.asarray`, where the array lies."""
    found: NDArray[Any] = library_of(array).numpy.asarray(array, dtype, order=order)
    return found


def as_columns(array: Any) -> NDArray[np.float32]:
    """`numpy.asfortranarray` of float32, where the array lies."""
    return as_floats(array, order="F")


def has_numpy_functions(array: Any) -> bool:
    """Whether NumPy's functions take an array; Dr.Jit's have their own."""
    return hasattr(array, "__array_function__")


def constants(function: Callable[..., Any], *arguments: Any, beside: Any) -> tuple[Any, ...]:
    """Arrays that a function makes of nothing but numbers, where another array lies.

    They are moved to a card once.
    """
    library = library_of(beside)
    if not library.is_on_card:
        return tuple(function(*arguments))
    return _moved(library, function, arguments)


@functools.lru_cache(maxsize=16)
def _moved(
    library: Library, function: Callable[..., Any], arguments: tuple[Any, ...]
) -> tuple[Any, ...]:
    return tuple(library.array(each) for each in function(*arguments))
