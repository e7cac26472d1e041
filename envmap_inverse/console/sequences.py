"""Sequences on the command line: frames that are read ahead, and a run that follows their light."""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import typer

from envmap_inverse.backend import limited_threads
from envmap_inverse.console.options import is_number, panelled
from envmap_inverse.console.output import phases_in_words, tell
from envmap_inverse.console.pictures import Reading
from envmap_inverse.console.problems import Wish
from envmap_inverse.console.running import command_to_resume, shown, stop_at_signal
from envmap_inverse.console.shots import Shots
from envmap_inverse.errors import Faults, InputError, counted
from envmap_inverse.guard.reader import Reader
from envmap_inverse.images.picture import Picture
from envmap_inverse.images.video import is_video, read_frames
from envmap_inverse.optimizers.least_squares.temporal import Temporal
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.cutting import part_of
from envmap_inverse.problem.fitting import resized
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.view import View
from envmap_inverse.report.live import LiveView
from envmap_inverse.report.sequence import write_sequence_report
from envmap_inverse.run import sequence
from envmap_inverse.run.frames import check_ffmpeg
from envmap_inverse.run.summary import fit_in_words
from envmap_inverse.solving.sequence import as_taken
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import stage
from envmap_inverse.system.pulse import beat

__all__ = ["Sequence_", "Tie", "first_of", "follow", "tie_of"]

AHEAD = 3
"""Frames that are read before they are asked for."""

ALONE = ("refine", "crop", "ground-truth", "samples", "frames")
"""Options that do not go with sequences."""

_T = TypeVar("_T")

Sequence_ = Annotated[
    bool,
    panelled(
        "Pictures",
        "--sequence",
        help="The pictures, or a video, are frames of one camera: object and camera stand still, "
        "the light changes. Each frame gets a map, in DIR/frames.",
    ),
]
Tie = Annotated[
    str | None,
    panelled(
        "Loss and priors",
        "--temporal",
        metavar="auto|X",
        help="Weight of the change from one frame's map to the next, of --sequence; auto follows "
        "from how much the pictures change.",
    ),
]


def tie_of(option: str | None, *, sequence: bool) -> Temporal | None:
    """Parse --temporal; None without --sequence.

    Raises:
        InputError: if it is no weight, or there is no sequence.
    """
    if option is not None and not sequence:
        raise InputError("--temporal: ties the maps of frames; add --sequence, or leave it out")
    weight: float | Literal["auto"] = "auto"
    if option is not None and option != "auto":
        if not is_number(option):
            raise InputError(f"--temporal {option!r}: give auto or a number, e.g. 0.1")
        weight = float(option)
    try:
        return Temporal(weight=weight) if sequence else None
    except InputError as error:
        raise InputError(f"--temporal: {error}") from None


def first_of(faults: Faults, shots: Shots, options: Mapping[str, Any]) -> Shots:
    """The first frame of a sequence; `faults` keeps what does not go with sequences.

    Args:
        faults: keeps what is wrong.
        shots: all frames.
        options: those of the command line, by name.
    """
    for option in ALONE:
        if options.get(option.replace("-", "_")):
            faults.keep(InputError(f"--{option}: does not go with --sequence; leave it out"))
    faults.attempt(check_ffmpeg, "--sequence")
    videos = [path for path in shots.pictures if is_video(path)]
    if videos and len(shots.pictures) > 1:
        faults.keep(
            InputError(f"{videos[0]}: is a video among other frames; give it alone, or pictures")
        )
    if len(set(shots.masks)) > 1:
        faults.keep(InputError("--mask: give one for all frames"))
    return replace(
        shots,
        pictures=shots.pictures[:1],
        exposures=shots.exposures[:1],
        crops=shots.crops[:1],
        masks=shots.masks[:1],
        named_masks=shots.named_masks[:1],
    )


@dataclass(frozen=True, kw_only=True)
class _Frames:
    """Reads the frames after the first, as the first was read.

    Attributes:
        shots: all frames.
        reading: how the files are read.
        problem: states the first frame.
        is_sized: whether --size is given.
        trust_input: whether files are read directly.
    """

    shots: Shots
    reading: Reading
    problem: Problem
    is_sized: bool
    trust_input: bool

    def from_number(self, first: int) -> Iterator[View]:
        """The frames from a number on, read ahead."""
        return _ahead(self._views(first))

    def _views(self, first: int) -> Iterator[View]:
        like, size = self.problem.views[0], None
        exposures = self.shots.exposures
        for number, (name, picture) in enumerate(self._pictures(first)):
            if size is None:
                size = picture.size
            elif picture.size != size:
                raise InputError(
                    f"{name}: is {_words(picture.size)}, but the first frame is {_words(size)}; "
                    "frames must have one size"
                )
            if number < first:
                continue
            known = exposures[number] if len(exposures) > number else like.exposure
            view = View(
                picture,
                exposure=like.exposure if isinstance(known, str) else known,
                white=self.reading.white,
                black=self.reading.black,
                name=name,
                noise=like.noise_model,
                response=self.reading.response,
            )
            yield as_taken(self._cut(view, like), like)

    def _cut(self, view: View, like: View) -> View:
        """The part of a frame that was cut out of the first."""
        if like.window is None:
            return view
        whole = resized(view, *self._whole_film()) if self.is_sized else view
        return part_of(whole, like.window)

    def _pictures(self, first: int) -> Iterator[tuple[str, Picture]]:
        """Names and pictures; of those before the first one only the one that tells the size."""
        film, paths = self._whole_film(), self.shots.pictures
        if is_video(paths[0]):
            for number, picture in enumerate(read_frames(paths[0]), 1):
                yield f"{paths[0]}, frame {number}", self.reading.treated(picture, film)
            return
        with ExitStack() as held:
            reader = None if self.trust_input else held.enter_context(Reader())
            for number, path in enumerate(paths):
                if 0 < number < first:
                    path = paths[0]  # noqa: PLW2901 - skipped, but counted
                elif reader is not None:
                    reader.read(images=[path], layers=self.shots.layers(self.reading.layer))
                yield str(path), self.reading.picture(path, film)

    def _whole_film(self) -> tuple[int, int]:
        sensor = self.problem.scene.sensor(self.problem.views[0].sensor)
        width, height = sensor.film().size()
        return int(width), int(height)


def _ahead(items: Iterator[_T]) -> Iterator[_T]:
    """Make items in a thread before they are asked for."""
    with ThreadPoolExecutor(1, thread_name_prefix="frames") as pool, closing(items):  # type: ignore[type-var]
        waiting = deque(pool.submit(next, items, None) for _ in range(AHEAD))
        try:
            while (item := waiting.popleft().result()) is not None:
                waiting.append(pool.submit(next, items, None))
                yield item
        finally:
            pool.shutdown(cancel_futures=True)


def follow(
    folder: sequence.SequenceFolder,
    problem: Problem,
    optimizer: Optimizer,
    temporal: Temporal,
    shots: Shots,
    wish: Wish,
    *,
    starting: float,
    loading: float,
    notes: Sequence[str],
    report: bool,
    live: LiveView | None,
    checkpoint_every: float,
    threads: int | None,
) -> None:
    """Follow the light of all frames, show it and write the files; see `running.run`.

    Raises:
        InputError: if a frame is wrong; the maps before it have been written.
        Exit: with 130 or 143 if a signal ended the run.
    """
    frames = _Frames(
        shots=shots,
        reading=wish.reading,
        problem=problem,
        is_sized=wish.films.get("size") is not None,
        trust_input=wish.trust_input,
    )
    watch = _Signal()
    is_counted = not is_video(shots.pictures[0])
    num_frames = len(shots.pictures) if is_counted else None
    if live is not None:
        live.plan(num_frames, command_to_resume(sys.argv[1:]), counted="frames")
    beat(can_resume=True)
    with stop_at_signal(watch), shown(), limited_threads(threads):
        summary, fault = sequence.run(
            *(folder, problem, optimizer, temporal, frames.from_number),  # type: ignore[arg-type]
            is_stopped=lambda: watch.signal is not None,
            watchers=() if live is None else (live,),
            num_frames=num_frames,
            checkpoint_every=checkpoint_every,
            seconds={"start": starting, "load": loading},
            notes=notes,
        )
        if report:
            with stage("Writing report.html"):
                page = write_sequence_report(folder.path)
    beat(can_resume=summary["status"] != "done")
    _say(folder.path, summary)
    if report:
        tell(f"report in {page}")
    if summary["status"] != "done":
        tell(f"go on with: {command_to_resume(sys.argv[1:])}")
    if live is not None:
        live.end(summary["status"], page if report else None)
    tell(phases_in_words(seconds_since_start(), _phases(summary["seconds"])))
    if fault is not None:
        raise fault
    if watch.signal is not None:
        raise typer.Exit(128 + watch.signal)


@dataclass
class _Signal:
    """See `Watch`."""

    signal: int | None = None


def _say(folder: Path, summary: Mapping[str, Any]) -> None:
    """Print how a sequence went."""
    if summary["fit"]:
        tell(f"fit of the first frame: {fit_in_words(summary['fit'])}")
    if summary["followed"]:
        tell(
            f"{counted(summary['followed'], 'frame')} after the first: "
            f"{summary['frames_per_second']:.1f} a second with reading and writing, "
            f"{summary['solved_per_second']:.1f} of solving alone"
        )
    tell(
        f"{counted(summary['frames'], 'map')} in {folder}/frames/ (sequence.mp4 plays them, "
        "lights.json follows the brightest lights)"
    )


def _phases(seconds: Mapping[str, float]) -> dict[str, float]:
    """The seconds of phases that do not overlap."""
    sums = {"total", "optimize"} if "solve" in seconds else {"total"}
    return {name: value for name, value in seconds.items() if name not in sums}


def _words(size: tuple[int, int]) -> str:
    return f"{size[0]} x {size[1]}"
