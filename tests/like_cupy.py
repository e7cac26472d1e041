"""A stand-in for CuPy made of NumPy and SciPy: arrays that refuse to leave their card unasked.

It has the functions that the program uses, with CuPy's signatures, so that a call that CuPy would
refuse fails here too. `crossings` counts the values that were copied from the card.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin
from scipy import linalg, sparse

from envmap_inverse.system import arrays
from envmap_inverse.system.arrays import Library

SCALARS = (bool, int, float, complex, np.generic)

crossings: list[int] = []
"""Sizes of the arrays that were copied to the processor, in values."""


def inside(value: Any) -> Any:
    """What lies on the card; arrays of the processor are refused."""
    if isinstance(value, Array | Matrix):
        return value.held
    if isinstance(value, np.ndarray) or sparse.issparse(value):
        raise TypeError("Implicit conversion to an array on the card is not allowed")
    if isinstance(value, tuple | list):
        return type(value)(map(inside, value))
    return value


def outside(value: Any) -> Any:
    """Wrap results; a number is an array without axes, as with CuPy."""
    if isinstance(value, tuple | list):
        return type(value)(map(outside, value))
    if sparse.issparse(value):
        return Matrix(value)
    return Array(np.asarray(value)) if isinstance(value, np.ndarray | np.generic) else value


class Array(NDArrayOperatorsMixin):
    """An array on the card."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __array__(self, *_: Any, **__: Any) -> Any:
        raise TypeError("Implicit conversion to a NumPy array is not allowed; use `.get()`")

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **options: Any) -> Any:
        if method != "__call__" or "where" in options:
            return NotImplemented
        if "out" in options:
            options["out"] = inside(options["out"])
        return outside(ufunc(*map(inside, inputs), **options))

    def __array_function__(self, function: Any, _: Any, args: Any, options: Any) -> Any:
        refused = {"where", "initial", "workers"} & set(options)
        if function.__name__ not in FUNCTIONS or refused:
            return NotImplemented
        return outside(function(*inside(args), **{k: inside(v) for k, v in options.items()}))

    def __getitem__(self, key: Any) -> Any:
        return outside(self.held[inside(key)])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.held[inside(key)] = inside(value)

    def __iter__(self) -> Iterator[Any]:
        return (outside(part) for part in self.held)

    def __len__(self) -> int:
        return len(self.held)

    def _number(self, kind: Callable[[Any], Any]) -> Any:
        assert self.held.size == 1
        return kind(self.held.item())

    def __float__(self) -> float:
        return float(self._number(float))

    def __int__(self) -> int:
        return int(self._number(int))

    def __index__(self) -> int:
        return operator.index(self.held.item())

    def __bool__(self) -> bool:
        return bool(self._number(bool))

    def __getattr__(self, name: str) -> Any:
        if name not in ATTRIBUTES:
            raise AttributeError(name)
        found = getattr(self.held, name)
        if not callable(found):
            return outside(found) if isinstance(found, np.ndarray) else found
        return lambda *args, **options: outside(
            found(*inside(args), **{k: inside(v) for k, v in options.items()})
        )

    def get(self) -> Any:
        crossings.append(self.held.size)
        return self.held.copy()


class Matrix:
    """A sparse matrix on the card."""

    def __init__(self, held: Any) -> None:
        self.held = held

    def __matmul__(self, other: Any) -> Any:
        return outside(self.held @ inside(other))

    def __getitem__(self, key: Any) -> Any:
        return outside(self.held[inside(key)])

    @property
    def T(self) -> Any:  # noqa: N802
        return outside(self.held.T)

    def __getattr__(self, name: str) -> Any:
        if name in {"data", "indices", "indptr"}:
            return Array(getattr(self.held, name))
        if name in {"shape", "nnz", "dtype"}:
            return getattr(self.held, name)
        if name not in {"tocsr", "sum", "power", "diagonal", "astype"}:
            raise AttributeError(name)
        return lambda *args, **options: outside(
            np.asarray(getattr(self.held, name)(*args, **options))
            if name == "sum"
            else getattr(self.held, name)(*args, **options)
        )

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "held":
            super().__setattr__(name, value)
        else:
            setattr(self.held, name, inside(value))

    def get(self) -> Any:
        crossings.append(self.held.data.size)
        return self.held.copy()


FUNCTIONS = {
    "amax",
    "any",
    "bincount",
    "clip",
    "concatenate",
    "cumsum",
    "diff",
    "einsum",
    "interp",
    "irfft",
    "kron",
    "log",
    "max",
    "mean",
    "moveaxis",
    "ones_like",
    "outer",
    "ptp",
    "repeat",
    "rfft",
    "roll",
    "searchsorted",
    "split",
    "stack",
    "sum",
    "tensordot",
    "where",
    "size",
    "zeros_like",
}
ATTRIBUTES = {
    "T",
    "all",
    "any",
    "astype",
    "copy",
    "dtype",
    "imag",
    "max",
    "mean",
    "min",
    "nbytes",
    "ndim",
    "ravel",
    "real",
    "reshape",
    "shape",
    "size",
    "sum",
    "transpose",
}


def _made(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda *args, **options: outside(function(*inside(args), **options))


def _asarray(values: Any, dtype: Any = None, order: Any = None) -> Any:
    """Also moves arrays of NumPy to the card, as CuPy's does."""
    held = values.held if isinstance(values, Array) else values
    return Array(np.asarray(held, dtype, order=order))


def _csr_matrix(argument: Any, shape: Any = None, **options: Any) -> Any:
    held = argument if sparse.issparse(argument) else inside(argument)
    return Matrix(sparse.csr_matrix(held, shape, **options))


def _csc_matrix(argument: Any, shape: Any = None, **options: Any) -> Any:
    return Matrix(sparse.csc_matrix(inside(argument), shape, **options))


class _Library(Library):
    """Finds its sparse matrices here, and takes Dr.Jit's arrays through NumPy."""

    @property
    def linalg(self) -> Any:
        return SimpleNamespace(solve_triangular=_made(linalg.solve_triangular))

    @property
    def sparse(self) -> Any:
        return SimpleNamespace(
            csr_matrix=_csr_matrix,
            csc_matrix=_csc_matrix,
            diags=lambda diagonal: Matrix(sparse.diags(inside(diagonal))),
        )

    def stacked(self, arrays: Any) -> Any:
        return Array(np.stack([array.numpy() for array in arrays]))


LIKE_CUPY = _Library(
    numpy=SimpleNamespace(
        asarray=_asarray,
        linalg=SimpleNamespace(cholesky=_made(np.linalg.cholesky)),
        **{name: _made(getattr(np, name)) for name in ("arange", "empty", "full", "ones", "zeros")},
    ),
    scipy="",
    is_on_card=True,
    free_memory=lambda: 2**40,
)
arrays.register(LIKE_CUPY, __name__)


@contextmanager
def counted_crossings() -> Iterator[list[int]]:
    """Count what crosses to the processor meanwhile."""
    crossings.clear()
    yield crossings
