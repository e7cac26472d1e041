"""Find a libLLVM that Dr.Jit can use, before it looks for one."""

from __future__ import annotations

import ctypes
import os
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from envmap_inverse.backend.probes import probe, remembered
from envmap_inverse.backend.system_libraries import missing_libraries

__all__ = ["LLVM_WHEEL", "OLDEST_LLVM", "LibLLVM", "find_libllvm", "point_to_libllvm"]

LLVM_WHEEL = "karellen-llvm-core"
NOT_PROBED = "not probed"
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

_replaced: dict[str, str | None] = {}
"""Earlier values of DRJIT_LIBLLVM_PATH, by the values set in their place."""

_warned_of: set[str] = set()


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
            if not probing or str(library.path) in _warned_of:
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


def _users_choice() -> str | None:
    path = os.environ.get("DRJIT_LIBLLVM_PATH")
    return _replaced.get(path, path) if path else None


def _version(path: Path) -> int | None:
    """Major version in names like libLLVM-19.so.1, libLLVM.so.19.1 and what they link to."""
    for name in (path.name, path.resolve().name):
        match = re.search(r"libLLVM(?:-|\.so\.|\.)(\d+)", name)
        if match:
            return int(match[1])
    return None


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
        problem = remembered(key, lambda: probe(_LLVM_PROBE, DRJIT_LIBLLVM_PATH=str(path)))
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
