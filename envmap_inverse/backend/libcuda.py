"""Find the NVIDIA driver's library, and whether Mitsuba can render with it."""

from __future__ import annotations

import functools
import os
from importlib import metadata
from pathlib import Path

from envmap_inverse.backend.probes import probe, remembered
from envmap_inverse.backend.system_libraries import is_missing, missing_libraries

__all__ = ["LIBCUDA", "cuda_works", "point_to_libcuda"]

LIBCUDA = "libcuda.so.1"
"""The name under which the dynamic linker knows the driver's library."""

_CUDA_PROBE = """
import mitsuba as mi
mi.set_variant("cuda_ad_rgb")
assert mi.render(mi.load_dict(mi.cornell_box()), spp=1).array[0] >= 0
"""


def point_to_libcuda() -> None:
    """Point Dr.Jit, which must not be imported yet, to the driver's library by its linker name.

    By itself Dr.Jit 1.5 looks for `libcuda.so` and in Debian's folder of libraries: it finds none
    where the driver is mounted elsewhere, as in containers. `DRJIT_LIBCUDA_PATH` is kept if set.
    """
    if not os.environ.get("DRJIT_LIBCUDA_PATH") and not is_missing(LIBCUDA):
        os.environ["DRJIT_LIBCUDA_PATH"] = LIBCUDA


@functools.cache
def cuda_works() -> bool:
    """Whether Mitsuba can render on a GPU here, found out in a child process.

    That it can is remembered for this driver, Dr.Jit and Mitsuba; that it cannot is not, as the
    next process may be given the GPU or the memory that this one lacks.
    """
    if is_missing(LIBCUDA) or missing_libraries():
        return False
    point_to_libcuda()
    driver = Path("/proc/driver/nvidia/version")
    versions = [f"{name} {metadata.version(name)}" for name in ("drjit", "mitsuba")]
    key = " ".join(["cuda", driver.read_text() if driver.exists() else "unknown driver", *versions])
    return remembered(key, lambda: probe(_CUDA_PROBE), with_failures=False) is None
