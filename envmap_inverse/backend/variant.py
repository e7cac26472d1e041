"""Choose a Mitsuba variant, and how many cores it uses."""

from __future__ import annotations

import contextlib
import logging
import sys
import warnings
from collections.abc import Iterator

from envmap_inverse.backend.libcuda import LIBCUDA, cuda_works
from envmap_inverse.backend.libllvm import LLVM_WHEEL, OLDEST_LLVM, find_libllvm
from envmap_inverse.backend.modules import dr, mi
from envmap_inverse.backend.system_libraries import is_missing
from envmap_inverse.errors import BackendError, in_one_line
from envmap_inverse.system.progress import stage

__all__ = ["limited_threads", "select_variant"]

_LOGGER = logging.getLogger(__name__)


def select_variant(variant: str | None = None) -> str:
    """Set the Mitsuba variant and return its name.

    A variant that the program has set already is kept. Otherwise it is `cuda_ad_rgb` where a GPU
    works and `llvm_ad_rgb` where not.

    Args:
        variant: the one to set instead.

    Raises:
        BackendError: if no usable backend is found, or the variant does not exist.
    """
    if "mitsuba" in sys.modules:
        return _select_variant(variant)
    with stage("Starting Mitsuba"):
        return _select_variant(variant)


def _select_variant(variant: str | None) -> str:
    current = mi.variant()
    if current is not None and variant in (None, current):
        if current.startswith("llvm"):
            _check_loaded_llvm()
        return str(current)
    if variant is None:
        variant = _set_default()
    else:
        _set(variant)
    if dr.thread_count() < 2:  # with one, as on a process bound to a core, scenes load for ever
        dr.set_thread_count(2)
    _LOGGER.info("using Mitsuba's variant %s", variant)
    return variant


def _set_default() -> str:
    """Set the variant of the GPU where one works, and LLVM's elsewhere; returns its name."""
    if cuda_works():
        try:
            _set("cuda_ad_rgb")
        except BackendError as error:
            warnings.warn(f"{error}; using llvm_ad_rgb", RuntimeWarning, stacklevel=4)
        else:
            return "cuda_ad_rgb"
    _set("llvm_ad_rgb")
    return "llvm_ad_rgb"


def _set(variant: str) -> None:
    if variant not in mi.variants():
        names = ", ".join(mi.variants())
        raise BackendError(f"unknown Mitsuba variant {variant!r}; choose one of {names}")
    if variant.startswith("llvm"):
        _check_loaded_llvm()
    try:
        mi.set_variant(variant)
    except ImportError as error:
        words = in_one_line(error)
        raise BackendError(
            f"{variant} cannot be used here: {_why_not(variant)} ({words})"
        ) from error


def _why_not(variant: str) -> str:
    """The likely reason why a variant that Mitsuba has does not load, and the remedy."""
    if not variant.startswith("cuda"):
        return "Mitsuba does not load it; reinstall it: 'pip install --force-reinstall mitsuba'"
    if is_missing(LIBCUDA):
        return f"{LIBCUDA} does not load; install the NVIDIA driver, or leave the variant out"
    return (
        "Dr.Jit found no GPU that it can use when it was imported; import envmap_inverse before "
        "mitsuba, see that 'nvidia-smi' lists a GPU, or leave the variant out"
    )


@contextlib.contextmanager
def limited_threads(number: int | None) -> Iterator[None]:
    """Limit Dr.Jit to a number of cores inside the context; None changes nothing.

    With one, sums are taken in the same order every time; scenes must not be loaded meanwhile.
    """
    if number is None:
        yield
        return
    before = dr.thread_count()
    try:
        dr.set_thread_count(number)
        yield
    finally:
        dr.set_thread_count(before)


def _check_loaded_llvm() -> None:
    """Refuse the libLLVM that Dr.Jit holds if it is none, or one that would abort the process."""
    major = dr.detail.llvm_version()[0] if dr.has_backend(dr.JitBackend.LLVM) else None
    if major is not None and major >= OLDEST_LLVM:
        return
    if major is not None:
        raise BackendError(
            f"Dr.Jit has loaded LLVM {major}, which would abort the process; import envmap_inverse "
            f"before mitsuba, or set DRJIT_LIBLLVM_PATH to LLVM {OLDEST_LLVM} or newer"
        )
    libraries = list(find_libllvm())
    if any(library.problem is None for library in libraries):
        raise BackendError(
            "Dr.Jit found no libLLVM that it can use when it was imported; import envmap_inverse "
            "before mitsuba"
        )
    found = "; ".join(f"{library.path} ({library.problem})" for library in libraries)
    raise BackendError(
        f"no usable libLLVM (found: {found or 'none'}); on Linux x86-64 run "
        f"'pip install {LLVM_WHEEL}', elsewhere install LLVM {OLDEST_LLVM} or newer and set "
        "DRJIT_LIBLLVM_PATH to its library"
    )
