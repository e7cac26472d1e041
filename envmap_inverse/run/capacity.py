"""Whether there is room for a run, and for its files."""

from __future__ import annotations

from pathlib import Path

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem
from envmap_inverse.run.folder import MAX_PICTURES
from envmap_inverse.system.memory import check_disk, check_memory

__all__ = ["bytes_of_run", "check_room"]

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
