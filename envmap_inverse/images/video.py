"""Read the frames of a video, decoded by ffmpeg in a process of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError, MissingFileError
from envmap_inverse.images.colour import SRGB
from envmap_inverse.images.limits import check_size
from envmap_inverse.images.picture import Picture, Reading

__all__ = ["VIDEOS", "is_video", "read_frames"]

VIDEOS = (".mp4", ".mov", ".m4v", ".mkv", ".webm", ".avi")
"""Endings of video files."""

LIMITS = ("-protocol_whitelist", "file", "-err_detect", "explode", "-xerror")
"""A video reads no other file, and ends at the first damaged frame."""


def is_video(path: Path) -> bool:
    """Whether a file has the ending of a video."""
    return path.suffix.lower() in VIDEOS


def read_frames(path: Path, settings: Reading | None = None) -> Iterator[Picture]:
    """Read the frames of a video one by one, in 8 bits, linearized as sRGB.

    Args:
        path: the file.
        settings: its `gamma` linearizes the values instead.

    Raises:
        FileNotFoundError: if there is no such file.
        InputError: if it is no video, or a frame is damaged; frames before it have been returned.
    """
    if not path.is_file():
        raise MissingFileError(f"{path}: no such video")
    gamma = None if settings is None else settings.gamma
    white, black = SRGB.levels(255, gamma)
    for values in _decoded(path):
        yield Picture(
            image=SRGB.decode(values, gamma),
            white=white,
            black=black,
            bit_depth=8,
            stored=values,
            encoding=SRGB,
        )


def _decoded(path: Path) -> Iterator[NDArray[np.uint8]]:
    """The frames' values, shape (h, w, 3)."""
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *LIMITS, "-i", f"file:{path}"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24"),
        *("-c:v", "ppm", "-f", "image2pipe", "-"),
    ]
    count = 0
    with (
        tempfile.TemporaryFile() as said,
        subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=said,
            process_group=0,  # Ctrl-C must not reach ffmpeg
        ) as ffmpeg,
    ):
        assert ffmpeg.stdout is not None
        try:
            while (values := _next_frame(path, ffmpeg.stdout)) is not None:
                count += 1
                yield values
            if ffmpeg.wait() != 0 or count == 0:
                said.seek(0)
                words = said.read().decode(errors="replace").split("\n")[0]
                where = f"damaged after {count} frames" if count else "damaged, or not a video"
                raise InputError(f"{path}: {where}: {words or 'no frame is in it'}")
        finally:
            ffmpeg.kill()


def _next_frame(path: Path, stream: IO[bytes]) -> NDArray[np.uint8] | None:
    """Read a frame in the format PPM; None if there is no whole one."""
    header = [stream.readline() for _ in range(3)]
    if header[0] != b"P6\n":
        return None
    width, height = map(int, header[1].split())
    check_size(path, width, height)
    data = stream.read(3 * width * height)
    if len(data) < 3 * width * height:
        return None
    return np.frombuffer(data, np.uint8).reshape(height, width, 3)
