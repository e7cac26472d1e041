"""Checkpoints, from which a killed run goes on.

A checkpoint is a file of plain arrays with a checksum over every bit (`sealed_arrays`). The newest
two are kept; if the newer one is damaged, a warning is given and the older one used. A recorded
light transport, which takes long to make and does not change, is kept once, beside them.
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
from envmap_inverse.errors import InputError, in_one_line
from envmap_inverse.optimizers.protocol import Optimizer, State
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Record
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.solving import layout
from envmap_inverse.system.digests import digest_of
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
        """Prepare to write checkpoints; none is written yet.

        Args:
            folder: folder of the checkpoints.
            marks: result of `fingerprints`.
            every: seconds between two checkpoints; 0 for one at each iteration.
            before: called before one is written, to put on the disk what must be there by then.
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
            state: returns the iterations so far, and the arrays from which the next one follows.
            is_last: whether the run is ending, so that a checkpoint is due.

        Raises:
            OSError: if the checkpoint cannot be written.
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
        """Read history and state from the newest intact checkpoint; None if there is none.

        Raises:
            InputError: if it belongs to another version, or to other pictures, scene or settings.
        """
        files = self.files()
        for path, is_oldest in zip(files, [*[False] * (len(files) - 1), True], strict=False):
            try:
                return self._read(path)
            except InputError:
                raise
            except (OSError, ValueError, KeyError, MemoryError) as error:
                then = "the run begins again" if is_oldest else "the one before is used"
                reason = in_one_line(error)
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
        """Keep a recording; it is written with the next checkpoint, which is now if one is due."""
        self._transport = transport
        if self._is_due():
            self._write_transport()

    def transport(self) -> LightTransport | None:
        """Read the recording that was kept; None if there is none, or it is damaged."""
        if not self._path_of_transport.exists():
            return None
        try:
            return LightTransport.load(self._path_of_transport)
        except (OSError, InputError) as error:
            warnings.warn(f"{error}; it is recorded again", stacklevel=2)
            self._path_of_transport.unlink(missing_ok=True)
            return None

    def remove(self) -> None:
        """Remove all checkpoints; the run is complete."""
        for path in self.folder.iterdir():
            if layout.CHECKPOINT_FILES.fullmatch(path.name):
                path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """The files of the existing checkpoints, newest first."""
        found = self.folder.glob("checkpoint_*.npz")
        whole = [path for path in found if layout.CHECKPOINT_FILES.fullmatch(path.name)]
        return sorted(whole, key=lambda path: int(path.stem.split("_")[1]), reverse=True)

    def _is_due(self) -> bool:
        return time.monotonic() - self._last >= self.every

    @property
    def _path_of_transport(self) -> Path:
        """Path of the recording; its name depends on what was recorded."""
        digest = hashlib.sha256(json.dumps(self._marks).encode()).hexdigest()
        return self.folder / layout.kept_transport(digest)

    def _write_transport(self) -> None:
        """Write the recording once, if there is room; a run can go on without it."""
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
    """Everything that determines a run's numbers, by name, as a text or a hash (SHA-256)."""
    scene = problem.scene
    views = {
        f"{view.name} (picture {number})": digest_of(
            *(view.image, view.weights, view.is_over, view.is_under),
            f"{view.sensor} {view.exposure} {view.white} {view.black}",
        )
        for number, view in enumerate(problem.views, 1)
    }
    truth = problem.ground_truth
    return {
        **views,
        "the scene": scene.fingerprint,
        "the start map": digest_of(problem.initial),
        "the ground truth": "" if truth is None else digest_of(truth),
        "the optimizer": repr(optimizer),
        "the loss": repr(problem.loss),
        "the priors": repr(problem.priors),
        "Mitsuba's version or variant": f"{mi.__version__} {mi.variant()}",
    }


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
