"""Checkpoints: what a killed run goes on from.

A checkpoint is a file of plain arrays with a checksum over every bit of it (`sealed`). The newest
two are kept; one that is damaged is passed over, with a warning, for the one before. A recorded
light transport, which takes long to make and does not change, is kept once, beside the first.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import Optimizer, State
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Record
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.solving import layout
from envmap_inverse.system.memory import gibibytes
from envmap_inverse.system.sealed_arrays import read_arrays, write_arrays

__all__ = ["Checkpoints", "fingerprints"]

FORMAT = 2
NUM_KEPT = 2


class Checkpoints:
    """The checkpoints of a run, in its folder."""

    def __init__(
        self,
        folder: Path,
        marks: Mapping[str, str],
        *,
        every: float = 30.0,
        before: Callable[[], None] = lambda: None,
    ) -> None:
        """Nothing is written yet.

        Args:
            folder: where they are.
            marks: of `fingerprints`.
            every: seconds between two; 0 for each iteration.
            before: called before one is written, for what has to be on the disk by then.
        """
        self.folder, self.every = folder, every
        self._before = before
        self._marks = dict(marks)
        self._transport: LightTransport | None = None
        self._last = time.monotonic()

    def offer(
        self, state: Callable[[], tuple[Sequence[Record], State]], *, is_last: bool = False
    ) -> None:
        """Write a checkpoint if one is due.

        Args:
            state: gives the iterations so far, and the arrays from which the next one follows.
            is_last: whether the run is being ended, so that one is due.

        Raises:
            OSError: if it cannot be written.
        """
        if not (is_last or self._is_due()):
            return
        self._before()
        self._write_transport()
        history, arrays_of_state = state()
        rows = [
            [np.nan if record.error is None else record.error, record.loss, record.seconds]
            for record in history
        ]
        newest = self.folder / layout.checkpoint(len(history))
        write_arrays(
            newest,
            {
                **{f"state_{name}": array for name, array in arrays_of_state.items()},
                "format": np.array(FORMAT),
                "marks": np.array(json.dumps(self._marks)),
                "history": np.array(rows, np.float64),
            },
        )
        files = self.files()
        kept = files[files.index(newest) :][:NUM_KEPT]  # newer ones were damaged
        for path in set(files) - set(kept):
            path.unlink(missing_ok=True)
        self._last = time.monotonic()

    def restore(self) -> tuple[list[Record], dict[str, NDArray[Any]]] | None:
        """History and state of the newest whole checkpoint; None if there is none.

        Raises:
            InputError: if it is of another version, or of other pictures, scene or settings.
        """
        files = self.files()
        for path, is_oldest in zip(files, [*[False] * (len(files) - 1), True], strict=False):
            try:
                return self._read(path)
            except InputError:
                raise
            except (OSError, ValueError, KeyError, MemoryError) as error:
                then = "the run begins again" if is_oldest else "the one before is used"
                reason = " ".join(str(error).split())
                warnings.warn(f"{path}: damaged, {then}: {reason}", stacklevel=2)
        return None

    def _read(self, path: Path) -> tuple[list[Record], dict[str, NDArray[Any]]]:
        found = read_arrays(path)
        if found["format"].item() != FORMAT:
            raise InputError(f"{path}: written by another version; start the run again")
        self._check_marks(path, json.loads(found["marks"].item()))
        rows = found["history"]
        if rows.dtype != np.float64 or rows.ndim != 2 or rows.shape[1] != 3:
            raise ValueError("no history is in it")
        state = {
            name.removeprefix("state_"): array
            for name, array in found.items()
            if name.startswith("state_")
        }
        return _records(rows), state

    def _check_marks(self, path: Path, before: Mapping[str, str]) -> None:
        different = [
            name for name in {**self._marks, **before} if before.get(name) != self._marks.get(name)
        ]
        if different:
            raise InputError(
                f"{path}: not of this run: {', '.join(different)} changed since; "
                "start the run again with --overwrite"
            )

    def keep_transport(self, transport: LightTransport) -> None:
        """Keep a recording, which is written with the next checkpoint; now, if one is due."""
        self._transport = transport
        if self._is_due():
            self._write_transport()

    def transport(self) -> LightTransport | None:
        """The recording that is kept; None if there is none, or it is damaged."""
        if not self._path_of_transport.exists():
            return None
        try:
            return LightTransport.load(self._path_of_transport)
        except (OSError, InputError) as error:
            warnings.warn(f"{error}; it is recorded again", stacklevel=2)
            self._path_of_transport.unlink(missing_ok=True)
            return None

    def remove(self) -> None:
        """Remove them all; the run is complete."""
        for path in self.folder.iterdir():
            if layout.CHECKPOINT_FILES.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """The checkpoints that are there, newest first."""
        found = self.folder.glob("checkpoint_*.npz")
        whole = [path for path in found if layout.CHECKPOINT_FILES.fullmatch(path.name)]
        return sorted(whole, key=lambda path: int(path.stem.split("_")[1]), reverse=True)

    def _is_due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    @property
    def _path_of_transport(self) -> Path:
        """Its name tells of what it is the recording."""
        digest = hashlib.sha256(json.dumps(self._marks).encode()).hexdigest()
        return self.folder / layout.kept_transport(digest)

    def _write_transport(self) -> None:
        """Write the recording if it has not been, and there is room: without it a run can go on."""
        transport, self._transport = self._transport, None
        if transport is None or self._path_of_transport.exists():
            return
        free = shutil.disk_usage(self.folder).free
        if 2 * transport.nbytes > free:
            warnings.warn(
                f"{self.folder}: the recorded light transport takes "
                f"{gibibytes(transport.nbytes)} and {gibibytes(free)} are free; it is not kept, "
                "and would be recorded again by --resume",
                stacklevel=2,
            )
            return
        transport.save(self._path_of_transport)


def fingerprints(problem: Problem, optimizer: Optimizer) -> dict[str, str]:
    """What the numbers of a run follow from, each as a name and a text or a hash (SHA-256)."""
    scene = problem.scene
    views = {
        f"{view.name} (picture {number})": _hash(
            *(view.image, view.weights, view.is_over, view.is_under),
            f"{view.sensor} {view.exposure} {view.white} {view.black}",
        )
        for number, view in enumerate(problem.views)
    }
    truth = problem.ground_truth
    return {
        **views,
        "the scene": _hash(*scene.contents()),
        "the start map": _hash(problem.initial),
        "the ground truth": "" if truth is None else _hash(truth),
        "the optimizer": repr(optimizer),
        "the loss": repr(problem.loss),
        "the priors": repr(problem.priors),
        "Mitsuba's version or variant": f"{mi.__version__} {mi.variant()}",
    }


def _hash(*parts: NDArray[Any] | str) -> str:
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else np.ascontiguousarray(part).tobytes()
        digest.update(f"{len(data)}:".encode() + data)
    return digest.hexdigest()


def _records(rows: NDArray[np.float64]) -> list[Record]:
    return [
        Record(
            index=index,
            loss=float(loss),
            error=None if np.isnan(error) else float(error),
            seconds=float(seconds),
        )
        for index, (error, loss, seconds) in enumerate(rows)
    ]
