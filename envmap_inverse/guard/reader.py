"""Read files of strangers in a child process first.

A file that crashes a decoder, never ends or takes all memory ends the child, and becomes an
`InputError` that names it. The parent does not read what the child refuses: it may crash next time.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager, ExitStack
from multiprocessing.connection import Pipe
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any

from envmap_inverse import backend
from envmap_inverse.errors import BackendError, Faults, InputError, tells_of_memory
from envmap_inverse.system.memory import free_memory

__all__ = ["Reader", "read_apart"]

MAX_SECONDS = 15.0
"""Seconds for any file, before its size allows it more."""

START_SECONDS = 120.0
"""Seconds for the child to import what it needs, on a slow and busy machine."""

RENDERING_SECONDS = 60.0
"""Seconds to render a few pixels of a scene of unusual plugins, on a slow and busy machine."""

MEMORY_SHARE = 0.75
"""Share of the free memory that the child may take."""

_NOTHING: Mapping[str, str] = MappingProxyType({})
_LOGGER = logging.getLogger(__name__)

# The package's own __init__ would import far more than reading takes.
_CHILD = """
import sys, types
package = sys.modules["envmap_inverse"] = types.ModuleType("envmap_inverse")
package.__path__ = [sys.argv[1]]
from envmap_inverse.guard.child import serve
serve()
"""


def read_apart(
    faults: Faults,
    scene: Path | None,
    images: Iterable[Path],
    masks: Iterable[Path] = (),
    cameras: Path | None = None,
    *,
    layers: Mapping[Path, str | None] | None = None,
    envmap: str | None = None,
    define: Mapping[str, str] = _NOTHING,
) -> bool:
    """Read a scene, images, masks and cameras in a child process, to see that it survives them.

    The first argument keeps what is wrong with images, masks and cameras; the others are the same
    as for `Reader.read`.

    Returns:
        Whether nothing is wrong with them.

    Raises:
        InputError: if it does not survive the scene; reports the faults kept so far as well.
        BackendError: if no Mitsuba backend works here.
    """
    with Reader() as reader:
        if scene is not None:
            backend.select_variant()  # takes about as long as the child's start
        survives = faults.passes(
            reader.read, images=images, masks=masks, cameras=cameras, layers=layers or {}
        )
        if scene is not None:
            faults.need(reader.read, scene=scene, envmap=envmap, define=define)
    _LOGGER.info("a guarded process has read the files")
    return survives


class Reader(AbstractContextManager["Reader"]):
    """A child process that reads files. It starts at once and lives as long as the context."""

    def __init__(self, *, memory: int | None = None, seconds: float = MAX_SECONDS) -> None:
        """Start the child.

        Args:
            memory: bytes that it may take; by default three quarters of the free memory.
            seconds: seconds that a small file may take.
        """
        self.memory = int(MEMORY_SHARE * free_memory()) if memory is None else memory
        self.seconds = seconds
        self._start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the child."""
        self._end()

    def read(
        self,
        *,
        scene: Path | None = None,
        images: Iterable[Path] = (),
        masks: Iterable[Path] = (),
        cameras: Path | None = None,
        layers: Mapping[Path, str | None] = MappingProxyType({}),
        envmap: str | None = None,
        define: Mapping[str, str] = _NOTHING,
    ) -> None:
        """Let the child read files.

        Args:
            scene: a scene's XML file; the files that it names are read with it.
            images: files for `read_image`.
            masks: files for `read_mask`.
            cameras: a file or folder for `read_cameras`, which may name a picture.
            layers: layer to read from each image.
            envmap: id of the environment map to use, needed if the scene has several.
            define: values for the scene's `$name` parameters.

        Raises:
            InputError: if the child refuses a file, crashes, takes too long or runs out of memory.
            BackendError: if it cannot start.
        """
        faults = Faults()
        for path in images:
            faults.attempt(self._read, "image", path, layers.get(path))
        for path in masks:
            faults.attempt(self._read, "mask", path)
        if cameras is not None:
            faults.attempt(self._read, "cameras", cameras)
        if scene is not None:
            faults.attempt(self._read, "scene", scene, envmap, dict(define))
        faults.report()

    def _start(self) -> None:
        self._held = ExitStack()
        self._output = self._held.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 - the stack
        ours, theirs = Pipe()
        self._connection = self._held.enter_context(ours)
        folders = [folder or str(Path.cwd()) for folder in sys.path]
        child = subprocess.Popen(
            [
                *(sys.executable, "-P", "-c", _CHILD, Path(__file__).parents[1]),
                *map(str, (theirs.fileno(), self.memory, self.seconds)),
            ],
            # The stacks of many threads would count as memory that it takes.
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join(folders),
                "OPENIMAGEIO_THREADS": "1",
            },
            pass_fds=[theirs.fileno()],
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=self._output,
        )
        theirs.close()
        self._child = self._held.enter_context(child)  # leaving it waits for the end
        self._held.callback(child.kill)
        self._seconds_left = START_SECONDS

    def _end(self) -> None:
        self._held.close()

    def _read(self, kind: str, path: Path, *options: Any) -> None:
        """Let the child read one file; replace the child if it dies."""
        files: list[str] = []
        try:
            self._ask([kind, str(path), *options], files)
        except _ReadingFailed as failure:
            self._end()
            self._start()
            for file in files if failure.is_repeatable else ():
                self._read("file", Path(file))  # raises the error of the file at fault
            raise InputError(f"{path}: {failure}") from None

    def _ask(self, request: list[Any], files: list[str]) -> None:
        """Send a request and follow the answers; put the files that a scene names into `files`."""
        self._is_rendering = False
        try:
            self._connection.send_bytes(json.dumps(request).encode())
            while self._connection.poll(self._seconds_left):
                match json.loads(self._connection.recv_bytes()):
                    case ["reading", float(seconds), list(named)]:
                        self._seconds_left = seconds
                        files[:] = named
                    case ["rendering"]:
                        self._is_rendering, self._seconds_left = True, RENDERING_SECONDS
                    case ["done"]:
                        return
                    case ["refused", str(reason)]:
                        raise InputError(reason)
                    case ["out of memory"]:
                        raise _ReadingFailed(self._out_of_memory())
        except (EOFError, ConnectionError):
            repeat = not self._is_rendering
            raise _ReadingFailed(self._cause_of_death(), is_repeatable=repeat) from None
        done = "rendered at 4 x 4 pixels" if self._is_rendering else "read"
        reason = f"was not {done} within {self._seconds_left:.0f} s; --trust-input sets no limit"
        raise _ReadingFailed(reason, is_repeatable=False)

    def _out_of_memory(self) -> str:
        return f"needs more than the {self.memory / 2**30:.1f} GiB of memory that it may take"

    def _cause_of_death(self) -> str:
        """Say why the child died, if a file was the reason.

        Raises:
            BackendError: if it was not.
        """
        status = self._child.wait()
        self._output.seek(0)
        said = self._output.read().decode("latin-1").strip()
        if status == -signal.SIGKILL or tells_of_memory(said):
            return self._out_of_memory()
        if status < 0:
            name = signal.Signals(-status).name
            if self._is_rendering:
                return f"crashes Mitsuba ({name}) when it is rendered at 4 x 4 pixels"
            return f"crashes its decoder ({name}); the file is damaged or made to do harm"
        raise BackendError(
            f"the guarded process failed: {said.rpartition(chr(10))[2]}; --trust-input does "
            "without it"
        )


class _ReadingFailed(Exception):  # noqa: N818 - not an error that anyone sees
    """The child did not survive a file; the message follows the file's name."""

    def __init__(self, reason: str, *, is_repeatable: bool = True) -> None:
        super().__init__(reason)
        self.is_repeatable = is_repeatable
