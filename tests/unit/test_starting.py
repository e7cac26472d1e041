"""What the command says before the package is imported."""

from __future__ import annotations

import io
import resource
import subprocess
import sys

import pytest

import envmap_inverse_command as command
from envmap_inverse import cli


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def start(monkeypatch: pytest.MonkeyPatch, *words: str) -> str:
    """What a terminal shows when the command starts."""
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    monkeypatch.setattr(cli, "main", lambda: shown.write("ran"))
    monkeypatch.setattr(sys, "argv", ["envmap-inverse", "losses", *words])
    command._run(None)
    return shown.getvalue()


def test_a_terminal_shows_that_the_command_starts_until_it_does(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    begun, blank, ran = start(monkeypatch).split("\r")
    assert (begun, blank.strip(), ran) == ("Starting ...", "", "ran")
    assert len(blank) >= len(begun)


@pytest.mark.parametrize("word", ["-q", "--quiet"])
def test_a_quiet_command_starts_quietly(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    assert start(monkeypatch, word) == "ran"


def test_a_pipe_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli, "main", lambda: None)
    command._run(None)
    assert capsys.readouterr() == ("", "")


def test_the_package_is_not_imported_before() -> None:
    code = "import sys, envmap_inverse_command; print('envmap_inverse' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


class Interrupting:
    """Interrupts the import of the command line."""

    def find_spec(self, name: str, *_: object) -> None:
        if name == cli.__name__:
            raise KeyboardInterrupt


def test_an_interruption_at_the_start_is_no_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, cli.__name__)
    monkeypatch.setattr(sys, "meta_path", [Interrupting(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        command._run(None)
    assert ended.value.code == 130
    assert capsys.readouterr().err == "error: interrupted\n"


@pytest.mark.parametrize(
    "error", [MemoryError(), ImportError("libscipy.so: failed to map segment from shared object")]
)
def test_too_little_memory_to_start_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], error: Exception
) -> None:
    class Failing:
        def find_spec(self, name: str, *_: object) -> None:
            if name == "envmap_inverse.cli":
                raise error

    monkeypatch.delitem(sys.modules, "envmap_inverse.cli")
    monkeypatch.setattr(sys, "meta_path", [Failing(), *sys.meta_path])
    with pytest.raises(SystemExit) as ended:
        command._run(None)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: {command.TOO_LITTLE}\n"


@pytest.mark.parametrize("kind", list(command.LEAST_MEMORY))
def test_a_limit_in_which_openblas_would_not_end_is_refused_before_imports(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], kind: int
) -> None:
    least = command.LEAST_MEMORY[kind]
    limits = {kind: (least - 1, -1)}
    monkeypatch.setattr(resource, "getrlimit", lambda asked: limits.get(asked, (-1, -1)))
    with pytest.raises(SystemExit) as ended:
        command._run(None)
    assert ended.value.code == 1
    assert capsys.readouterr().err == f"error: {command.TOO_LITTLE}\n"
