"""Read the frames of a video, decoded by ffmpeg in a process of its own."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import imageio_ffmpeg
import numpy as np

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
    width, height = _size(path)
    check_size(path, width, height)
    gamma = None if settings is None else settings.gamma
    white, black = SRGB.levels(255, gamma)
    for values in _decoded(path, width, height):
        yield Picture(
            image=SRGB.decode(values, gamma),
            white=white,
            black=black,
            bit_depth=8,
            stored=values,
            encoding=SRGB,
        )


def _size(path: Path) -> tuple[int, int]:
    """(width, height) of the frames as they are shown."""
    frames = imageio_ffmpeg.read_frames(f"file:{path}", input_params=[*LIMITS[:2]])
    try:
        width, height = next(frames)["size"]
    except Exception as error:
        raise InputError(f"{path}: cannot be decoded, damaged or not a video") from error
    finally:
        frames.close()
    return int(width), int(height)


def _decoded(path: Path, width: int, height: int) -> Iterator[np.ndarray]:
    """The frames' values, shape (h, w, 3)."""
    command = [
        *(imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", *LIMITS, "-i", f"file:{path}"),
        *("-map", "0:v:0", "-fps_mode", "passthrough", "-pix_fmt", "rgb24", "-f", "rawvideo", "-"),
    ]
    count, size = 0, 3 * width * height
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
            while len(data := ffmpeg.stdout.read(size)) == size:
                count += 1
                yield np.frombuffer(data, np.uint8).reshape(height, width, 3)
            if ffmpeg.wait() != 0 or data or count == 0:
                said.seek(0)
                words = said.read().decode(errors="replace").split("\n")[0] or "no frame is in it"
                raise InputError(f"{path}: damaged after {count} frames: {words}")
        finally:
            ffmpeg.kill()
