"""Whether there is room for a run, and for its files."""

from __future__ import annotations

import shutil
from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.folder import MAX_PICTURES
from envmap_inverse.system.memory import free_memory, gibibytes

__all__ = ["bytes_of_run", "check_disk", "check_memory", "check_room"]

BYTES_PER_PIXEL = 200
"""Peak of an optimizer: 125 for Adam, and up to 190 for Transport, where values are clipped and
exposures unknown; see `python -m benchmarks --only on-disk`."""

BYTES_PER_TEXEL = 400
"""Peak measured with 4096 x 2048 texels: 280 for Adam, 340 for Transport; a checkpoint adds 96."""

BYTES_OF_LIBRARIES = 2**27
"""Added for kernels, threads and paths in flight, however small the run."""

BLOCK = 4096
"""Bytes that the smallest file takes on most disks."""


def check_room(problem: Problem, optimizer: Optimizer, folder: Path, *, frames: bool) -> None:
    """Refuse a run for which memory, the disk or Mitsuba's numbers are too small.

    Raises:
        InputError: if one is.
    """
    num_pixels = [view.image.size // 3 for view in problem.views]
    num_texels = problem.initial.size // 3
    check_memory(sum(num_pixels), num_texels)
    num_frames = optimizer.num_steps if frames else 0
    num_others = sum(num_pixels[1:MAX_PICTURES])
    check_disk(folder, bytes_of_run(num_pixels[0], num_texels, num_frames, num_others))
    num_paths = max(num_pixels) * (getattr(optimizer, "spp", None) or 1)
    if num_paths >= 2**32:
        raise InputError(
            f"--spp: {num_paths} paths in one picture are more than Mitsuba can count; lower it"
        )


def check_memory(num_pixels: int, num_texels: int) -> None:
    """Refuse a run that would not fit into memory.

    A recorded light transport takes more; recording it checks that.

    Args:
        num_pixels: pixels of all pictures.
        num_texels: texels of the map.

    Raises:
        InputError: if the run would not fit.
    """
    needed = BYTES_PER_PIXEL * num_pixels + BYTES_PER_TEXEL * num_texels + BYTES_OF_LIBRARIES
    free = free_memory()
    if needed > free:
        raise InputError(
            f"{num_pixels} pixels and {num_texels} texels take about {gibibytes(needed)} of memory "
            f"and {gibibytes(free)} are free; a smaller --size takes less"
        )


def check_disk(folder: Path, num_bytes: int) -> None:
    """Refuse a run whose files would not fit onto the disk.

    Args:
        folder: where they will be written; it need not exist.
        num_bytes: bytes that they may take.

    Raises:
        InputError: if the files would not fit.
    """
    existing = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(existing).free
    if num_bytes > free:
        raise InputError(
            f"{folder}: the files may take {gibibytes(num_bytes)} and {gibibytes(free)} are free; "
            "name another folder with -o, or drop --frames"
        )


def bytes_of_run(num_pixels: int, num_texels: int, num_frames: int, num_others: int = 0) -> int:
    """The most bytes that the files of a run take.

    Args:
        num_pixels: of the first picture.
        num_texels: of the map.
        num_frames: iterations of which pictures are written.
        num_others: pixels of the other pictures that are kept.
    """
    images = 12 + 3  # bytes per pixel of an EXR and of a PNG
    results = 2 * images * num_pixels + 2 * 12 * num_others + 3 * images * num_texels
    # Two checkpoints of six arrays like the map; the report and its thumbnails.
    results += 2 * 6 * 16 * num_texels + 8 * (num_pixels + 4 * num_texels)
    return results + 2**22 + num_frames * (3 * (num_pixels + num_texels) + 2 * BLOCK)
