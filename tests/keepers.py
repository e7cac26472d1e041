"""A keeper of runs that writes no file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.optimizers.protocol import State
from envmap_inverse.problem.solution import Record


class Memory:
    """A keeper of the state after a number of iterations, or after the last if there are fewer."""

    def __init__(self, length: int) -> None:
        self.length = length
        self.kept: tuple[list[Record], dict[str, NDArray[Any]]] | None = None
        self.recording: ei.LightTransport | None = None

    def offer(
        self,
        state: Callable[[], tuple[Sequence[Record], State]],
        *,
        is_last: bool = False,  # noqa: ARG002
    ) -> None:
        history, arrays = state()
        if len(history) <= self.length:
            self.kept = list(history), {name: array.copy() for name, array in arrays.items()}

    def restore(self) -> tuple[list[Record], dict[str, NDArray[Any]]] | None:
        return self.kept

    def keep_transport(self, transport: ei.LightTransport) -> None:
        self.recording = transport

    def transport(self) -> ei.LightTransport | None:
        return self.recording
