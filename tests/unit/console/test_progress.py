"""The progress of a long call on terminals, on plain streams and in programs."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from rich.console import Console
from rich.text import Text

from envmap_inverse.console.progress import PlainProgress, TerminalProgress, terminal_progress
from envmap_inverse.system.progress import Stage, is_watched, stage, watched_by


@contextmanager
def terminal() -> Iterator[io.StringIO]:
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=True, width=120)
    with watched_by(TerminalProgress(console)):
        yield shown


def last_lines(shown: io.StringIO, begin: str) -> str:
    """The lines that a stage leaves standing."""
    return str(re.findall(f"{begin}.*", Text.from_ansi(shown.getvalue()).plain)[-1])


def test_a_terminal_shows_how_far_a_stage_is_and_what_it_is_at() -> None:
    with terminal() as shown, stage("Solving", 2) as solving:
        for index in range(2):
            solving.advance(index + 1, "error=7.5 loss=0.125", "a line for plain streams")
    assert re.search(r" 2/2 error=7\.5 loss=0\.125 ", last_lines(shown, "Solving"))
    assert "a line for plain streams" not in shown.getvalue()


def test_a_terminal_estimates_the_time_that_is_left() -> None:
    shown, clock = io.StringIO(), iter(range(10_000))
    console = Console(file=shown, force_terminal=True, width=120)
    console.get_time = lambda: float(next(clock))  # type: ignore[method-assign]
    with watched_by(TerminalProgress(console)), stage("Solving", 1000) as solving:
        for done in range(1, 11):
            solving.advance(done)
    left = re.search(r"10/1000 +0:00:\d\d +(\d+):(\d\d)", last_lines(shown, "Solving"))
    assert left
    assert 600 < 60 * int(left[1]) + int(left[2]) < 6000  # a second or a few a step


def test_shares_are_shown_as_percentages_and_unknown_ends_as_none() -> None:
    with terminal() as shown, stage("Recording", 1.0) as recording, stage("Reading") as reading:
        recording.advance(0.25)
        reading.advance(3, "photo.exr")
    assert " 25 % " in last_lines(shown, "Recording")
    assert "photo.exr" in last_lines(shown, "Reading")
    assert "%" not in last_lines(shown, "Reading")


def test_stages_one_after_the_other_stay_on_the_terminal() -> None:
    with terminal() as shown:
        for name in ("Reading", "Writing"):
            with stage(name):
                pass
    text = Text.from_ansi(shown.getvalue()).plain
    assert text.index("Reading") < text.index("Writing")


def test_a_stage_that_fails_ends_its_line() -> None:
    with terminal() as shown, pytest.raises(ZeroDivisionError), stage("Reading"):
        raise ZeroDivisionError
    assert shown.getvalue().endswith("\x1b[?25h")  # the cursor is there again


def test_a_plain_stream_gets_a_line_per_stage_and_those_of_its_steps(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with watched_by(PlainProgress()), stage("Solving", 2) as solving:
        solving.advance(1, "loss=0.5", "Iteration 000: loss=0.5")
        solving.advance(2)
    assert capsys.readouterr().out == "Solving ...\nIteration 000: loss=0.5\n"


def test_no_terminal_no_live_lines() -> None:
    assert terminal_progress() is None  # pytest's standard error is none


def test_who_watches_is_told_until_the_context_ends() -> None:
    told: list[str] = []

    class Teller:
        def begin(self, stage: Stage) -> None:
            told.append(f"begin {stage.name}")

        def update(self, stage: Stage) -> None:
            told.append(f"{stage.done:g} of {stage.total}")

        def end(self, stage: Stage) -> None:
            told.append(f"end {stage.name}")

    with watched_by(Teller()):
        assert is_watched()
        with stage("one", 4) as one:
            one.advance(3)
    assert not is_watched()
    with stage("two") as two:
        two.advance(1)
    assert told == ["begin one", "3 of 4", "end one"]


def test_a_terminal_shows_the_whole_wait_with_its_stages(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    progress = TerminalProgress(Console(file=shown, force_terminal=True, width=120))
    monkeypatch.setattr(Stage, "seconds", 1.25)
    monkeypatch.setattr("envmap_inverse.console.progress.seconds_since_start", lambda: 4.0)
    with watched_by(progress):
        for name in ("Reading", "Reading", "Writing"):
            with stage(name), stage("inside"):
                pass
    progress.show_wait()
    last = Text.from_ansi(shown.getvalue()).plain.splitlines()[-1]
    assert last == "4.0 s since the start: Reading 2.5, Writing 1.2, other 0.2"


def test_a_command_without_stages_shows_no_wait() -> None:
    shown = io.StringIO()
    TerminalProgress(Console(file=shown, force_terminal=True)).show_wait()
    assert shown.getvalue() == ""
