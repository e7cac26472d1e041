"""Processes that have imported the program already, forked one for each command."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

__all__ = ["Zygote"]

SECONDS = 60


class Zygote:
    """A process that forks; to be started before Mitsuba is."""

    def __init__(self) -> None:
        """Fork it off."""
        ours, theirs = socket.socketpair()
        if os.fork() == 0:
            ours.close()
            with contextlib.suppress(EOFError), theirs.makefile("rw") as requests:
                for line in requests:
                    requests.write(f"{json.dumps(_call(**json.loads(line)))}\n")
                    requests.flush()
            os._exit(0)
        theirs.close()
        self._answers = ours.makefile("rw")

    def call(
        self, arguments: Sequence[str], environment: Mapping[str, str], streams: Mapping[str, str]
    ) -> tuple[int, str]:
        """Exit status, as of `subprocess`, and standard error of a command in this folder.

        Args:
            arguments: of the program.
            environment: variables to set.
            streams: what the descriptors 0, 1 and 2 are: "closed", "full", "broken" (a pipe that
                nobody reads), "read-only", "null"; the usual files otherwise.
        """
        request = {
            "folder": str(Path.cwd()),
            "arguments": list(arguments),
            "environment": dict(environment),
            "streams": dict(streams),
        }
        self._answers.write(f"{json.dumps(request)}\n")
        self._answers.flush()
        status, said = json.loads(self._answers.readline())
        return int(status), str(said)


def _call(
    folder: str, arguments: list[str], environment: dict[str, str], streams: dict[str, str]
) -> tuple[int, str]:
    with tempfile.TemporaryFile() as said:
        child = os.fork()
        if child == 0:
            os.setsid()
            os.chdir(folder)
            _run(arguments, environment, streams, said.fileno())
        begun = time.monotonic()
        while True:
            ended, status = os.waitpid(child, os.WNOHANG)
            if ended:
                break
            if time.monotonic() > begun + SECONDS:
                os.killpg(child, signal.SIGKILL)
            time.sleep(0.01)
        said.seek(0)
        return os.waitstatus_to_exitcode(status), said.read().decode(errors="replace")


def _run(
    arguments: list[str], environment: dict[str, str], streams: dict[str, str], said: int
) -> None:
    """Run the program as Python starts it; never returns."""
    import envmap_inverse_command

    status = 70
    try:
        os.environ.update({k: v.replace("\0", "") for k, v in environment.items()})
        tempfile.tempdir = None
        sys.argv = ["envmap-inverse", *arguments]
        for number, name in enumerate(("stdin", "stdout", "stderr")):
            _open(number, name, streams.get(str(number), "usual"), said)
        envmap_inverse_command.main()
        status = 0
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 1
    except BaseException as error:  # noqa: BLE001 - Python would write its traceback
        os.write(said, f"Traceback: {error!r}".encode())
    os._exit(status)


def _open(number: int, name: str, kind: str, said: int) -> None:
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
    elif number == 2 and kind == "usual":
        source = said
    else:
        source = os.open(os.devnull, os.O_RDWR)
    os.dup2(source, number)
    stream = open(number, mode, buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    setattr(sys, name, stream)
