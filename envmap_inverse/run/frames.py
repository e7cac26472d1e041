"""Encode pictures and a video of every iteration, without holding up the optimizer."""

from __future__ import annotations

import contextlib
import os
import queue
import shutil
import struct
import subprocess
import tempfile
import threading
import warnings
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import imageio_ffmpeg
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from envmap_inverse.errors import InputError, in_one_line
from envmap_inverse.images import Uint8Image, tonemap
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.solving import layout
from envmap_inverse.system.writing import naming_file, temporary_name, write_bytes

__all__ = ["FRAMES_PER_SECOND", "FrameWriter", "Video", "check_ffmpeg", "with_caption"]

FRAMES_PER_SECOND = 25
QUEUE_LENGTH = 32
QUEUE_BYTES = 2**28
"""Most memory that waiting frames take, unless a single one takes more."""

CAPTION_HEIGHT = 40
ENCODING = (
    *("-c:v", "libx264", "-pix_fmt", "yuv420p", "-preset", "ultrafast", "-crf", "20"),
    *("-threads", "1", "-f", "mp4"),
)
BACKGROUND, TEXT = (24, 24, 24), (230, 230, 230)


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """The parts of an iteration that are encoded, on the host.

    The worker must not hold an `Iteration`. Dropping the last reference to a Dr.Jit array there
    would wait for Dr.Jit's lock while holding Python's, and a frozen function waits for Python's
    while holding Dr.Jit's.
    """

    record: Record
    image: NDArray[np.float32]
    texels: NDArray[np.float32]

    @classmethod
    def of(cls, iteration: Iteration) -> _Frame:
        record = Record(**iteration.as_dict())
        return cls(record=record, image=iteration.image, texels=iteration.texels)

    @property
    def num_bytes(self) -> int:
        return self.image.nbytes + self.texels.nbytes


def check_ffmpeg(option: str = "--frames") -> None:
    """Check that the program that encodes videos can be started.

    Args:
        option: the option that needs it.

    Raises:
        InputError: if not.
    """
    try:
        program = imageio_ffmpeg.get_ffmpeg_exe()
    except RuntimeError as error:
        raise InputError(f"{option}: no ffmpeg ({in_one_line(error)})") from None
    if shutil.which(program) is None:
        raise InputError(
            f"{option}: IMAGEIO_FFMPEG_EXE={program} cannot be started; unset it to use the ffmpeg "
            "of the package imageio-ffmpeg"
        )


class FrameWriter:
    """Writes `out_%03i.png`, `envmap_%03i.png` and `convergence.mp4` to a folder.

    One worker thread encodes; a short queue bounds the memory. The next call of `add` or `close`
    raises a failure of the worker.
    """

    def __init__(self, folder: Path, exposure: float, earlier: Sequence[Record] = ()) -> None:
        """Start the worker.

        Args:
            folder: an existing folder.
            exposure: exposure of every picture; see `tonemap`.
            earlier: iterations whose pictures exist already; they only go into the video.
        """
        self._folder, self._exposure, self._earlier = folder, exposure, earlier
        self._jobs: queue.Queue[_Frame | threading.Event | None] = queue.Queue(QUEUE_LENGTH)
        self._failure: BaseException | None = None
        self._is_abandoned = False
        self._video = Video(folder / layout.VIDEO)
        self._thread = threading.Thread(target=self._work, name="frames", daemon=True)
        self._thread.start()

    def add(self, iteration: Iteration) -> None:
        """Queue an iteration; waits only while the queue is full."""
        self._raise_failure()
        frame = _Frame.of(iteration)
        self._jobs.maxsize = int(np.clip(QUEUE_BYTES // frame.num_bytes, 1, QUEUE_LENGTH))
        self._jobs.put(frame)

    def flush(self) -> None:
        """Wait until the pictures of all iterations so far are written."""
        self._raise_failure()
        reached = threading.Event()
        self._jobs.put(reached)
        reached.wait()
        self._raise_failure()

    def close(self) -> None:
        """Wait until everything is written."""
        try:
            self._jobs.put(None)
            self._thread.join()
            self._raise_failure()
            with naming_file(self._video.path):
                self._video.close()
        except BaseException:
            self.abandon()
            raise

    def abandon(self) -> None:
        """Stop writing; there will be no video."""
        self._is_abandoned = True
        self._jobs.put(None)
        self._thread.join()
        self._video.discard()

    def _raise_failure(self) -> None:
        if self._failure is not None:
            raise self._failure

    def _work(self) -> None:
        # The optimizer goes first; the rest is encoded when it is done.
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 10)
        try:
            for record in self._earlier:
                self._repeat(record)
            while (job := self._jobs.get()) is not None:
                if isinstance(job, threading.Event):
                    job.set()
                elif not self._is_abandoned:
                    self._encode(job)
        except BaseException as failure:  # noqa: BLE001 - handed to the thread that waits
            self._failure = failure
            while (job := self._jobs.get()) is not None:
                if isinstance(job, threading.Event):
                    job.set()

    def _repeat(self, record: Record) -> None:
        paths = [self._folder / layout.frame(name, record.index) for name in ("out", "envmap")]
        try:
            image, envmap = (np.asarray(Image.open(path).convert("RGB")) for path in paths)
        except Exception as error:  # noqa: BLE001 - decoders raise whatever they like
            reason = in_one_line(error)
            warnings.warn(f"{paths[0]}: is not in the video: {reason}", stacklevel=2)
            return
        self._video.add(_side_by_side(image, envmap, _caption(record)))

    def _encode(self, frame: _Frame) -> None:
        image = tonemap(frame.image, self._exposure)
        envmap = tonemap(frame.texels, self._exposure)
        for name, picture in (("out", image), ("envmap", envmap)):
            path = self._folder / layout.frame(name, frame.record.index)
            write_bytes(path, _png(picture), sync=False)
        with naming_file(self._video.path):
            self._video.add(_side_by_side(image, envmap, _caption(frame.record)))


def _png(picture: Uint8Image) -> bytes:
    """Encode a PNG with one filter (up) and the fastest compression, twice as fast as Pillow."""
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


class Video:
    """An H.264 video that appears under its own name once it is complete."""

    def __init__(self, path: Path, *, frames_per_second: float = FRAMES_PER_SECOND) -> None:
        """Name the file; it is begun with the first frame."""
        self.path, self._rate = path, frames_per_second
        self._temporary = temporary_name(path)
        self._ffmpeg: subprocess.Popen[bytes] | None = None

    def add(self, frame: Uint8Image) -> None:
        """Append a frame, of even sides."""
        if self._ffmpeg is None:
            height, width, _ = frame.shape
            self._messages = tempfile.TemporaryFile()  # noqa: SIM115 - closed with ffmpeg
            self._ffmpeg = subprocess.Popen(
                [
                    *(imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-v", "error", "-f", "rawvideo"),
                    *("-pix_fmt", "rgb24", "-s", f"{width}x{height}"),
                    *("-r", str(self._rate), "-i", "-", *ENCODING),
                    f"file:{self._temporary.absolute()}",  # names may look like its options
                ],
                stdin=subprocess.PIPE,
                stderr=self._messages,
                process_group=0,  # Ctrl-C must not reach ffmpeg
            )
        assert self._ffmpeg.stdin is not None
        try:
            self._ffmpeg.stdin.write(np.ascontiguousarray(frame).data)
        except BrokenPipeError:
            self._check()

    def close(self) -> None:
        """Complete the file."""
        if self._ffmpeg is not None:
            with contextlib.suppress(BrokenPipeError):  # `_check` knows more
                self._ffmpeg.communicate()
            self._check()
            self._temporary.replace(self.path)
        self.discard()

    def discard(self) -> None:
        """Remove what is not complete."""
        if self._ffmpeg is not None:
            self._ffmpeg.kill()
            with contextlib.suppress(BrokenPipeError):
                self._ffmpeg.communicate()
            self._messages.close()
            self._ffmpeg = None
        self._temporary.unlink(missing_ok=True)

    def _check(self) -> None:
        """Fail if ffmpeg has ended with an error."""
        assert self._ffmpeg is not None
        if self._ffmpeg.wait() != 0:
            self._messages.seek(0)
            said = self._messages.read().decode(errors="replace").split("\n")
            status = f"ended with status {self._ffmpeg.returncode}"
            raise OSError(f"ffmpeg: {said[0] or status}")


def _caption(record: Record) -> str:
    error = "" if record.error is None else f"   error {record.error:,.0f}"
    return f"iteration {record.index}   loss {record.loss:.4g}{error}"


def _side_by_side(image: Uint8Image, envmap: Uint8Image, caption: str) -> Uint8Image:
    """Join image and map at one height, with a caption below."""
    return with_caption((image, envmap), caption, image.shape[0])


def with_caption(pictures: Sequence[Uint8Image], caption: str, height: int) -> Uint8Image:
    """Pictures side by side with a caption below; even sides, as H.264 requires.

    Args:
        pictures: shape (h, w, 3) each.
        caption: words below them.
        height: of the pictures, if it is neither small nor large.
    """
    height = min(max(height, 256), 512) // 2 * 2
    panels = [_scaled(picture, height) for picture in pictures]
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
