"""The folder of a run: what `estimate` on the command line leaves behind."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
import tomli_w
from numpy.typing import NDArray

from envmap_inverse.errors import InputError, cannot_write, in_one_line
from envmap_inverse.images import display_exposure, encode_png, tonemap, write_image
from envmap_inverse.problem.brackets import common_response
from envmap_inverse.problem.plausibility import warn_of_dark_pixels
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.problem.view import View
from envmap_inverse.run.frames import FrameWriter, check_ffmpeg
from envmap_inverse.run.history import History, Measuring
from envmap_inverse.run.summary import summary_of_run
from envmap_inverse.run.thumbnails import ThumbnailWriter
from envmap_inverse.scene.rendering import rendered_pairs
from envmap_inverse.scene.scene import Scene
from envmap_inverse.solving import layout
from envmap_inverse.solving.convergence import motion
from envmap_inverse.solving.estimate import Estimate
from envmap_inverse.solving.fit import Fit, judge
from envmap_inverse.solving.outliers import without_outliers
from envmap_inverse.solving.saving import write_maps
from envmap_inverse.system.folder_lock import FolderLock
from envmap_inverse.system.progress import Stage, stage
from envmap_inverse.system.reading import read_whole
from envmap_inverse.system.strict_json import to_json
from envmap_inverse.system.structured import parse_json, parse_toml
from envmap_inverse.system.writing import unfinished_files, write_bytes

__all__ = ["MAX_PICTURES", "RunFolder", "check_free"]

FINAL_SPP = 32
PLAYED, MAX_PLAYED = 8, 16
"""Maps drawn at random that the report plays: if none are asked for, and at most."""

MAX_PICTURES = 6
"""As many references are kept beside their fits."""


def check_free(path: Path, *, overwrite: bool, resume: bool = False) -> None:
    """Check that a run may write to a folder, as far as can be seen without writing.

    Raises:
        InputError: if it is no folder, or holds a run that is neither to be replaced nor resumed.
    """
    try:
        if path.exists() and not path.is_dir():
            raise InputError(f"{path}: cannot be written: it is a file, not a folder")
        is_begun = resume and (path / layout.SETTINGS).exists()
        if path.exists() and not (overwrite or is_begun) and (earlier := _files_of_run(path)):
            raise InputError(
                f"{path}: already holds a run ({earlier[0].name}); "
                "name another folder with -o, or add --overwrite"
            )
    except OSError as error:
        raise cannot_write(str(path), error) from None


def _files_of_run(path: Path) -> list[Path]:
    own = [file for file in path.iterdir() if layout.OWN_FILES.fullmatch(file.name)]
    maps = path / layout.SEQUENCE
    inside = maps.iterdir() if maps.is_dir() else ()
    return own + [file for file in inside if layout.SEQUENCE_FILES.fullmatch(file.name)]


class RunFolder:
    """Writes the files of one run while it goes and when it ends.

    Attributes:
        path: the folder.
        metrics: errors of the map of the iteration that was added last, as far as measured.
    """

    def __init__(
        self,
        path: Path,
        settings: Mapping[str, Any],
        *,
        overwrite: bool,
        frames: bool,
        resume: bool = False,
        samples: int = 0,
    ) -> None:
        """Create the folder, clear it of an earlier run if asked to, and write `run.toml`.

        Args:
            path: the folder.
            settings: every option of the run, by its name on the command line.
            overwrite: replace an earlier run in this folder.
            frames: also write a picture of every iteration and a video.
            resume: go on with an unfinished run of the same settings, if there is one.
            samples: how many maps to draw at random at the end.

        Raises:
            InputError: if the folder cannot be written, holds a run and neither overwrite nor
                resume is set, or the run to go on with has ended or has other settings.
        """
        if frames:
            check_ffmpeg()
        self.path = path
        self._settings = dict(settings)
        self._wants_frames, self._num_samples = frames, samples
        self._frames: FrameWriter | None = None
        self._thumbnails = ThumbnailWriter()
        self._exposure = 1.0
        self._ground_truth: NDArray[np.float32] | None = None
        self.metrics: dict[str, float] = {}
        self._measuring = Measuring()
        self._started = time.perf_counter()
        try:
            path.mkdir(parents=True, exist_ok=True)
            self._lock = FolderLock(path)
        except OSError as error:
            raise cannot_write(str(path), error) from None
        try:
            is_begun = resume and (path / layout.SETTINGS).exists()
            if is_begun:
                self._check_resumable()
            else:
                self._clear(overwrite)
            for file in unfinished_files(path, layout.OWN_FILES):
                file.unlink()
            write_bytes(path / layout.SETTINGS, tomli_w.dumps(_for_toml(settings)).encode())
            self._history = History(path)
        except OSError as error:
            self._lock.release()
            raise cannot_write(str(path), error) from None
        except BaseException:
            self._lock.release()
            raise

    def __enter__(self) -> RunFolder:
        """Hold the folder until the end of the context."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the files and let others have the folder; at a second signal, at once."""
        try:
            if self._frames is not None and isinstance(
                error, SystemExit | KeyboardInterrupt | OSError
            ):
                self._frames.abandon()
                self._frames = None
            self.close()
        finally:
            place = self._lock.place  # perhaps moved, with what is unfinished
            for file in () if place is None else unfinished_files(place, layout.OWN_FILES):
                file.unlink(missing_ok=True)
            self._lock.release()

    def _clear(self, overwrite: bool) -> None:
        """Remove an earlier run, if that was asked for."""
        check_free(self.path, overwrite=overwrite)
        for file in _files_of_run(self.path):
            file.unlink()

    def _check_resumable(self) -> None:
        """Refuse to go on with a run that has ended, or that has other settings.

        The folder may have moved since. Where a file is damaged, the checkpoints decide: they have
        marks of all that the run depends on.
        """
        summary = self._earlier(layout.SUMMARY, parse_json)
        if summary.get("status") == "done":
            raise InputError(
                f"{self.path}: its run is complete; there is nothing to resume "
                f"('envmap-inverse report' makes its page anew)"
            )
        before, now = self._earlier(layout.SETTINGS, parse_toml), _for_toml(self._settings)
        names = (before.keys() | now.keys()) - {"output"} if before else set()
        different = [
            f"{name} is {now.get(name)!r}, was {before.get(name)!r}"
            for name in sorted(names)
            if before.get(name) != now.get(name)
        ]
        if different:
            raise InputError(
                f"{self.path}: --resume with other settings: {'; '.join(different)}; "
                "repeat those of run.toml (--config), or begin again with --overwrite"
            )

    def _earlier(self, name: str, parse: Callable[[bytes], Any]) -> dict[str, Any]:
        """What a file of the run to resume holds; nothing if it is missing or damaged."""
        path = self.path / name
        try:
            return dict(parse(read_whole(path))) if path.exists() else {}
        except (TypeError, ValueError) as error:
            warnings.warn(f"{path}: is damaged ({in_one_line(error)}); done without", stacklevel=2)
            return {}

    def begin(self, problem: Problem, earlier: Sequence[Record] = ()) -> None:
        """Fix what all iterations are shown and measured by.

        Args:
            problem: the radiance of the reference that clips least sets the exposure of all
                pictures; its ground truth, if known, measures each map.
            earlier: iterations of the run that this one goes on with.
        """
        self._history.begin(earlier)
        reference, ground_truth = problem.views[0].image, problem.ground_truth
        self._exposure = _exposure_for(problem.views, problem.exposures)
        self._ground_truth = ground_truth
        write_image(self.path / layout.reference(0), reference)
        if ground_truth is not None:
            write_image(self.path / layout.GROUND_TRUTH, ground_truth)
        if earlier:
            self._restore_thumbnails(len(earlier))
        if self._wants_frames:
            radiance = reference / problem.exposures[0]
            self._write_png(self.path / layout.REFERENCE_FRAME, radiance)
            self._frames = FrameWriter(self.path, self._exposure, earlier)

    def _restore_thumbnails(self, count: int) -> None:
        try:
            self._thumbnails.restore(self.path / layout.THUMBNAILS, count)
        except InputError as error:
            warnings.warn(str(error), stacklevel=2)

    def flush(self) -> None:
        """Bring all added iterations to the disk, before a checkpoint refers to them."""
        self._history.flush()
        self._thumbnails.write_draft(self.path / layout.THUMBNAILS, self._exposure)
        if self._frames is not None:
            self._frames.flush()

    def add(self, iteration: Iteration) -> None:
        """Write one iteration's line and, if wanted, its pictures.

        With a ground truth, `metrics` and the line have `log_rmse`, `rmse` and `angular_mean_deg`,
        each as often as `Measuring` finds time for: of the first iteration always.
        """
        self._lock.check()
        self.metrics = self._measuring.errors(iteration, self._ground_truth)
        self._history.add(iteration, self.metrics)
        self._thumbnails.add(iteration)
        if self._frames is not None:
            self._frames.add(iteration)

    def finish(
        self,
        result: Estimate,
        problem: Problem,
        *,
        loading: float,
        notes: Sequence[str],
        starting: float = 0.0,
    ) -> dict[str, Any]:
        """Write the results and let others have the folder; returns what `summary.json` holds.

        Args:
            result: what was found.
            problem: what was solved; its first views are rendered with the result.
            loading: seconds of reading the scene and the pictures.
            notes: warnings that the run met.
            starting: seconds before that, from the start of the program.
        """
        self._lock.check()
        begun = time.perf_counter()
        with stage("Writing files") as shown:
            fit = self._write_results(result, problem, shown)
        phases = {"start": starting, "load": loading, **result.phases}
        phases["files"] = time.perf_counter() - begun
        total = starting + loading + time.perf_counter() - self._started
        summary = summary_of_run(
            result,
            problem,
            fit,
            exposure=self._exposure,
            seconds={"total": total, **phases},
            settings=self._settings,
            notes=notes,
        )
        write_bytes(self.path / layout.SUMMARY, f"{to_json(summary, indent=2)}\n".encode())
        self._lock.release()
        return summary

    def _write_results(self, result: Estimate, problem: Problem, shown: Stage) -> Fit:
        """Write the map, what the views show under it and what is known about it; judge the fit."""

        def begin(name: str) -> Path:
            path = self.path / name
            shown.advance(shown.done + 1, name, f"writing {path}")
            return path

        if result.exposures is not None:
            self._exposure = _exposure_for(problem.views, result.exposures, are_known=True)
        response = common_response(problem.views)
        if response is not None:
            write_bytes(begin(layout.RESPONSE), response.as_csv().encode())
        begin(f"{layout.ENVMAP}, {layout.COVERAGE}")
        write_maps(self.path, result, self._exposure, self._num_samples)
        self._thumbnails.write(begin(layout.THUMBNAILS), self._exposure, self._played(result))
        views = problem.views[:MAX_PICTURES]
        exposures = problem.exposures if result.exposures is None else result.exposures
        fit = judge(
            without_outliers(views, result.outliers),
            self._renderings(begin, result, problem.scene, views),
            exposures[: len(views)],
            motion=motion(result.texels, problem.initial, result.coverage),
            held_out=result.held_out,
            parameterization=result.parameterization,
            lacking=result.lacking,
        )
        for number, residuals in enumerate(fit.residuals):
            write_image(begin(layout.residual(number)), residuals)
        self._write_if_any(begin, result, problem)
        return fit

    def _renderings(
        self, begin: Callable[[str], Path], result: Estimate, scene: Scene, views: Sequence[View]
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Write what views show under the map, and the views; yield the renderings of each."""
        sensors = [view.sensor for view in views]
        pairs = rendered_pairs(scene, result.texels, FINAL_SPP, sensors)
        for number, view in enumerate(views):
            path = begin(layout.render(number))
            first, second = next(pairs)
            image = (first + second) / np.float32(2)
            warn_of_dark_pixels(view, image)
            write_image(path, image)
            if number == 0:
                self._write_png(begin(layout.RENDER_PNG), image)
            else:
                write_image(begin(layout.reference(number)), view.image)
            yield first, second

    def _write_if_any(
        self, begin: Callable[[str], Path], result: Estimate, problem: Problem
    ) -> None:
        """Write the outliers, and the start map if the result is of no use."""
        if result.status not in {"done", "interrupted"}:
            write_image(begin(layout.START), problem.initial)
        for number, mask in enumerate((result.outliers or ())[:MAX_PICTURES]):
            if mask.any():
                write_bytes(begin(layout.outliers(number)), encode_png(_black_and_white(mask)))

    def _played(self, result: Estimate) -> Sequence[NDArray[np.float32]]:
        """Maps drawn at random for the report."""
        if result.posterior is None:
            return ()
        return list(result.samples(self._num_samples or PLAYED)[:MAX_PLAYED])

    def close(self) -> None:
        """Close the history and wait for the frames."""
        self._history.close()
        if self._frames is not None:
            frames, self._frames = self._frames, None
            frames.close()

    def _write_png(self, path: Path, image: NDArray[np.float32]) -> None:
        write_bytes(path, encode_png(tonemap(image, self._exposure)))


def _exposure_for(
    views: Sequence[View], exposures: NDArray[np.float32], *, are_known: bool = False
) -> float:
    """The exposure to show pictures at: that of the first view, or of that which clips least."""
    are_known = are_known or all(view.knows_exposure for view in views)
    number = int(np.argmin([np.mean(view.is_over) for view in views])) if are_known else 0
    return display_exposure(views[number].image / exposures[number])


def _black_and_white(mask: NDArray[np.bool_]) -> NDArray[np.uint8]:
    return np.repeat(np.where(mask, 255, 0).astype(np.uint8)[:, :, None], 3, axis=2)


def _for_toml(value: Any) -> Any:
    """Settings without None, and without bytes of names that are no UTF-8, which TOML lacks."""
    if isinstance(value, Mapping):
        return {key: _for_toml(item) for key, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_for_toml(item) for item in value]
    return value.encode(errors="replace").decode() if isinstance(value, str) else value
