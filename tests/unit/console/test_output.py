from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from rich.text import Text

from envmap_inverse import Iteration
from envmap_inverse.console import output as console
from envmap_inverse.console.output import ProgressDisplay


def iteration(index: int, **numbers: Any) -> Iteration:
    picture = np.ones((2, 4, 3), np.float32)
    arrays = {"texels_on_device": lambda: picture, "image_on_device": lambda: picture}
    return Iteration(index=index, **{"seconds": 0.5, **numbers, **arrays})


def test_a_plain_stream_gets_a_line_per_iteration(capsys: pytest.CaptureFixture[str]) -> None:
    with ProgressDisplay(2) as display:
        display.show(iteration(3, error=39400.25, loss=0.125))
        display.show(iteration(1234, error=None, loss=1e-9))
    lines = capsys.readouterr().out.splitlines()
    assert lines == ["Iteration 003: error=39400.2 loss=0.125", "Iteration 1234: loss=1e-09"]


def test_a_terminal_gets_one_line_that_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    terminal = Console(file=shown, force_terminal=True, width=120)
    monkeypatch.setattr(console, "console", terminal)
    with ProgressDisplay(2) as display:
        for index in range(2):
            display.show(iteration(index, error=7.5, loss=0.125))
    *_, last = re.findall("Iteration.*", Text.from_ansi(shown.getvalue()).plain)
    assert re.search(r" 2/2 error=7\.5 loss=0\.125 +4/s", last)


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
