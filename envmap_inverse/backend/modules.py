"""Mitsuba and Dr.Jit, imported at their first use."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Any

from envmap_inverse.backend.caches import choose_kernel_cache
from envmap_inverse.backend.libcuda import point_to_libcuda
from envmap_inverse.backend.libllvm import point_to_libllvm
from envmap_inverse.backend.system_libraries import how_to_install, missing_library
from envmap_inverse.errors import BackendError, InputError, in_one_line
from envmap_inverse.system.memory import free_addresses, free_memory, gibibytes

__all__ = ["check_process", "check_working_folder", "dr", "mi"]

BYTES_TO_START = 2**25
ADDRESSES_TO_START = 3 * 2**28
"""Bytes of addresses, which `ulimit -v` limits: in less, libraries spin."""

_started_in: set[int] = set()
"""Number of the process in which Mitsuba or Dr.Jit was first used."""


class _LazyModule:
    """A module that is imported when an attribute of it is first looked up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if not _started_in:
            _started_in.add(os.getpid())
        if "drjit" not in sys.modules:
            check_working_folder()
            _check_memory()
            point_to_libllvm()
            point_to_libcuda()
            choose_kernel_cache()
        try:
            module = importlib.import_module(self._name)
        except Exception as error:
            raise BackendError(_explain_import_error(self._name, error)) from error
        return getattr(module, attribute)


mi: Any = _LazyModule("mitsuba")
dr: Any = _LazyModule("drjit")


def check_process() -> None:
    """Refuse to go on in a process that was forked off: Mitsuba's threads are not in it.

    Raises:
        BackendError: if Mitsuba was used before the fork.
    """
    if _started_in and os.getpid() not in _started_in:
        raise BackendError(
            "Mitsuba does not work in a process that was forked off after it was used; start "
            "processes by spawning: multiprocessing.get_context('spawn')"
        )


def check_working_folder() -> None:
    """Refuse a working folder that was deleted: Dr.Jit ends the process there.

    Raises:
        InputError: if it was.
    """
    try:
        os.getcwd()  # noqa: PTH109 - nothing is done with it
    except OSError:
        raise InputError("the working folder was deleted; change to another one (cd)") from None


def _check_memory() -> None:
    """Refuse what Mitsuba and LLVM would answer by ending the process."""
    for free, needed in (
        (free_memory(), BYTES_TO_START),
        (free_addresses(), ADDRESSES_TO_START),
    ):
        if free < needed:
            raise BackendError(
                f"out of memory: Mitsuba needs {gibibytes(needed)} to start and {gibibytes(free)} "
                "are free; end other programs, or raise the limit (ulimit)"
            )


def _explain_import_error(name: str, error: Exception) -> str:
    library = missing_library(error)
    if library is not None:
        return (
            f"{name} needs the system library {library}, which is missing; "
            f"{how_to_install(library)}"
        )
    words = in_one_line(error)
    return (
        f"{name} cannot be imported ({type(error).__name__}: {words}); reinstall it: "
        f"'pip install --force-reinstall {name}'"
    )
