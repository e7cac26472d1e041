"""A sequence that leaves a folder: a map for each frame, a video, and the lights over time."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image, tonemap, write_bytes, write_image
from envmap_inverse.optimizers.least_squares.temporal import Temporal
from envmap_inverse.optimizers.protocol import State
from envmap_inverse.optimizers.transport import Transport
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.problem.view import View
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.run.checkpoints import Checkpoints, fingerprints
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.frames import FRAMES_PER_SECOND, Video, with_caption
from envmap_inverse.run.session import Follower as Watcher
from envmap_inverse.run.thumbnails import ThumbnailWriter
from envmap_inverse.solving import layout
from envmap_inverse.solving.estimate import Estimate
from envmap_inverse.solving.saving import versions
from envmap_inverse.solving.sequence import Follower
from envmap_inverse.sphere.tracks import tracks_of
from envmap_inverse.system.progress import Stage, stage
from envmap_inverse.system.strict_json import to_json
from envmap_inverse.system.writing import unfinished_files

__all__ = ["SequenceFolder", "run"]

WAITING = 16
"""Maps that may wait to be written."""

MAX_SHOWN = 64
"""Frames that the report shows."""

EVERY = 25
"""Frames between two lines about the progress."""


class SequenceFolder(RunFolder):
    """Writes the files of a sequence while it goes and when it ends."""

    def __init__(self, path: Path, settings: Mapping[str, Any], **options: Any) -> None:
        """Create the folder; the arguments are those of `RunFolder`."""
        super().__init__(path, settings, frames=False, **options)
        self._maps = path / layout.SEQUENCE
        self._maps.mkdir(exist_ok=True)
        for file in unfinished_files(self._maps, layout.SEQUENCE_FILES):
            file.unlink()
        self._thumbnails = ThumbnailWriter(most=MAX_SHOWN)
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="maps")
        self._waiting: deque[Future[None]] = deque()

    def add(self, iteration: Iteration) -> None:
        """Write the map of a frame, beside what comes next, and the frame's line.

        Args:
            iteration: its number, loss and seconds, its map and its picture.
        """
        path = self._maps / layout.map_of_frame(iteration.index)
        self._waiting.append(self._pool.submit(write_image, path, iteration.texels))
        while len(self._waiting) > WAITING or (self._waiting and self._waiting[0].done()):
            self._waiting.popleft().result()
        super().add(iteration)

    def flush(self) -> None:
        """Bring all maps so far to the disk."""
        while self._waiting:
            self._waiting.popleft().result()
        super().flush()

    def close(self) -> None:
        """Wait until all maps are written."""
        try:
            while self._waiting:
                self._waiting.popleft().result()
        finally:
            self._pool.shutdown()
            super().close()

    def sum_up(
        self,
        summary: dict[str, Any],
        frames_per_second: float,
        coverage: NDArray[np.float32],
    ) -> dict[str, Any]:
        """Write the video, the lights and at last `summary.json`, from the maps' files.

        Args:
            summary: what else `summary.json` is to hold.
            frames_per_second: of the video.
            coverage: how strongly the pictures see each texel, shape (H, W, 3).

        Returns:
            The content of `summary.json`.
        """
        begun = time.perf_counter()
        with stage("Writing the video", summary["frames"]) as shown:
            maps = self._in_video(summary["frames"], frames_per_second, shown)
            tracks = tracks_of(maps, coverage)
        self._thumbnails.write(self.path / layout.THUMBNAILS, self._exposure)
        lights = {"lights": [track.as_dict() for track in tracks]}
        write_bytes(self.path / layout.LIGHTS, f"{to_json(lights)}\n".encode())
        seconds = dict(summary["seconds"])
        seconds["files"] = time.perf_counter() - begun
        seconds["total"] += seconds["files"]
        summary |= {
            "exposure": self._exposure,
            "seconds": seconds,
            "settings": self._settings,
            "versions": versions(),
        }
        write_bytes(self.path / layout.SUMMARY, f"{to_json(summary, indent=2)}\n".encode())
        return summary

    def _in_video(
        self, count: int, frames_per_second: float, shown: Stage
    ) -> Iterator[NDArray[np.float32]]:
        """The maps of all frames, each of which goes into the video."""
        video = Video(self.path / layout.SEQUENCE_VIDEO, frames_per_second=frames_per_second)
        try:
            for number in range(count):
                texels = read_image(self._maps / layout.map_of_frame(number))
                picture = tonemap(texels, self._exposure)
                video.add(with_caption((picture,), f"frame {number + 1}", len(texels)))
                shown.advance(number + 1)
                yield texels
            video.close()
        except BaseException:
            video.discard()
            raise


class _KeepsRecording:
    """A keeper of a recording alone; frames have their own checkpoints."""

    def __init__(self, checkpoints: Checkpoints) -> None:
        self.keep_transport = checkpoints.keep_transport
        self.transport: Callable[[], LightTransport | None] = checkpoints.transport

    def offer(
        self, state: Callable[[], tuple[Sequence[Record], State]], *, is_last: bool = False
    ) -> None:
        """Keep nothing."""

    def restore(self) -> None:
        """Return nothing."""


class _Frames:
    """Hands frames to the folder and to whoever else watches.

    Attributes:
        history: the line of each frame so far.
    """

    def __init__(
        self, watchers: Sequence[Watcher], problem: Problem, earlier: Sequence[Record]
    ) -> None:
        """Begin with the frames of a run that this one continues."""
        self._watchers, self.history = watchers, list(earlier)
        for watcher in watchers:
            watcher.begin(problem, earlier)

    def add(self, result: Estimate, image: NDArray[np.float32]) -> None:
        """Take the result of the next frame, and its picture."""
        last = result.history[-1]
        frame = Iteration(
            index=len(self.history),
            loss=last.loss,
            error=None,
            seconds=last.seconds,
            texels_on_device=lambda: result.texels,
            image_on_device=lambda: image,
        )
        self.history.append(Record(**frame.as_dict()))
        for watcher in self._watchers:
            watcher.add(frame)


def run(
    folder: SequenceFolder,
    problem: Problem,
    optimizer: Transport,
    temporal: Temporal,
    frames: Callable[[int], Iterable[View]],
    *,
    is_stopped: Callable[[], bool],
    watchers: Sequence[Watcher] = (),
    num_frames: int | None = None,
    checkpoint_every: float,
    frames_per_second: float | None = None,
    seconds: Mapping[str, float],
    notes: Sequence[str],
) -> tuple[dict[str, Any], InputError | None]:
    """Follow the light of a sequence and write all files but the report.

    Args:
        folder: for the files.
        problem: states the first frame.
        optimizer: solves it.
        temporal: ties the maps.
        frames: returns the frames from a number on, as `as_taken` makes them.
        is_stopped: whether the run is to end.
        watchers: see each frame, as an iteration with its picture.
        num_frames: of the whole sequence, if that is known.
        checkpoint_every: seconds between two checkpoints.
        frames_per_second: of the video.
        seconds: spent before, by phase.
        notes: warnings of this run, which may grow.

    Returns:
        The content of `summary.json`, and what was wrong with a frame that ended the sequence.
    """
    begun = time.perf_counter()
    with folder:
        marks = {**fingerprints(problem, optimizer), "the tie": repr(temporal)}
        checkpoints = Checkpoints(folder.path, marks, every=checkpoint_every, before=folder.flush)
        earlier, state = checkpoints.restore() or ([], {})
        kept = _Frames((folder, *watchers), problem, earlier)
        history = kept.history
        follower = Follower(problem, optimizer, temporal, _KeepsRecording(checkpoints))
        first = follower.begin()
        if earlier:
            follower.restore(state, len(earlier))
        else:
            kept.add(first, problem.views[0].image)
        fault, solving, started, done_before = None, 0.0, time.perf_counter(), len(history)
        to_do = None if num_frames is None else num_frames - done_before
        with stage("Following the light", to_do or None) as shown:
            try:
                for view in frames(len(history)):
                    if is_stopped():
                        break
                    result = follower.follow([view])
                    solving += result.seconds
                    kept.add(result, view.image)
                    checkpoints.offer(lambda: (history, follower.state()))
                    shown.advance(len(history) - done_before, *_words(history, num_frames))
            except InputError as error:
                fault = error
        following = time.perf_counter() - started
        is_whole = fault is None and not is_stopped()
        if not is_whole:
            checkpoints.offer(lambda: (history, follower.state()), is_last=True)
        folder.flush()
        count = len(history) - done_before
        summary = folder.sum_up(
            {
                "status": "done" if is_whole else f"ended: {fault}" if fault else "interrupted",
                "frames": len(history),
                "loss": history[-1].loss,
                "fit": first.fit and first.fit.as_dict(),
                "followed": count,
                "frames_per_second": count / following if count else None,
                "solved_per_second": count / solving if count else None,
                "seconds": {
                    "total": sum(seconds.values()) + time.perf_counter() - begun,
                    **seconds,
                    **first.phases,
                    "follow": following,
                },
                "warnings": list(notes),
                **({"workers": list(first.workers)} if first.workers else {}),
            },
            frames_per_second or FRAMES_PER_SECOND,
            first.coverage,
        )
        if is_whole:
            checkpoints.remove()
    return summary, fault


def _words(history: Sequence[Record], num_frames: int | None) -> tuple[str, str]:
    """A detail and, now and then, a line about the frames so far."""
    count, loss = len(history), f"loss {history[-1].loss:.4g}"
    of = "" if num_frames is None else f" of {num_frames}"
    is_due = count % EVERY == 0
    return f"frame {count}{of}, {loss}", f"Frame {count:04d}: {loss}" if is_due else ""
