"""Pictures and a video of every iteration, encoded beside the optimizer, not in its way."""

from __future__ import annotations

import os
import queue
import struct
import threading
import zlib
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import Any

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from envmap_inverse.images import Uint8Image, tonemap
from envmap_inverse.problem import Iteration, Record
from envmap_inverse.writing import temporary_file, write_bytes

__all__ = ["FrameWriter"]

FRAMES_PER_SECOND = 25
QUEUE_LENGTH = 32
CAPTION_HEIGHT = 40
BACKGROUND, TEXT = (24, 24, 24), (230, 230, 230)


class FrameWriter:
    """Writes `out_%03i.png`, `envmap_%03i.png` and `convergence.mp4` into a folder.

    One worker thread encodes; a short queue bounds the memory. A failure in it is raised by the
    next call of `add` or by `close`.
    """

    def __init__(self, folder: Path, exposure: float, earlier: Sequence[Record] = ()) -> None:
        """Begin.

        Args:
            folder: exists.
            exposure: of every picture, see `tonemap`.
            earlier: iterations whose pictures are there already; they only go into the video.
        """
        self._folder, self._exposure, self._earlier = folder, exposure, earlier
        self._jobs: queue.Queue[Iteration | None] = queue.Queue(QUEUE_LENGTH)
        self._failure: BaseException | None = None
        self._is_abandoned = False
        self._video = _Video(folder / "convergence.mp4")
        self._thread = threading.Thread(target=self._work, name="frames", daemon=True)
        self._thread.start()

    def add(self, iteration: Iteration) -> None:
        """Take an iteration; waits only when the queue is full."""
        self._raise_failure()
        _ = iteration.image, iteration.texels  # copied from the device by this thread
        self._jobs.put(iteration)

    def close(self) -> None:
        """Wait until all is written."""
        try:
            self._jobs.put(None)
            self._thread.join()
            self._raise_failure()
            self._video.close()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Write no more; there will be no video."""
        self._is_abandoned = True
        self._jobs.put(None)
        self._thread.join()
        self._video.discard()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        # The optimizer goes first; what is left over is encoded when it is done.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            for record in self._earlier:
                self._repeat(record)
            while (iteration := self._jobs.get()) is not None:
                if not self._is_abandoned:
                    self._encode(iteration)
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits
            self._failure = failure
            while self._jobs.get() is not None:
                pass

    def _repeat(self, record: Record) -> None:
        image, envmap = (
            np.asarray(Image.open(self._folder / f"{name}_{record.index:03d}.png"))
            for name in ("out", "envmap")
        )
        self._video.add(_side_by_side(image, envmap, _caption(record)))

    def _encode(self, iteration: Iteration) -> None:
        image = tonemap(iteration.image, self._exposure)
        envmap = tonemap(iteration.texels, self._exposure)
        for name, picture in (("out", image), ("envmap", envmap)):
            path = self._folder / f"{name}_{iteration.index:03d}.png"
            write_bytes(path, _png(picture), sync=False)
        self._video.add(_side_by_side(image, envmap, _caption(iteration)))


def _png(picture: Uint8Image) -> bytes:
    """A PNG of one filter (up) and the fastest compression: half the time of Pillow's search."""
    height, width, _ = picture.shape
    rows = np.full((height, 1 + 3 * width), 2, np.uint8)
    flat = picture.reshape(height, -1)
    rows[0, 1:], rows[1:, 1:] = flat[0], flat[1:] - flat[:-1]
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows.tobytes(), 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


class _Video:
    """An H.264 video that appears under its name when it is complete."""

    def __init__(self, path: Path) -> None:
        self._path = path
        descriptor, self._temporary = temporary_file(path)
        os.close(descriptor)
        self._writer: Generator[None, Any, None] | None = None

    def add(self, frame: Uint8Image) -> None:
        if self._writer is None:
            self._writer = imageio_ffmpeg.write_frames(
                str(self._temporary),
                frame.shape[1::-1],
                fps=FRAMES_PER_SECOND,
                codec="libx264",
                quality=None,
                output_params=["-f", "mp4", "-preset", "ultrafast", "-crf", "20", "-threads", "1"],
                macro_block_size=2,
                ffmpeg_log_level="error",
            )
            self._writer.send(None)
        self._writer.send(np.ascontiguousarray(frame))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
            if self._temporary.stat().st_size == 0:
                raise RuntimeError(f"ffmpeg wrote no video {self._path}")
            self._temporary.replace(self._path)
        self.discard()

    def discard(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._temporary.unlink(missing_ok=True)


def _caption(iteration: Record) -> str:
    error = "" if iteration.error is None else f"   error {iteration.error:,.0f}"
    return f"iteration {iteration.index}   loss {iteration.loss:.4g}{error}"


def _side_by_side(image: Uint8Image, envmap: Uint8Image, caption: str) -> Uint8Image:
    """Image and map at one height, a caption below; even width and height, as H.264 wants."""
    height = min(max(image.shape[0], 256), 512) // 2 * 2
    panels = [_scaled(picture, height) for picture in (image, envmap)]
    width = sum(panel.width for panel in panels)
    canvas = Image.new("RGB", (width, height + CAPTION_HEIGHT), BACKGROUND)
    left = 0
    for panel in panels:
        canvas.paste(panel, (left, 0))
        left += panel.width
    font = ImageFont.load_default(size=18)
    ImageDraw.Draw(canvas).text(
        (12, height + CAPTION_HEIGHT // 2), caption, TEXT, font, anchor="lm"
    )
    return np.asarray(canvas)


def _scaled(picture: NDArray[np.uint8], height: int) -> Image.Image:
    width = round(picture.shape[1] * height / picture.shape[0] / 2) * 2
    return Image.fromarray(picture).resize((max(width, 2), height), Image.Resampling.BILINEAR)
