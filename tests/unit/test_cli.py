"""Ends of the command line; tests/cli has whole processes."""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from envmap_inverse import BackendError, InputError, cli
from envmap_inverse.errors import MissingFileError

End = Callable[[Callable[[], Any]], tuple[int, str]]


@pytest.fixture
def end(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[End]:
    """Exit status and standard error of a command that does something."""
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    monkeypatch.delenv("ENVMAP_INVERSE_DEBUG", raising=False)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}

    def run(command: Callable[[], Any]) -> tuple[int, str]:
        monkeypatch.setattr(cli, "app", lambda **_: command())
        with pytest.raises(SystemExit) as ended:
            cli.main()
        return ended.value.code, capsys.readouterr().err  # type: ignore[return-value]

    yield run
    for number, handler in handlers.items():
        signal.signal(number, handler)


def raises(error: BaseException) -> Callable[[], Any]:
    def command() -> Any:
        raise error

    return command


def chained(outer: Exception, inner: Exception) -> Exception:
    outer.__cause__ = inner
    return outer


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (InputError("map.exr: no such map"), 2, "map.exr: no such map"),
        (MissingFileError("map.exr: no such file"), 2, "map.exr: no such file"),
        (typer.BadParameter("not a number"), 2, "Invalid value: not a number"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Abort(), 130, "interrupted"),
        (BackendError("no LLVM"), 1, "no LLVM"),
        (MemoryError(), 1, "out of memory; a smaller --size or --spp needs less"),
        (OSError(errno.ENOSPC, "No space left", "a.exr"), 1, "a.exr: No space left"),
        (
            OSError(errno.ENOSPC, "No space left"),
            1,
            "standard output or another stream cannot be written: No space left",
        ),
        (OSError(errno.ENAMETOOLONG, "too long", "a.exr"), 2, "a.exr: too long"),
        (OSError("ffmpeg ended"), 1, "OSError: ffmpeg ended (ENVMAP_INVERSE_DEBUG=1 shows where)"),
        (
            chained(RuntimeError("somewhere in a kernel"), ValueError("a shape\n  does not fit")),
            1,
            "ValueError: a shape does not fit (ENVMAP_INVERSE_DEBUG=1 shows where)",
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_error_is_one_line_and_a_status(
    end: End, error: BaseException, status: int, line: str
) -> None:
    assert end(raises(error)) == (status, f"error: {line}\n")


def test_where_an_error_was_is_shown_when_asked_for(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENVMAP_INVERSE_DEBUG", "1")
    status, said = end(raises(ZeroDivisionError("division by zero")))
    assert status == 1
    assert said.startswith("Traceback (most recent call last):\n")
    assert "in command\n" in said
    assert said.splitlines()[-1].startswith("error: ZeroDivisionError: division by zero (")


@pytest.mark.parametrize(("result", "status"), [(None, 0), (3, 3), ("text", 0)])
def test_a_command_that_returns_ends_with_its_status(end: End, result: Any, status: int) -> None:
    assert end(lambda: result) == (status, "")
    # What comes now is too late to be of use.
    assert signal.getsignal(signal.SIGTERM) == signal.getsignal(signal.SIGINT) == signal.SIG_IGN


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGINT, 130, "error: interrupted\n"), (signal.SIGTERM, 143, "")],
)
def test_a_signal_ends_a_command_at_once(
    end: End, number: signal.Signals, status: int, said: str
) -> None:
    def command() -> None:
        os.kill(os.getpid(), number)
        pytest.fail("went on")

    assert end(command) == (status, said)


def test_an_error_that_a_signal_has_become_on_its_way_is_still_the_signal(end: End) -> None:
    """As where it passes through Dr.Jit; a second signal does not stop the cleaning up."""

    def command() -> None:
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        except SystemExit:
            os.kill(os.getpid(), signal.SIGTERM)
            raise RuntimeError("a kernel was interrupted") from None

    assert end(command) == (143, "")


@pytest.mark.parametrize(("context", "status"), [(BrokenPipeError(), 0), (None, 1)])
def test_help_that_nobody_reads_is_no_failure(
    end: End, context: Exception | None, status: int
) -> None:
    def command() -> None:
        if context is None:
            sys.exit(1)
        try:
            raise context
        except BrokenPipeError:
            sys.exit(1)

    assert end(command) == (status, "")


def test_closed_streams_are_opened_to_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("stdin", "stdout", "stderr"):
        monkeypatch.setattr(sys, name, None)
    cli._open_closed_streams()
    streams = (sys.stdin, sys.stdout, sys.stderr)
    try:
        assert sys.stdin.read() == ""
        assert [stream.write("anyone?") for stream in streams[1:]] == [7, 7]
        assert {os.fstat(s.fileno()).st_rdev for s in streams} == {Path(os.devnull).stat().st_rdev}
    finally:
        for stream in streams:
            stream.close()


def test_every_command_that_loads_a_scene_has_the_options_of_scenes() -> None:
    commands = typer.main.get_command(cli.app).commands.values()
    options = {command.name: {p.name for p in command.params} for command in commands}
    loading = {name for name, names in options.items() if "scene" in names}
    assert loading >= {"params", "render", "estimate", "coverage"}
    assert all(options[name] >= {"define", "envmap_name"} for name in loading)


def test_a_lost_line_of_standard_output_makes_success_a_failure(
    end: End, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cli, "lost_output", lambda: "No space left")
    reason = "standard output cannot be written: No space left"
    assert end(lambda: None) == (1, f"error: {reason}\n")
    assert end(raises(InputError("bad"))) == (2, "error: bad\n")
