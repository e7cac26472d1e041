"""The history of a run: a line for each iteration, on the disk at once."""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.metrics import angular_error, log_rmse, rmse
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.solving.layout import HISTORY
from envmap_inverse.solving.saving import line_of
from envmap_inverse.system.reading import read_whole
from envmap_inverse.system.writing import append_line

__all__ = ["History", "Measuring"]

MEASURING_SHARE = 0.03
"""At most this share of a run's time goes into each metric of its history."""

_METRICS = {"log_rmse": log_rmse, "rmse": rmse, "angular_mean_deg": angular_error}


class History:
    """The file of a history, open for appending."""

    def __init__(self, folder: Path) -> None:
        """Open the file, which keeps the lines it has.

        Raises:
            OSError: if it cannot be written.
        """
        self._path = folder / HISTORY
        self._file = self._path.open("ab+", buffering=0)

    def begin(self, earlier: Sequence[Record]) -> None:
        """Cut the file to some iterations; those of its lines that fit stay as they are."""
        found = read_whole(self._path).splitlines()
        lines = [
            found[record.index].decode()
            if record.index < len(found) and _is_of(found[record.index], record)
            else line_of(record)
            for record in earlier
        ]
        self._file.truncate(0)
        if lines:
            append_line(self._file, "\n".join(lines))

    def add(self, record: Record, metrics: Mapping[str, float]) -> None:
        """Append the line of an iteration."""
        if self._file.closed:
            raise InputError(f"{self._path.parent}: the run has ended")
        append_line(self._file, line_of(record, metrics))

    def flush(self) -> None:
        """Make all lines outlive a kill."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()


class Measuring:
    """Measures the errors of maps, each as often as `MEASURING_SHARE` of the time allows."""

    def __init__(self) -> None:
        """Start the clock."""
        self._started = time.perf_counter()
        self._spent = dict.fromkeys(_METRICS, 0.0)

    def errors(
        self, iteration: Iteration, ground_truth: NDArray[np.float32] | None
    ) -> dict[str, float]:
        """Measure what it is time for; of the first iteration everything."""
        numbers: dict[str, float] = {}
        if ground_truth is None:
            return numbers
        for name, error in _METRICS.items():
            begun = time.perf_counter()
            if self._spent[name] <= MEASURING_SHARE * (begun - self._started):
                numbers[name] = error(iteration.texels, ground_truth)
                self._spent[name] += time.perf_counter() - begun
        return numbers


def _is_of(line: bytes, record: Record) -> bool:
    """Whether a line of a history is the whole line of an iteration."""
    numbers = line_of(record).removesuffix("}").encode()
    return line.startswith(numbers) and line.endswith(b"}")
