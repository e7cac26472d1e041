"""Choose a Mitsuba variant, and a libLLVM that works before Dr.Jit looks for one.

Dr.Jit loads libLLVM while it is imported. `mi` and `dr` are Mitsuba and Dr.Jit, imported at their
first use, after a libLLVM was chosen: importing this package is cheap, sets no variant, and works
(as far as `envmap-inverse doctor`) where Mitsuba does not load.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import importlib
import json
import logging
import os
import re
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from envmap_inverse.backend.caches import cache_folder, choose_kernel_cache
from envmap_inverse.backend.system_libraries import (
    how_to_install,
    is_missing,
    missing_libraries,
    missing_library,
)
from envmap_inverse.errors import BackendError
from envmap_inverse.system.memory import free_memory, gibibytes
from envmap_inverse.system.progress import stage

__all__ = ["LibLLVM", "dr", "find_libllvm", "limited_threads", "mi", "select_variant"]

_LOGGER = logging.getLogger(__name__)

LLVM_WHEEL = "karellen-llvm-core"
NOT_PROBED = "not probed"
BYTES_TO_START = 2**25
OLDEST_LLVM = 17
"""LLVM 14 and older are refused by Dr.Jit 1.5; with 15 and 16 the process aborts."""

_SYSTEM_GLOBS = (
    "/usr/lib/*-linux-gnu/libLLVM*.so*",
    "/usr/lib/llvm-*/lib/libLLVM*.so*",
    "/usr/lib64/libLLVM*.so*",
    "/usr/lib64/llvm*/lib/libLLVM*.so*",
    "/usr/local/lib/libLLVM*.so*",
    "/opt/homebrew/opt/llvm*/lib/libLLVM*.dylib",
)

# Run in a child process: LLVM 15 and 16 load, then abort on the first kernel that takes a minimum.
_LLVM_PROBE = """
import drjit as dr
from drjit.llvm import Float
a, b = dr.opaque(Float, 1, 16), dr.opaque(Float, 2, 16)
assert dr.all(dr.minimum(a, b) == 1)
"""
_CUDA_PROBE = """
import mitsuba as mi
mi.set_variant("cuda_ad_rgb")
assert mi.render(mi.load_dict(mi.cornell_box()), spp=1).array[0] >= 0
"""


class _LazyModule:
    """A module that is imported when an attribute of it is first looked up."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if "drjit" not in sys.modules:
            _check_memory()
            point_to_libllvm()
            choose_kernel_cache()
        try:
            module = importlib.import_module(self._name)
        except Exception as error:
            raise BackendError(_explain_import_error(self._name, error)) from error
        return getattr(module, attribute)


mi: Any = _LazyModule("mitsuba")
dr: Any = _LazyModule("drjit")


@dataclass(frozen=True, kw_only=True)
class LibLLVM:
    """A shared libLLVM and whether Dr.Jit can use it.

    Attributes:
        path: the library file.
        origin: "DRJIT_LIBLLVM_PATH", "wheel" or "system".
        version: major version read off the file name, None where it does not tell.
        problem: why it cannot be used; None if it can.
    """

    path: Path
    origin: str
    version: int | None
    problem: str | None


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
        variant = "cuda_ad_rgb" if cuda_works() else "llvm_ad_rgb"
    if variant not in mi.variants():
        names = ", ".join(mi.variants())
        raise BackendError(f"unknown Mitsuba variant {variant!r}; choose one of {names}")
    if variant.startswith("llvm"):
        _check_loaded_llvm()
    mi.set_variant(variant)
    if dr.thread_count() < 2:  # with one, as on a process bound to a core, scenes load for ever
        dr.set_thread_count(2)
    _LOGGER.info("using Mitsuba's variant %s", variant)
    return variant


@contextlib.contextmanager
def limited_threads(number: int | None) -> Iterator[None]:
    """Have Dr.Jit use so many cores, to the end of the context; None leaves it at what it has.

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


def point_to_libllvm(*, probing: bool = True) -> LibLLVM | None:
    """Point Dr.Jit, which must not be imported yet, to the first libLLVM that it can use.

    Where there is none it is pointed to nothing, so that it does not find one that aborts.

    Args:
        probing: False settles for what is known without running a child process, and changes
            nothing where that does not tell.
    """
    before = _users_choice()
    for library in find_libllvm(probing=probing):
        if library.problem is None:
            os.environ["DRJIT_LIBLLVM_PATH"] = str(library.path)
            _replaced[str(library.path)] = before
            return library
        if library.origin == "DRJIT_LIBLLVM_PATH":
            if library.problem == NOT_PROBED:
                return None
            if str(library.path) in _warned_of:
                continue
            _warned_of.add(str(library.path))
            warnings.warn(
                f"DRJIT_LIBLLVM_PATH={library.path} is not used ({library.problem}); "
                "looking for another libLLVM",
                RuntimeWarning,
                stacklevel=2,
            )
    if probing:
        os.environ["DRJIT_LIBLLVM_PATH"] = os.devnull
        _replaced[os.devnull] = before
    return None


def find_libllvm(*, probing: bool = True) -> Iterator[LibLLVM]:
    """Libraries in the order in which they are tried, each with what is known about it.

    The user's `DRJIT_LIBLLVM_PATH`, then the wheel this package depends on, then the system's,
    newest first. A library that is not known good is probed in a child process, once.

    Args:
        probing: False takes a library that is not known good for one that cannot be used.
    """
    chosen = _users_choice()
    wheel = _wheel_library()
    if chosen and wheel is not None and Path(chosen).resolve() == wheel:
        wheel = Path(chosen)
    elif chosen:
        yield _examine(Path(chosen), "DRJIT_LIBLLVM_PATH", probing)
    if wheel is not None:
        problem = _preload_libcxx(wheel.resolve().parent)
        yield LibLLVM(path=wheel, origin="wheel", version=_version(wheel), problem=problem)
    found = {path.resolve() for glob in _SYSTEM_GLOBS for path in Path("/").glob(glob[1:])}
    for path in sorted(found, key=lambda path: (-(_version(path) or 0), str(path))):
        yield _examine(path, "system", probing)


@functools.cache
def cuda_works() -> bool:
    """Whether Mitsuba can render on a GPU here, found out in a child process and remembered."""
    if is_missing("libcuda.so.1") or missing_libraries():
        return False
    driver = Path("/proc/driver/nvidia/version")
    version = driver.read_text() if driver.exists() else "unknown driver"
    return bool(_remembered(f"cuda {version}", lambda: _probe(_CUDA_PROBE) is None))


def _check_memory() -> None:
    """Refuse what Mitsuba and LLVM would answer by ending the process."""
    free = free_memory()
    if free < BYTES_TO_START:
        raise BackendError(
            f"out of memory: Mitsuba needs {gibibytes(BYTES_TO_START)} to start and "
            f"{gibibytes(free)} are free; end other programs, or raise the limit (ulimit)"
        )


_replaced: dict[str, str | None] = {}
"""What DRJIT_LIBLLVM_PATH was before we set it, by what we set it to."""

_warned_of: set[str] = set()


def _users_choice() -> str | None:
    path = os.environ.get("DRJIT_LIBLLVM_PATH")
    return _replaced.get(path, path) if path else None


def _explain_import_error(name: str, error: Exception) -> str:
    library = missing_library(error)
    if library is not None:
        return (
            f"{name} needs the system library {library}, which is missing; "
            f"{how_to_install(library)}"
        )
    words = " ".join(str(error).split())
    return (
        f"{name} cannot be imported ({type(error).__name__}: {words}); reinstall it: "
        f"'pip install --force-reinstall {name}'"
    )


def _version(path: Path) -> int | None:
    """Major version in names like libLLVM-19.so.1, libLLVM.so.19.1 and what they link to."""
    for name in (path.name, path.resolve().name):
        match = re.search(r"libLLVM(?:-|\.so\.|\.)(\d+)", name)
        if match:
            return int(match[1])
    return None


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


def _examine(path: Path, origin: str, probing: bool) -> LibLLVM:
    version = _version(path)
    if not path.is_file():
        problem: str | None = "no such file"
    elif version is not None and version < OLDEST_LLVM:
        problem = f"LLVM {version} is too old, {OLDEST_LLVM} or newer is needed"
    elif not probing or missing_libraries():  # or the lack of those would be remembered
        problem = NOT_PROBED
    else:
        stat = path.stat()
        key = (
            f"{path.resolve()} {stat.st_size} {stat.st_mtime_ns} drjit {metadata.version('drjit')}"
        )
        problem = _remembered(key, lambda: _probe(_LLVM_PROBE, DRJIT_LIBLLVM_PATH=str(path)))
    return LibLLVM(path=path, origin=origin, version=version, problem=problem)


def _wheel_library() -> Path | None:
    try:
        files = metadata.distribution(LLVM_WHEEL).files or []
    except metadata.PackageNotFoundError:
        return None
    for file in files:
        if re.fullmatch(r"libLLVM\.so\.[\d.]+", file.name):
            path = Path(str(file.locate())).resolve()
            if path.is_file():
                return path
    return None


def _preload_libcxx(folder: Path) -> str | None:
    """Load the C++ runtime beside the wheel's libLLVM; returns what went wrong, if anything.

    The wheel finds it through links that it makes at an interpreter start that may write to
    site-packages; loading it by full name works without them.
    """
    for name in ("libunwind.so.1.0", "libc++abi.so.1.0", "libc++.so.1.0"):
        try:
            ctypes.CDLL(str(folder / "x86_64-unknown-linux-gnu" / name))
        except OSError as error:
            return f"its {name} does not load: {error}"
    return None


def _probe(code: str, **environment: str) -> str | None:
    """Run code in a child process; returns what went wrong, None if nothing did."""
    with tempfile.TemporaryDirectory() as empty_cache:
        child = subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "DRJIT_CACHE_DIR": empty_cache, **environment},
            capture_output=True,
            text=True,
            check=False,
        )
    if child.returncode == 0:
        return None
    if child.returncode < 0:
        return f"a test kernel ended with signal {-child.returncode}"
    last = child.stderr.strip().splitlines()[-1:] or ["no message"]
    return f"a test kernel failed: {last[0]}"


def _remembered(key: str, find_out: Callable[[], Any]) -> Any:
    """The answer stored under a key, found out and stored if there is none."""
    path = cache_folder() / "probes.json"
    try:
        known = json.loads(path.read_text())
    except (OSError, ValueError):
        known = {}
    if not isinstance(known, dict):
        known = {}
    if key in known:
        return known[key]
    answer = find_out()
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile("w", dir=path.parent, delete=False) as file:
            json.dump({**known, key: answer}, file)
        Path(file.name).replace(path)
    return answer
