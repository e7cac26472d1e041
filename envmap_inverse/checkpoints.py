"""Checkpoints: what a killed run goes on from.

A checkpoint is an .npz file of plain arrays, whose members carry checksums (CRC-32). The newest two
are kept; one that is damaged is passed over, with a warning, for the one before.
"""

from __future__ import annotations

import hashlib
import io
import re
import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.problem import Problem, Record, State
from envmap_inverse.writing import write_bytes

__all__ = ["CHECKPOINT_FILES", "Checkpoints", "fingerprint"]

CHECKPOINT_FILES = re.compile(r"checkpoint_\d{6,}\.npz")
FORMAT = 1
NUM_KEPT = 2


class Checkpoints:
    """The checkpoints of a run, in its folder."""

    def __init__(self, folder: Path, mark: str, *, every: float = 30.0) -> None:
        """Args: mark: of `fingerprint`. every: seconds between two; 0 for each iteration."""
        self.folder, self.mark, self.every = folder, mark, every
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
        if not is_last and time.monotonic() - self._last < self.every:
            return
        history, arrays_of_state = state()
        rows = [
            [np.nan if record.error is None else record.error, record.loss, record.seconds]
            for record in history
        ]
        arrays: dict[str, Any] = {
            **{f"state_{name}": array for name, array in arrays_of_state.items()},
            "format": np.array(FORMAT),
            "mark": np.array(self.mark),
            "history": np.array(rows, np.float64),
        }
        stream = io.BytesIO()
        np.savez(stream, **arrays)
        write_bytes(self.folder / f"checkpoint_{len(history):06d}.npz", stream.getvalue())
        for path in self.files()[NUM_KEPT:]:
            path.unlink(missing_ok=True)
        self._last = time.monotonic()

    def restore(self) -> tuple[list[Record], dict[str, NDArray[Any]]] | None:
        """History and state of the newest whole checkpoint; None if there is none.

        Raises:
            InputError: if it is of another version, or of other pictures, scene or settings.
        """
        for path in self.files():
            try:
                with np.load(io.BytesIO(path.read_bytes()), allow_pickle=False) as file:
                    found = {name: file[name] for name in file.files}
                if found["format"].item() != FORMAT:
                    raise InputError(f"{path}: written by another version; start the run again")
                if found["mark"].item() != self.mark:
                    raise InputError(
                        f"{path}: the pictures, the scene or the start map have changed since; "
                        "start the run again with --overwrite"
                    )
                return _records(found["history"]), {
                    name.removeprefix("state_"): array
                    for name, array in found.items()
                    if name.startswith("state_")
                }
            except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
                if isinstance(error, InputError):
                    raise
                reason = " ".join(str(error).split())
                warnings.warn(f"{path}: damaged, the one before is used: {reason}", stacklevel=2)
        return None

    def remove(self) -> None:
        """Remove them all; the run is complete."""
        for path in self.files():
            path.unlink(missing_ok=True)

    def files(self) -> list[Path]:
        """Those that are there, newest first."""
        found = [path for path in self.folder.iterdir() if CHECKPOINT_FILES.fullmatch(path.name)]
        return sorted(found, key=lambda path: int(path.stem.split("_")[1]), reverse=True)


def fingerprint(problem: Problem) -> str:
    """A hash of the pictures, their masks, the start map and the scene's parameters (SHA-256)."""
    digest = hashlib.sha256()
    for view in problem.views:
        for array in (view.image, view.weights, np.float64(view.sensor)):
            digest.update(np.ascontiguousarray(array).tobytes())
        digest.update(f"{view.exposure} {view.white} {view.black}".encode())
    digest.update(problem.initial.tobytes())
    digest.update(str(problem.scene.parameters).encode())
    digest.update(f"{problem.loss} {problem.priors}".encode())
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
