"""Find out what this machine has, what is missing, and the command that mends it."""

from __future__ import annotations

import ctypes
import os
import platform
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from envmap_inverse import backend
from envmap_inverse.backend import dr, mi
from envmap_inverse.backend.caches import cache_folder
from envmap_inverse.errors import BackendError
from envmap_inverse.version import __version__

__all__ = ["Finding", "examine"]

_PACKAGES = ("mitsuba", "drjit", "numpy", "scipy", backend.LLVM_WHEEL)


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
    """Look at everything a run needs; yields as it goes."""
    yield Finding(name="python", found=f"{platform.python_version()} on {platform.platform()}")
    yield Finding(name="envmap_inverse", found=__version__)
    for package in _PACKAGES:
        yield _package(package)
    yield _libatomic()
    for library in backend.find_libllvm():
        verdict = library.problem or "works"
        name = f"LLVM {library.version or '?'}"
        yield Finding(
            name=f"libLLVM ({library.origin})", found=f"{library.path} [{name}]: {verdict}"
        )
    yield _gpu()
    yield from _variant()
    cache = os.environ.get("DRJIT_CACHE_DIR") or str(Path.home() / ".drjit")
    yield Finding(name="kernel cache", found=cache)
    yield Finding(name="probe cache", found=str(cache_folder()))
    yield _ffmpeg()


def _package(name: str) -> Finding:
    try:
        return Finding(name=name, found=metadata.version(name))
    except metadata.PackageNotFoundError:
        return Finding(name=name, found="not installed", remedy=f"pip install {name}")


def _libatomic() -> Finding:
    try:
        ctypes.CDLL("libatomic.so.1")
    except OSError:
        return Finding(
            name="libatomic.so.1",
            found="missing",
            remedy="apt-get install libatomic1 (Debian, Ubuntu), dnf install libatomic (Fedora)",
        )
    return Finding(name="libatomic.so.1", found="present")


def _gpu() -> Finding:
    works = backend.cuda_works()
    return Finding(name="CUDA", found="works" if works else "no GPU that Mitsuba can use")


def _variant() -> Iterator[Finding]:
    try:
        variant = backend.select_variant()
        reason = "a GPU works" if variant.startswith("cuda") else "no GPU, a libLLVM works"
        if dr.has_backend(dr.JitBackend.LLVM):
            version = ".".join(map(str, dr.detail.llvm_version()))
            path = os.environ.get("DRJIT_LIBLLVM_PATH", "the system's")
            yield Finding(name="libLLVM in use", found=f"{version} from {path}")
        kernel = dr.opaque(mi.Float, 1, 16) + 1
        yield Finding(name="variant", found=f"{variant} ({reason}; a kernel gave {kernel[0]:.0f})")
    except BackendError as error:
        yield Finding(name="variant", found="none works", remedy=str(error))


def _ffmpeg() -> Finding:
    import imageio_ffmpeg  # noqa: PLC0415 - only here may it be missing

    try:
        return Finding(name="ffmpeg", found=imageio_ffmpeg.get_ffmpeg_version())
    except RuntimeError as error:
        return Finding(name="ffmpeg", found=str(error), remedy="pip install imageio-ffmpeg")
