"""A process that has imported the program already, and forks one for each command.

So a command takes half of the time that it takes in a new interpreter.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

__all__ = ["Completed", "Zygote"]

SECONDS = 120
"""After which a command is killed."""

Completed = subprocess.CompletedProcess[str]


class Zygote:
    """A process that forks; ends with this one, or as a context."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            environment: its variables; those of this process if not given.
        """
        self._process = subprocess.Popen(
            [sys.executable, __file__],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Zygote:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.communicate()  # at the end of its input it ends

    def call(
        self,
        *arguments: object,
        cwd: str | Path = ".",
        env: Mapping[str, str] | None = None,
        streams: Mapping[str, str] | None = None,
    ) -> Completed:
        """Run the program, as `subprocess.run` does.

        Args:
            *arguments: of the program.
            cwd: its folder.
            env: variables to set beside the zygote's.
            streams: what the descriptors 0, 1 and 2 are: "closed", "full", "broken" (a pipe that
                nobody reads), "read-only", "null"; files that are read at the end otherwise.
        """
        request = {
            "folder": str(Path(cwd).resolve()),
            "arguments": [str(argument) for argument in arguments],
            "environment": dict(env or {}),
            "streams": dict(streams or {}),
        }
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{json.dumps(request)}\n")
        self._process.stdin.flush()
        status, *written = json.loads(self._process.stdout.readline())
        return Completed(request["arguments"], status, *written)


def serve(requests: Iterable[str], answers: Any) -> None:
    """Answer requests, a line of JSON each, by [status, standard output, standard error]."""
    import envmap_inverse.cli  # noqa: F401 - for all processes to come

    for line in requests:
        answers.write(f"{json.dumps(_call(**json.loads(line)))}\n")
        answers.flush()


def _call(
    folder: str, arguments: list[str], environment: dict[str, str], streams: dict[str, str]
) -> tuple[int, str, str]:
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as error:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.chdir(folder)
            _run(arguments, environment, streams, [output.fileno(), error.fileno()])
        begun = time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > begun + SECONDS:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.01)
        written = [file.seek(0) or file.read().decode(errors="replace") for file in (output, error)]
        return os.waitstatus_to_exitcode(status), written[0], written[1]


def _run(
    arguments: list[str], environment: dict[str, str], streams: dict[str, str], files: list[int]
) -> None:
    """Run the program as Python starts it; never returns."""
    import envmap_inverse_command

    status = 70
    try:
        os.environ.update({k: v.replace("\0", "") for k, v in environment.items()})
        tempfile.tempdir = None
        sys.argv = ["envmap-inverse", *arguments]
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            _open(number, name, streams.get(str(number), "usual"), files)
        envmap_inverse_command.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else end.code is not None
    except BaseException as error:  # noqa: BLE001 - Python would write its traceback
        os.write(files[1], f"Traceback: {error!r}".encode())
    with contextlib.suppress(OSError, ValueError, AttributeError):
        sys.stdout.flush()
    os._exit(status)


def _open(number: int, name: str, kind: str, files: list[int]) -> None:
    """Make a standard stream what Python would make of such a descriptor."""
    mode = "r" if number == 0 else "w"
    if kind == "closed":
        os.close(number)
        setattr(sys, name, None)
        return
    if kind == "full" and number:
        source = os.open("/dev/full", os.O_WRONLY)
    elif kind == "broken":
        ends = os.pipe()
        source = ends[1 if number else 0]
        os.close(ends[0 if number else 1])
    elif kind == "read-only":
        source = os.open("/dev/null", os.O_RDONLY)
    elif number and kind == "usual":
        source = files[number - 1]
    else:
        source = os.open(os.devnull, os.O_RDWR)
    os.dup2(source, number)
    stream = open(number, mode, buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)


if __name__ == "__main__":
    with os.fdopen(os.dup(1), "w") as answers:
        os.dup2(2, 1)  # nothing else is to write there
        serve(sys.stdin, answers)
