"""The child process of `reader`: it reads what it is asked to, and reports that it is alive."""

from __future__ import annotations

import contextlib
import json
import os
import resource
import sys
from collections.abc import Iterable, Mapping
from multiprocessing.connection import Connection
from pathlib import Path
from types import MappingProxyType
from typing import Any

from envmap_inverse import backend
from envmap_inverse.backend import dr, mi
from envmap_inverse.errors import BackendError, InputError, is_out_of_memory
from envmap_inverse.guard.usual import is_usual
from envmap_inverse.images import read_image, read_mask
from envmap_inverse.images.video import is_video, read_frames
from envmap_inverse.scene.camera_files import read_cameras
from envmap_inverse.scene.loading import contents_of, read_scene
from envmap_inverse.scene.mesh_checks import is_mesh, mesh_shape

__all__ = ["serve"]

BYTES_PER_SECOND = 2**20
"""Bytes of a file that allow it one more second."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


def serve() -> None:
    """Answer requests until the connection closes.

    The arguments of the process, after its first, are the number of the connection's descriptor,
    the bytes of memory that it may take, and the seconds that a small file may take. A request is
    a kind and a path, followed for an image by its layer, and for a scene by the name of its map
    and the values of its `$name` parameters. The answers are "reading", any number of times, with
    the seconds that it may take from now on and the files that a scene names; perhaps "rendering";
    then "done", "refused" with the reason, or "out of memory".
    """
    descriptor, memory, seconds = sys.argv[2:]
    # Unlike the address space, this counts no memory that Dr.Jit and LLVM merely reserve.
    resource.setrlimit(resource.RLIMIT_DATA, (int(memory), int(memory)))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    child = _Child(Connection(int(descriptor)), float(seconds))
    try:
        while True:
            child.answer_next()
    except EOFError:
        os._exit(0)  # Dr.Jit takes its time to shut down


class _Child:
    """Reads files and reports over a connection."""

    def __init__(self, connection: Connection, seconds: float) -> None:
        self._connection, self._seconds = connection, seconds
        self._knows_all_plugins = True

    def answer_next(self) -> None:
        """Wait for a request and answer it."""
        kind, name, *options = json.loads(self._connection.recv_bytes())
        try:
            getattr(self, f"_{kind}")(Path(name), *options)
        except Exception as error:  # noqa: BLE001 - the caller meets any other error again
            self._send(*self._verdict(error))
        else:
            self._send("done")

    def _image(self, path: Path, layer: str | None = None) -> None:
        self._announce([path])
        if is_video(path):
            next(read_frames(path))
        else:
            read_image(path, layer=layer)

    def _mask(self, path: Path) -> None:
        self._announce([path])
        read_mask(path)

    def _cameras(self, path: Path) -> None:
        self._announce([path])
        read_cameras(path)

    def _scene(
        self, path: Path, envmap: str | None = None, define: Mapping[str, str] = _NOTHING
    ) -> None:
        self._select_variant()
        self._announce([path])
        if is_mesh(path):
            read_scene({"type": "scene", "mesh": mesh_shape(path)}, envmap, {})
        else:
            files, plugins = contents_of(path, define)
            self._announce([path, *files], files)
            scene = read_scene(path, envmap, define)
            if not is_usual(plugins):
                self._send("rendering")
                from envmap_inverse.guard.rehearsal import (  # noqa: PLC0415 - imports much
                    rehearse,
                )

                rehearse(scene)
        dr.sync_thread()

    def _file(self, path: Path) -> None:
        """Read a file that a scene names, by itself."""
        self._select_variant()
        self._announce([path])
        if is_mesh(path):
            mi.load_dict(mesh_shape(path))
        else:
            with contextlib.suppress(InputError):
                read_image(path)  # as a map
            mi.Bitmap(str(path))  # as a texture

    def _announce(self, paths: Iterable[Path], named: Iterable[Path] = ()) -> None:
        size = sum(path.stat().st_size for path in paths if path.exists())
        seconds = self._seconds + size / BYTES_PER_SECOND
        self._send("reading", seconds, [str(path) for path in named])

    def _send(self, *answer: Any) -> None:
        self._connection.send_bytes(json.dumps(answer).encode())

    def _select_variant(self) -> None:
        """Select the variant that loads scenes on most machines; leave the GPU alone."""
        try:
            backend.select_variant("llvm_ad_rgb")
        except BackendError:
            mi.set_variant("scalar_rgb")
            self._knows_all_plugins = False

    def _verdict(self, error: Exception) -> tuple[str, ...]:
        """The answer that an error leads to."""
        if is_out_of_memory(error):
            return ("out of memory",)
        if isinstance(error, InputError) and self._knows_all_plugins:
            return "refused", str(error)
        return ("done",)
