"""Each operation on the files of a run fails in turn: what stands under its name is complete."""

from __future__ import annotations

import errno
import io
import itertools
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import envmap_inverse as ei
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Record
from envmap_inverse.run.checkpoints import Checkpoints
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.solving.estimate import solve
from envmap_inverse.system.folder_lock import FolderLock

WriteRun = Callable[[Path], None]


class Shim:
    """Counts operations that change files, and fails one, as SQLite's tests do.

    Attributes:
        count: of operations so far.
    """

    def __init__(self, failing: int, number: int) -> None:
        """Args: failing: which operation fails, from 0. number: of the error."""
        self.count = 0
        self._failing, self._number = failing, number

    def operation(self) -> None:
        """Note an operation that is about to happen, or fail it."""
        self.count += 1
        if self.count == self._failing + 1:
            raise OSError(self._number, os.strerror(self._number))

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, counted."""

        def counted(*args: Any, **options: Any) -> Any:
            self.operation()
            return function(*args, **options)

        return counted


class CountedFile(io.FileIO):
    """An unbuffered file whose writes are counted; one that fails has written half."""

    def __init__(self, shim: Shim, file: Any, mode: str) -> None:
        super().__init__(file, mode)
        self._shim = shim

    def write(self, data: Any) -> int:
        try:
            self._shim.operation()
        except OSError:
            super().write(data[: len(data) // 2])
            raise
        return super().write(data)


@contextmanager
def failing(which: int, number: int) -> Iterator[Shim]:
    """Fail one operation: a file's creation, write, sync or renaming, or a folder's sync."""
    shim = Shim(which, number)
    open_path = Path.open

    def open_counted(path: Path, mode: str = "r", *args: Any, **options: Any) -> Any:
        if mode not in {"wb", "xb", "x+b"}:
            return open_path(path, mode, *args, **options)
        shim.operation()
        return CountedFile(shim, path, mode)

    with (
        mock.patch.object(os, "fsync", shim.around(os.fsync)),
        mock.patch.object(Path, "replace", shim.around(Path.replace)),
        mock.patch.object(Path, "open", open_counted),
    ):
        yield shim


@pytest.fixture(scope="session")
def write_run(inputs: Path) -> WriteRun:
    """Writes the files of one and the same run into a folder, frames and all."""
    scene = ei.load_scene(inputs / "scene.xml")
    reference = ei.render(scene, spp=4, seed=1)
    problem = Problem.create(scene, reference, loss=ei.MSE())
    iterations: list[ei.Iteration] = []
    result = solve(problem, ei.Adam(iterations=1), iterations.append)
    for iteration in iterations:
        _ = iteration.texels, iteration.image

    def write(folder: Path) -> None:
        with RunFolder(folder, {"spp": 1}, overwrite=False, frames=True) as run:
            run.begin(problem)
            for iteration in iterations:
                run.add(iteration)
            run.close()
            run.finish(result, problem, loading=0, notes=[])

    return write


def error_of(function: Callable[[], None]) -> Exception | None:
    try:
        function()
    except (OSError, ei.InputError) as error:
        return error
    return None


def test_a_run_of_which_an_operation_fails_leaves_whole_files_and_one_error(
    write_run: WriteRun, tmp_path: Path, is_long: bool
) -> None:
    numbers = (errno.ENOSPC, errno.EIO, errno.EDQUOT, errno.EROFS) if is_long else (errno.ENOSPC,)
    for number in numbers:
        fail_each_operation(write_run, tmp_path / errno.errorcode[number], number)


def fail_each_operation(write_run: WriteRun, tmp_path: Path, number: int) -> None:
    tmp_path.mkdir()
    write_run(tmp_path / "whole")
    whole = {path.name: path.read_bytes() for path in (tmp_path / "whole").iterdir()}
    num_failures = 0
    for which in itertools.count():
        folder = tmp_path / str(which)
        with failing(which, number) as shim:
            error = error_of(lambda: write_run(folder))  # noqa: B023 - called at once
        if error is None:
            break
        assert str(folder) in str(error)
        assert os.strerror(number) in str(error)
        num_failures += 1
        found = {path.name: path.read_bytes() for path in folder.iterdir()}
        assert found.keys() <= whole.keys(), which
        for name, content in found.items():
            if name == "history.jsonl":
                assert content in whole[name]
                assert content in {b"", whole[name]} or content.endswith(b"\n")
            elif name == "summary.json":
                json.loads(content)
            elif name != "convergence.mp4":
                assert content == whole[name], (which, name)
        FolderLock(folder).release()
    assert num_failures == shim.count
    assert num_failures > 4 * 10  # create, write, sync and rename of ten files at least


def test_a_checkpoint_that_cannot_be_written_leaves_the_one_before(tmp_path: Path) -> None:
    def offer(made: Checkpoints, length: int) -> None:
        history = [Record(index=k, loss=1.0, error=None, seconds=0.0) for k in range(length)]
        made.offer(lambda: (history, {"texels": np.full((4, 3), length, np.float32)}))

    for which in itertools.count():
        folder = tmp_path / str(which)
        folder.mkdir()
        made = Checkpoints(folder, {}, every=0)
        offer(made, 1)
        with failing(which, errno.ENOSPC) as shim:
            error = error_of(lambda: offer(made, 2))  # noqa: B023 - called at once
        kept = Checkpoints(folder, {}).restore()
        assert kept is not None
        assert len(kept[0]) == kept[1]["texels"][0, 0]
        assert len(kept[0]) in ({2} if error is None else {1, 2})
        assert not list(folder.glob(".*"))
        if error is None:
            break
        assert str(folder) in str(error)
    assert which == shim.count > 4  # create, write, sync, rename, sync of the folder at least


def test_a_frame_that_cannot_be_written_ends_the_run(write_run: WriteRun, tmp_path: Path) -> None:
    original = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if target.name == "out_000.png":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return original(path, target)

    with (
        mock.patch.object(Path, "replace", replace),
        pytest.raises(OSError, match=r"No space left.*out_000\.png"),
    ):
        write_run(tmp_path / "run")
    left = {path.name for path in (tmp_path / "run").iterdir()}
    assert not {".lock", "out_000.png", "convergence.mp4"} & left
