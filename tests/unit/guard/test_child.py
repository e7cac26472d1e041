"""The child of `isolation`, in this process: what it answers."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import BackendError
from envmap_inverse.guard import child as isolated
from envmap_inverse.guard.rehearsal import rehearse
from envmap_inverse.images import write_image
from envmap_inverse.recording.light_transport import LightTransport

Ask = Callable[..., list[list[Any]]]


@pytest.fixture
def limits(monkeypatch: pytest.MonkeyPatch) -> dict[int, tuple[int, int]]:
    """The limits that the child would have set."""
    found: dict[int, tuple[int, int]] = {}
    monkeypatch.setattr(isolated.resource, "setrlimit", found.__setitem__)
    return found


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch, limits: dict[int, tuple[int, int]]) -> Ask:
    """The answers to requests, a list each; after the last request nobody asks any more."""
    monkeypatch.setattr(os, "_exit", sys.exit)

    def answers(*requests: tuple[str, Path]) -> list[list[Any]]:
        ours, theirs = socket.socketpair()
        with ours, Connection(os.dup(ours.fileno())) as connection:
            for kind, path in requests:
                connection.send_bytes(json.dumps([kind, str(path)]).encode())
            ours.shutdown(socket.SHUT_WR)
            monkeypatch.setattr(sys, "argv", ["-c", "", str(theirs.detach()), "1000", "2.5"])
            with pytest.raises(SystemExit) as end:
                isolated.serve()
            assert end.value.code == 0
            found = []
            while connection.poll():
                try:
                    found.append(json.loads(connection.recv_bytes()))
                except EOFError:
                    break
        return found

    return answers


@pytest.fixture
def image(tmp_path: Path, random_map: Callable[..., NDArray[np.float32]]) -> Path:
    write_image(tmp_path / "a.exr", random_map())
    return tmp_path / "a.exr"


def test_a_file_has_the_more_time_the_larger_it_is(ask: Ask, image: Path) -> None:
    seconds = 2.5 + image.stat().st_size / 2**20
    reading = ["reading", seconds, []]
    assert ask(("image", image), ("mask", image)) == [reading, ["done"], reading, ["done"]]


def test_the_child_takes_no_more_memory_than_it_may(
    ask: Ask, limits: dict[int, tuple[int, int]]
) -> None:
    assert ask() == []
    assert limits == {
        isolated.resource.RLIMIT_DATA: (1000, 1000),
        isolated.resource.RLIMIT_CORE: (0, 0),
    }


def test_what_cannot_be_read_is_refused_and_the_next_file_is_read(ask: Ask, image: Path) -> None:
    missing = image.with_name("missing.exr")
    *_, refused, reading, done = ask(("image", missing), ("image", image))
    assert refused == ["refused", f"{missing}: no such image file"]
    assert (reading[0], done) == ("reading", ["done"])


def test_the_files_of_a_scene_are_told_before_they_are_read(ask: Ask, scene_file: Path) -> None:
    texels = str(scene_file.with_name("map.exr"))
    first, second, done = ask(("scene", scene_file))
    assert (first[0], first[2]) == ("reading", [])
    assert (second[0], second[2]) == ("reading", [texels])
    assert second[1] > first[1]
    assert done == ["done"]


def test_the_files_of_a_scene_are_read_one_by_one(
    ask: Ask, image: Path, write_quad: Callable[..., None]
) -> None:
    mesh, damaged = image.with_name("quad.ply"), image.with_name("damaged.exr")
    write_quad(mesh)
    damaged.write_bytes(image.read_bytes()[:200])
    answers = ask(("file", mesh), ("file", image), ("file", damaged))
    # What a file by itself is refused for, the caller meets again in the scene.
    assert [answer[0] for answer in answers] == ["reading", "done"] * 3


@pytest.mark.parametrize(
    "error", [MemoryError(), RuntimeError("std::bad_alloc"), ValueError("cannot allocate 9 TB")]
)
def test_errors_of_memory_are_told_apart_even_inside_others(
    ask: Ask, image: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def fail(*_: object, **__: object) -> None:
        try:
            raise error
        except type(error):
            raise isolated.InputError("cannot be decoded") from None

    monkeypatch.setattr(isolated, "read_image", fail)
    assert ask(("image", image))[-1] == ["out of memory"]


def test_without_a_backend_no_scene_is_refused_for_what_only_that_knows(
    ask: Ask, scene_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scene_file.write_text(scene_file.read_text().replace("conductor", "no_such_plugin"))
    assert ask(("scene", scene_file))[-1][0] == "refused"
    variants: list[str] = []

    def fail(_: str) -> None:
        raise BackendError("no LLVM")

    monkeypatch.setattr(isolated.backend, "select_variant", fail)
    monkeypatch.setattr(
        isolated, "mi", SimpleNamespace(set_variant=variants.append, Bitmap=isolated.mi.Bitmap)
    )
    assert ask(("scene", scene_file))[-1] == ["done"]
    assert variants == ["scalar_rgb"]


def test_a_scene_of_unusual_plugins_is_rendered_too(ask: Ask, scene_file: Path) -> None:
    assert ["rendering"] not in ask(("scene", scene_file))
    scene_file.write_text(scene_file.read_text().replace('"conductor"', '"hair"'))
    assert ask(("scene", scene_file))[-2:] == [["rendering"], ["done"]]


def test_a_rehearsal_traces_a_few_pixels_and_what_it_meets_is_left_to_the_caller(
    scene_dict: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[tuple[int, ...]] = []

    def render(_scene: Any, _params: Any, sensor: Any, **_: Any) -> None:
        sizes.append(tuple(sensor.film().crop_size()))
        raise RuntimeError("not implemented")

    mi_scene = isolated.mi.load_dict(scene_dict(size=(40, 3)))
    monkeypatch.setattr("mitsuba.render", render)
    rehearse(mi_scene)
    assert sizes == [(4, 3)]


def test_a_rehearsal_records_what_cannot_be_rendered_too(
    scene_dict: Callable[..., dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    recorded: list[LightTransport] = []
    record = LightTransport.record

    def kept(*arguments: Any, **options: Any) -> None:
        recorded.append(record(*arguments, **options))

    def render(*_: Any, **__: Any) -> None:
        raise RuntimeError("not implemented")

    mi_scene = isolated.mi.load_dict(scene_dict(size=(40, 3)))
    monkeypatch.setattr("mitsuba.render", render)
    monkeypatch.setattr(LightTransport, "record", kept)
    rehearse(mi_scene)
    assert [recording.image_sizes for recording in recorded] == [((4, 3),)]
