"""Find out what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

from envmap_inverse.backend.caches import cache_folder
from envmap_inverse.backend.libcuda import cuda_works
from envmap_inverse.backend.libllvm import find_libllvm
from envmap_inverse.backend.system_libraries import NEEDED, how_to_install, is_missing
from envmap_inverse.system.arrays import cupy_library
from envmap_inverse.system.memory import free_memory, gibibytes
from envmap_inverse.version import __version__

__all__ = ["Finding", "examine"]

_WHEEL = "envmap-inverse"
_DEMANDING = (_WHEEL, "mitsuba")
"""Packages whose demands are checked."""

_REINSTALL = f"install {_WHEEL} into a new environment, as its README says"
_BYTES_OF_MEMORY = 2**29
_BYTES_OF_DISK = 2**28
"""Enough for the demo and its results."""

_TRY_VARIANT = """
import json, os
from envmap_inverse.backend import dr, mi, select_variant
from envmap_inverse.errors import BackendError
try:
    answer = {"variant": select_variant()}
    if dr.has_backend(dr.JitBackend.LLVM):
        version = ".".join(map(str, dr.detail.llvm_version()))
        path = os.environ.get("DRJIT_LIBLLVM_PATH", "the system's")
        answer["libllvm"] = f"{version} from {path}"
    answer["sum"] = float((dr.opaque(mi.Float, 1, 16) + 1)[0])
except BackendError as error:
    answer = {"problem": str(error)}
print(json.dumps(answer))
"""


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One line of the report.

    Attributes:
        name: what was looked at.
        found: what was seen.
        remedy: what to do about it; empty if nothing is wrong.
    """

    name: str
    found: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Look at everything a run needs; whatever one look raises is a finding too."""
    looks: dict[str, Callable[[], Iterator[Finding]]] = {
        "python": _python,
        "envmap_inverse": _this_package,
        "packages": _packages,
        "system libraries": _system_libraries,
        "memory": _memory,
        "disk": _disk,
        "libLLVM": _libllvm,
        "CUDA": _gpu,
        "variant": _variant,
        "caches": _caches,
        "ffmpeg": _ffmpeg,
    }
    for name, look in looks.items():
        try:
            yield from look()
        except Exception as error:  # noqa: BLE001 - a broken machine must not end the report
            words = " ".join(f"{type(error).__name__}: {error}".split())
            yield Finding(name=name, found=f"failed ({words})", remedy=_REINSTALL)


def _python() -> Iterator[Finding]:
    demanded = SpecifierSet(metadata.metadata(_WHEEL)["Requires-Python"] or "")
    found = platform.python_version()
    remedy = "" if demanded.contains(found, prereleases=True) else f"install Python {demanded}"
    yield Finding(name="python", found=f"{found} on {platform.platform()}", remedy=remedy)


def _this_package() -> Iterator[Finding]:
    yield Finding(name="envmap_inverse", found=__version__)


def _packages() -> Iterator[Finding]:
    """The installed packages, beside the versions that the wheels demand in their metadata."""
    for demanding in _DEMANDING:
        for text in metadata.requires(demanding) or []:
            demanded = Requirement(text)
            if demanded.marker is None or demanded.marker.evaluate({"extra": ""}):
                yield _package(demanded, demanding)


def _package(demanded: Requirement, demanding: str) -> Finding:
    remedy = f"pip install '{demanded.name}{demanded.specifier}'"
    try:
        found = metadata.version(demanded.name)
    except metadata.PackageNotFoundError:
        return Finding(name=demanded.name, found="not installed", remedy=remedy)
    if demanded.specifier.contains(found, prereleases=True):
        return Finding(name=demanded.name, found=found)
    words = f"{found}, but {demanding} needs {demanded.specifier}"
    return Finding(name=demanded.name, found=words, remedy=remedy)


def _system_libraries() -> Iterator[Finding]:
    for library in NEEDED:
        if is_missing(library):
            yield Finding(name=library, found="missing", remedy=how_to_install(library))
        else:
            yield Finding(name=library, found="present")


def _memory() -> Iterator[Finding]:
    free = free_memory()
    remedy = "end other programs, or raise the limit (ulimit, or the container's)"
    yield Finding(
        name="memory",
        found=f"{gibibytes(free)} free",
        remedy=remedy if free < _BYTES_OF_MEMORY else "",
    )


def _disk() -> Iterator[Finding]:
    folders = (cache_folder(), Path(tempfile.gettempdir()), Path.cwd())
    for folder in {folder.stat().st_dev: folder for folder in folders}.values():
        free = shutil.disk_usage(folder).free
        remedy = f"make room on the disk of {folder}: {gibibytes(_BYTES_OF_DISK)} at least"
        yield Finding(
            name="disk",
            found=f"{gibibytes(free)} free in {folder}",
            remedy=remedy if free < _BYTES_OF_DISK else "",
        )


def _libllvm() -> Iterator[Finding]:
    for library in find_libllvm():
        yield Finding(
            name=f"libLLVM ({library.origin})",
            found=f"{library.path} [LLVM {library.version or '?'}]: {library.problem or 'works'}",
        )


def _gpu() -> Iterator[Finding]:
    works = cuda_works()
    yield Finding(name="CUDA", found="works" if works else "no GPU that Mitsuba can use")
    if works:
        without = f"not usable; to solve on the GPU too: pip install '{_WHEEL}[cuda]'"
        yield Finding(name="CuPy", found="works" if cupy_library() else without)


def _variant() -> Iterator[Finding]:
    if any(map(is_missing, NEEDED)):
        yield Finding(name="variant", found="not tried: a system library is missing")
        return
    answer = _try_variant()
    if "problem" in answer:
        yield Finding(name="variant", found="none works", remedy=answer["problem"])
        return
    if "libllvm" in answer:
        yield Finding(name="libLLVM in use", found=answer["libllvm"])
    variant = answer["variant"]
    reason = "a GPU works" if variant.startswith("cuda") else "no GPU, a libLLVM works"
    found = f"{variant} ({reason}; a kernel gave {answer['sum']:.0f})"
    yield Finding(name="variant", found=found)


def _try_variant() -> dict[str, Any]:
    """Run a kernel in a child process, which a broken backend may end."""
    child = subprocess.run(
        [sys.executable, "-c", _TRY_VARIANT], capture_output=True, text=True, check=False
    )
    if child.returncode == 0:
        return dict(json.loads(child.stdout.splitlines()[-1]))
    last = child.stderr.strip().splitlines()[-1:]
    end = f"ended with signal {-child.returncode}" if child.returncode < 0 else "failed"
    return {"problem": f"a test kernel {end}{': ' * bool(last)}{''.join(last)}; {_REINSTALL}"}


def _caches() -> Iterator[Finding]:
    kernels = os.environ.get("DRJIT_CACHE_DIR") or str(Path.home() / ".drjit")
    yield Finding(name="kernel cache", found=kernels)
    yield Finding(name="probe cache", found=str(cache_folder()))


def _ffmpeg() -> Iterator[Finding]:
    import imageio_ffmpeg  # noqa: PLC0415 - only here may it be missing

    try:
        yield Finding(name="ffmpeg", found=imageio_ffmpeg.get_ffmpeg_version())
    except RuntimeError as error:
        remedy = "pip install --force-reinstall imageio-ffmpeg"
        yield Finding(name="ffmpeg", found=str(error), remedy=remedy)
