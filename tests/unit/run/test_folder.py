from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posed import posed
from run_files import names_in

from envmap_inverse import InputError, Iteration, View
from envmap_inverse.images import read_image
from envmap_inverse.problem.solution import Record
from envmap_inverse.run import folder as artifacts
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.system.strict_json import to_json

MakeIteration = Callable[..., Iteration]
OpenRun = Callable[..., RunFolder]


def test_a_run_makes_its_folder_and_the_folders_above(open_run: OpenRun, tmp_path: Path) -> None:
    open_run(tmp_path / "a" / "b")
    assert names_in(tmp_path / "a" / "b") == {"run.toml", "history.jsonl"}


def test_run_toml_holds_every_setting_but_those_without_a_value(
    open_run: OpenRun, tmp_path: Path
) -> None:
    settings = {"spp": 4, "loss": "MSE", "size": None, "reference": ["a.exr"], "frames": True}
    open_run(settings=settings)
    found = tomllib.loads((tmp_path / "run" / "run.toml").read_text())
    assert found == {"spp": 4, "loss": "MSE", "reference": ["a.exr"], "frames": True}


@pytest.mark.parametrize(
    "name", ["summary.json", "history.jsonl", "envmap.exr", "out_012.png", "convergence.mp4"]
)
def test_a_folder_that_holds_a_run_is_refused_and_left_alone(
    open_run: OpenRun, tmp_path: Path, name: str
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("old")
    with pytest.raises(InputError, match=rf"already holds a run \({name}\).*--overwrite"):
        open_run()
    assert names_in(tmp_path / "run") == {name}
    assert (tmp_path / "run" / name).read_text() == "old"


def test_overwriting_removes_the_earlier_run_and_nothing_else(
    open_run: OpenRun, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    for name in ("summary.json", "out_007.png", "envmap_1234.png", "out_ref.png", "notes.txt"):
        (tmp_path / "run" / name).write_text("old")
    open_run(overwrite=True)
    assert names_in(tmp_path / "run") == {"run.toml", "history.jsonl", "notes.txt"}


def test_a_folder_with_other_files_will_do(open_run: OpenRun, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "notes.txt").touch()
    open_run()
    assert (tmp_path / "run" / "run.toml").exists()


@pytest.mark.parametrize("below", [False, True])
def test_a_path_that_is_a_file_is_refused(open_run: OpenRun, tmp_path: Path, below: bool) -> None:
    (tmp_path / "file").write_text("mine")
    path = tmp_path / "file" / "run" if below else tmp_path / "file"
    with pytest.raises(InputError, match=f"{path}: cannot be written"):
        open_run(path)
    assert (tmp_path / "file").read_text() == "mine"


def test_nothing_is_added_to_a_run_that_has_ended(
    open_run: OpenRun, make_iteration: MakeIteration
) -> None:
    run = open_run()
    run.close()
    with pytest.raises(InputError, match="the run has ended"):
        run.add(make_iteration())


def test_a_run_may_be_closed_twice(open_run: OpenRun) -> None:
    run = open_run(frames=True)
    run.begin(posed(np.ones((4, 4, 3), np.float32)))
    run.close()
    run.close()


def test_the_reference_is_kept(open_run: OpenRun, tmp_path: Path, rng: np.random.Generator) -> None:
    reference = rng.random((6, 6, 3), np.float32)
    open_run().begin(posed(reference))
    np.testing.assert_array_equal(read_image(tmp_path / "run" / "reference.exr"), reference)


def test_without_frames_no_picture_is_written(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    run = open_run()
    run.begin(posed(np.ones((7, 7, 3), np.float32)))
    run.add(make_iteration())
    run.close()
    assert names_in(tmp_path / "run") == {"run.toml", "history.jsonl", "reference.exr"}


def resumed(run: RunFolder, earlier: list[Record]) -> None:
    with run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)), earlier)
        run.close()


def test_a_run_that_goes_on_keeps_the_lines_of_its_checkpoint_and_no_others(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    with open_run() as run:
        run.begin(posed(np.ones((7, 7, 3), np.float32), np.ones((5, 9, 3), np.float32)))
        for index in range(3):
            run.add(make_iteration(index))
    before = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    resumed(open_run(resume=True), [make_iteration(k) for k in range(2)])
    after = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert after == before[:2]
    assert "log_rmse" in after[0]


def test_what_was_added_is_on_the_disk_after_a_flush(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    with open_run(frames=True) as run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)))
        for index in range(5):
            run.add(make_iteration(index))
        run.flush()
        assert {"out_004.png", "envmap_004.png", "thumbnails.npz"} <= names_in(tmp_path / "run")


def test_what_is_damaged_of_an_earlier_part_is_left_out_with_a_warning(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with open_run(frames=True) as run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)))
        for index in range(3):
            run.add(make_iteration(index))
        run.flush()
    (folder / "out_001.png").unlink()
    (folder / "thumbnails.npz").write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="damaged|not in the video") as caught:
        resumed(open_run(resume=True, frames=True), [make_iteration(index) for index in range(3)])
    messages = sorted(str(warning.message).split(": ")[0] for warning in caught)
    assert messages == [str(folder / "out_001.png"), str(folder / "thumbnails.npz")]
    assert imageio_ffmpeg.count_frames_and_secs(str(folder / "convergence.mp4"))[0] == 2


def test_a_run_that_goes_on_removes_what_a_kill_left_unfinished(
    open_run: OpenRun, tmp_path: Path
) -> None:
    with open_run() as run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)))
    (tmp_path / "run" / ".convergence.mp4.abcd1234").touch()
    resumed(open_run(resume=True), [])
    assert not [name for name in names_in(tmp_path / "run") if name.startswith(".")]


def test_a_folder_that_takes_no_file_is_refused_and_free_for_others(
    open_run: OpenRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(path: Path, _: bytes) -> NoReturn:
        raise PermissionError(13, "Permission denied", str(path))

    with monkeypatch.context() as patch:
        patch.setattr(artifacts, "write_bytes", fail)
        with pytest.raises(InputError, match=r"run: cannot be written: Permission denied"):
            open_run()
    open_run()


numbers = st.none() | st.booleans() | st.integers() | st.floats()


@settings(max_examples=25)
@given(
    value=st.recursive(
        numbers, lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner), max_leaves=8
    )
)
def test_any_summary_is_json_that_every_reader_takes(value: Any) -> None:
    def refuse(constant: str) -> NoReturn:
        raise AssertionError(constant)

    text = to_json(value)
    assert json.loads(text, parse_constant=refuse) == json.loads(
        json.dumps(value), parse_constant=lambda _: None
    )


def test_a_run_whose_folder_is_moved_ends_and_leaves_nothing_unfinished(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    run, moved = open_run(frames=True), tmp_path / "moved"
    run.begin(posed(np.ones((7, 7, 3), np.float32)))
    run.add(make_iteration(0))
    run.path.rename(moved)
    with pytest.raises(OSError, match="was moved, removed or replaced") as caught:
        run.add(make_iteration(1))
    run.__exit__(OSError, caught.value, None)
    assert not (tmp_path / "run").exists()
    assert not [path.name for path in moved.iterdir() if path.name.startswith(".")]


def test_a_moved_folder_is_the_same_run(open_run: OpenRun, tmp_path: Path) -> None:
    with open_run(settings={"spp": 1, "output": "run"}):
        pass
    (tmp_path / "run").rename(tmp_path / "moved")
    settings = {"spp": 1, "output": "moved"}
    with open_run(tmp_path / "moved", settings=settings, resume=True) as run:
        assert run.path == tmp_path / "moved"


@pytest.mark.parametrize("name", ["run.toml", "summary.json"])
@pytest.mark.parametrize("data", [b"[", b"\xff", b"x x"], ids=["cut", "not UTF-8", "words"])
def test_a_damaged_file_does_not_keep_a_run_from_going_on(
    open_run: OpenRun, tmp_path: Path, name: str, data: bytes
) -> None:
    with open_run():
        pass
    (tmp_path / "run" / name).write_bytes(data)
    with pytest.warns(UserWarning, match=rf"{name}: is damaged \("), open_run(resume=True):
        pass


@pytest.mark.parametrize("name", ["run.toml", "summary.json"])
def test_a_pipe_in_a_folder_is_not_waited_for(open_run: OpenRun, tmp_path: Path, name: str) -> None:
    with open_run():
        pass
    (tmp_path / "run" / name).unlink(missing_ok=True)
    os.mkfifo(tmp_path / "run" / name)
    with pytest.raises(InputError, match="it is a pipe or a device"):
        open_run(resume=True)


def test_names_that_are_no_utf8_do_not_end_a_run(open_run: OpenRun, tmp_path: Path) -> None:
    settings = {"reference": ["odd\udcff.exr"]}
    with open_run(settings=settings):
        pass
    assert tomllib.loads((tmp_path / "run" / "run.toml").read_text()) == {"reference": ["odd?.exr"]}
    with open_run(settings=settings, resume=True):
        pass


def test_pictures_are_shown_for_the_reference_that_clips_least(
    open_run: OpenRun, tmp_path: Path
) -> None:
    radiance = np.linspace(0, 4, 36, dtype=np.float32).reshape(6, 6)[:, :, None].repeat(3, axis=2)
    views = tuple(
        View(np.minimum(exposure * radiance, 1), exposure=exposure, white=1.0)
        for exposure in (1.0, 0.25)
    )
    problem = posed(views[0].image)
    problem.views, problem.exposures = views, np.float32([[1.0] * 3, [0.25] * 3])
    run = open_run()
    run.begin(problem, [])
    assert run._exposure == pytest.approx(0.8 / np.percentile(radiance, 95), rel=1e-3)
