from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import pytest

from envmap_inverse.console import output as console


class Unheard(io.StringIO):
    """A stream whose reader has gone."""

    def __init__(self, descriptor: int) -> None:
        super().__init__()
        self.descriptor = descriptor

    def flush(self) -> None:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self.descriptor


def test_what_nobody_hears_goes_nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "pipe").open("w") as pipe, Path(os.devnull).open("w") as nowhere:
        monkeypatch.setattr(sys, "stdout", Unheard(pipe.fileno()))
        console.say("anyone?")
        monkeypatch.undo()
        assert os.path.sameopenfile(pipe.fileno(), nowhere.fileno())
