"""What the parent makes of a child's answers and of its end."""

from __future__ import annotations

import io
import json
import signal
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envmap_inverse.errors import InputError
from envmap_inverse.guard.reader import RENDERING_SECONDS, Reader


class Answers:
    """A connection to a child that gives these answers, and then dies or never answers."""

    def __init__(self, *answers: list[Any], dies: bool) -> None:
        self.answers, self.dies = iter(answers), dies
        self.waited: list[float] = []

    def send_bytes(self, _: bytes) -> None:
        pass

    def poll(self, seconds: float) -> bool:
        self.waited.append(seconds)
        self.next = next(self.answers, None)
        return self.next is not None or self.dies

    def recv_bytes(self) -> bytes:
        if self.next is None:
            raise EOFError
        return json.dumps(self.next).encode()


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Iterator[Reader]:
    monkeypatch.setattr(Reader, "_start", lambda _: None)
    monkeypatch.setattr(Reader, "_end", lambda _: None)
    with Reader(memory=1, seconds=1) as made:
        made._seconds_left, made._output = 1.0, io.BytesIO()
        made._child = SimpleNamespace(wait=lambda: -signal.SIGSEGV)
        yield made


def test_a_crash_of_the_rehearsal_is_no_fault_of_a_file(reader: Reader) -> None:
    reader._connection = Answers(["reading", 1.0, ["a.exr"]], ["rendering"], dies=True)
    words = r"scene\.xml: crashes Mitsuba \(SIGSEGV\) when it is rendered at 4 x 4 pixels"
    with pytest.raises(InputError, match=words):
        reader.read(scene=Path("scene.xml"))


def test_a_rehearsal_that_never_ends_is_given_up(reader: Reader) -> None:
    reader._connection = Answers(["reading", 1.0, []], ["rendering"], dies=False)
    words = f"was not rendered at 4 x 4 pixels within {RENDERING_SECONDS:.0f} s; --trust-input"
    with pytest.raises(InputError, match=words):
        reader.read(scene=Path("scene.xml"))
    assert reader._connection.waited[-1] == RENDERING_SECONDS
