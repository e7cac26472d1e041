"""Messages where Mitsuba or Dr.Jit cannot be imported."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from envmap_inverse.backend import modules
from envmap_inverse.errors import BackendError, InputError

RunPython = Callable[..., subprocess.CompletedProcess[str]]


ABSENT = "libatomic.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def broken_drjit(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Makes an environment in which importing Dr.Jit runs some code."""

    def make(code: str) -> dict[str, str]:
        (tmp_path / "drjit.py").write_text(code)
        (tmp_path / "mitsuba.py").write_text("import drjit\n")
        return {"PYTHONPATH": str(tmp_path)}

    return make


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            f"try:\n    raise ImportError({ABSENT!r})\nexcept ImportError:\n    print(missing)",
            "mitsuba needs the system library libatomic.so.1, which is missing; install it with "
            "'apt-get install libatomic1' (Debian, Ubuntu), 'dnf install libatomic' "
            "(Fedora, RHEL), 'apk add libatomic' (Alpine) or 'pacman -S gcc-libs' (Arch)",
        ),
        (
            "raise ImportError('libX11.so.6: cannot open shared object file: ...')",
            "mitsuba needs the system library libX11.so.6, which is missing; "
            "install the package of your system that has libX11.so.6",
        ),
        (
            "raise SystemError('two\\nlines')",
            "mitsuba cannot be imported (SystemError: two lines); reinstall it: "
            "'pip install --force-reinstall mitsuba'",
        ),
    ],
    ids=["libatomic", "another library", "anything else"],
)
def test_whatever_importing_drjit_raises_ends_a_command_with_one_line(
    broken_drjit: Callable[[str], dict[str, str]], code: str, words: str, run_python: RunPython
) -> None:
    command = """
import sys
from envmap_inverse.bundled import bunny
from envmap_inverse.cli import main
sys.argv = ["envmap-inverse", "params", str(bunny()), "--trust-input"]
main()
"""
    done = run_python(command, **broken_drjit(code))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {words}\n")


def test_a_package_that_cannot_be_imported_is_named_with_what_mends_it() -> None:
    with pytest.raises(BackendError, match="reinstall it: 'pip install --force-reinstall"):
        modules._LazyModule("no_such_module").anything  # noqa: B018 - looking it up is the test


def test_a_deleted_working_folder_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deleted"
    folder.mkdir()
    monkeypatch.chdir(folder)
    folder.rmdir()
    with pytest.raises(InputError, match="the working folder was deleted"):
        modules.check_working_folder()
