"""Files that crash, hang or burst their decoders; a pipe in a texture's place makes one wait."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from typer.main import get_command

from envmap_inverse import BackendError, InputError, commands
from envmap_inverse.cli import app
from envmap_inverse.console import problems
from envmap_inverse.errors import Faults
from envmap_inverse.guard import reader as isolation
from envmap_inverse.guard.reader import Reader
from envmap_inverse.images import write_image

Call = Callable[..., subprocess.CompletedProcess[str]]
MEMORY = 2**30


@pytest.fixture(scope="module")
def reader() -> Iterator[Reader]:
    with Reader(memory=MEMORY, seconds=5) as started:
        yield started


@pytest.fixture
def scene(inputs: Path, tmp_path: Path) -> Path:
    """A scene whose map is a pipe: who reads it waits for a writer."""
    folder = Path(shutil.copytree(inputs, tmp_path / "work"))
    (folder / "map.exr").unlink()
    os.mkfifo(folder / "map.exr")
    return folder / "scene.xml"


def killed_soon(reader: Reader, number: signal.Signals) -> None:
    """End the child of a reader that, meanwhile, waits for the pipe's writer."""
    threading.Timer(0.3, os.kill, (reader._child.pid, number)).start()


def run_here(command: str, *arguments: str) -> None:
    """Run a command in this process, without the logging that the command line starts."""
    get_command(app).commands[command](arguments, standalone_mode=False)


def test_sound_files_pass(reader: Reader, inputs: Path) -> None:
    reader.read(scene=inputs / "scene.xml", images=[inputs / "reference.exr"])


def test_scenes_are_read_apart_with_the_map_and_the_values_that_were_chosen(
    reader: Reader, inputs: Path, tmp_path: Path
) -> None:
    scene = Path(shutil.copytree(inputs, tmp_path / "work")) / "scene.xml"
    text = scene.read_text()
    first = text[text.index("<emitter") : text.index("</emitter>") + len("</emitter>")]
    second = first.replace("my_envmap", "other").replace("map.exr", "$name.exr")
    scene.write_text(text.replace(first, first + second))
    with pytest.raises(InputError, match=r"undefined parameter: \$name; .* --define name=VALUE"):
        reader.read(scene=scene)
    with pytest.raises(InputError, match=r"several environment maps: .* --envmap-name"):
        reader.read(scene=scene, define={"name": "map"})
    reader.read(scene=scene, define={"name": "map"}, envmap="other")


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT])
def test_a_crash_is_an_error_that_names_the_file_and_the_signal(
    reader: Reader, scene: Path, number: signal.Signals
) -> None:
    killed_soon(reader, number)
    with pytest.raises(InputError, match=rf"scene\.xml: crashes its decoder \({number.name}\)"):
        reader.read(scene=scene)


def test_a_child_that_the_machine_kills_was_out_of_memory(reader: Reader, scene: Path) -> None:
    killed_soon(reader, signal.SIGKILL)
    with pytest.raises(InputError, match=r"scene\.xml: needs more than the 1\.0 GiB of memory"):
        reader.read(scene=scene)


def test_a_file_that_takes_too_long_is_given_up(reader: Reader, scene: Path) -> None:
    with (
        Reader(memory=MEMORY, seconds=0.2) as hasty,
        pytest.raises(InputError, match=r"scene\.xml: was not read within .* --trust-input"),
    ):
        hasty.read(scene=scene)


def test_an_image_that_takes_more_memory_than_allowed_is_refused(
    tmp_path: Path,
) -> None:
    write_image(tmp_path / "large.exr", np.zeros((2000, 4000, 3), np.float32))
    with (
        Reader(memory=MEMORY // 4) as small,
        pytest.raises(InputError, match=r"large\.exr: needs more than the 0\.2 GiB of memory"),
    ):
        small.read(images=[tmp_path / "large.exr"])


def test_the_picture_that_tells_a_camera_its_size_is_read_by_the_child(tmp_path: Path) -> None:
    write_image(tmp_path / "large.exr", np.zeros((2000, 4000, 3), np.float32))
    frame = {"file_path": "large.exr", "transform_matrix": np.eye(4).tolist(), "fl_x": 4000}
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": [frame]}))
    with (
        Reader(memory=MEMORY // 4) as small,
        pytest.raises(InputError, match=r"transforms\.json: needs more than the 0\.2 GiB of mem"),
    ):
        small.read(cameras=tmp_path / "transforms.json")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (problems, ("estimate", "scene.xml", "reference.exr", "-o", "run")),
        (commands.scene, ("render", "scene.xml", "-o", "image.exr")),
        (commands.coverage, ("coverage", "scene.xml")),
    ],
)
def test_commands_have_cameras_read_apart(
    module: ModuleType, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_apart(*_: object, cameras: Path, **__: object) -> None:
        raise InputError(f"read {cameras}")

    monkeypatch.setattr(module, "read_apart", read_apart)
    with pytest.raises(InputError, match=r"read cameras\.json"):
        run_here(*arguments, "--cameras", "cameras.json")


@pytest.mark.parametrize(
    ("module", "arguments"),
    [
        (commands.convert, ("convert", "a.exr", "b.exr")),
        (commands.evaluate, ("evaluate", "a.exr", "b.exr")),
    ],
)
def test_commands_have_images_read_apart(
    module: ModuleType, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    def read_apart(_: Faults, scene: None, images: Iterable[Path]) -> None:
        raise InputError(f"read {next(iter(images))}")

    monkeypatch.setattr(module, "read_apart", read_apart)
    with pytest.raises(InputError, match=r"read a\.exr"):
        run_here(*arguments)


def test_the_file_that_a_scene_names_is_blamed_where_it_is_to_blame(
    reader: Reader, inputs: Path, tmp_path: Path
) -> None:
    """A texture whose header claims 12 GiB of pixels."""
    folder = Path(shutil.copytree(inputs, tmp_path / "work"))
    data, window = (folder / "map.exr").read_bytes(), struct.pack("<4i", 0, 0, 15, 7)
    assert data.count(window) == 2
    large = data.replace(window, struct.pack("<4i", 0, 0, 2**27, 7))
    (folder / "texture.exr").write_bytes(large)
    texture = (
        '<bsdf type="diffuse"><texture type="bitmap" name="reflectance">'
        '<string name="filename" value="texture.exr"/></texture></bsdf>'
    )
    plain, metal = (folder / "scene.xml").read_text(), '<bsdf type="conductor" id="metal"/>'
    assert metal in plain
    (folder / "scene.xml").write_text(plain.replace(metal, texture))
    with pytest.raises(InputError, match=r"texture\.exr: needs more than the 1\.0 GiB of memory"):
        reader.read(scene=folder / "scene.xml")


def test_a_child_that_cannot_start_is_no_fault_of_the_file(
    inputs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(isolation, "_CHILD", "raise RuntimeError('no luck')")
    with (
        Reader(memory=MEMORY) as broken,
        pytest.raises(BackendError, match="guarded process failed: RuntimeError: no luck; --tr"),
    ):
        broken.read(scene=inputs / "scene.xml")


def test_what_the_child_refuses_is_refused_with_its_words(reader: Reader, inputs: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.xml: no such scene file"):
        reader.read(scene=inputs / "nothing.xml")
    with pytest.raises(InputError, match=r"scene\.xml: unknown kind of image"):
        reader.read(images=[inputs / "scene.xml"])


@pytest.mark.parametrize("trusting", [False, True])
def test_files_are_read_apart_unless_they_are_trusted(
    guarded_call: Call, inputs: Path, trusting: bool
) -> None:
    done = guarded_call("-v", "params", "scene.xml", *["--trust-input"] * trusting, cwd=inputs)
    assert done.returncode == 0
    assert ("guarded process" in done.stderr) != trusting
    assert "info: loaded scene.xml" in done.stderr


def test_a_config_cannot_have_its_own_input_trusted(
    guarded_call: Call, inputs: Path, tmp_path: Path
) -> None:
    (tmp_path / "run.toml").write_text("trust_input = true\n")
    arguments = ("estimate", "scene.xml", "reference.exr", "-o", tmp_path / "run")
    done = guarded_call(*arguments, "--config", tmp_path / "run.toml", cwd=inputs)
    assert done.returncode == 2
    assert "unknown option 'trust_input'" in done.stderr
