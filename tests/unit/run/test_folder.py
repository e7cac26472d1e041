from __future__ import annotations

import gc
import json
import subprocess
import threading
import tomllib
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmap_inverse import InputError, Iteration
from envmap_inverse.images import display_exposure, read_image, tonemap
from envmap_inverse.metrics import angular_error, log_rmse, rmse
from envmap_inverse.problem.solution import Record
from envmap_inverse.run import folder as artifacts
from envmap_inverse.run import frames as frames_module
from envmap_inverse.run import history
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.frames import FrameWriter
from envmap_inverse.system.strict_json import to_json

MakeIteration = Callable[..., Iteration]
OpenRun = Callable[..., RunFolder]


@pytest.fixture
def make_iteration() -> MakeIteration:
    def make(index: int = 0, **changes: Any) -> Iteration:
        numbers: dict[str, Any] = {"loss": 0.5 / (index + 1), "error": 10.5, "seconds": 0.1 * index}
        arrays: dict[str, Any] = {
            "texels_on_device": lambda: np.full((5, 9, 3), index / 100, np.float32),
            "image_on_device": lambda: np.full((7, 7, 3), 1 - index / 100, np.float32),
        }
        return Iteration(index=index, **{**numbers, **arrays, **changes})

    return make


@pytest.fixture
def open_run(tmp_path: Path) -> Iterator[OpenRun]:
    opened: list[RunFolder] = []

    def make(path: Path = tmp_path / "run", **options: Any) -> RunFolder:
        options = {"settings": {"spp": 1}, "overwrite": False, "frames": False, **options}
        opened.append(RunFolder(path, **options))
        return opened[-1]

    yield make
    for run in opened:
        run.close()


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


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


def test_each_line_of_the_history_is_on_disk_at_once(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    run, path = open_run(), tmp_path / "run" / "history.jsonl"
    for index in range(3):
        run.add(make_iteration(index))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["index"] for line in lines] == list(range(index + 1))
    assert lines[1] == {"index": 1, "loss": 0.25, "error": 10.5, "seconds": 0.1}


METRICS = {"rmse": rmse, "log_rmse": log_rmse, "angular_mean_deg": angular_error}


@pytest.mark.parametrize(("share", "measured"), [(0, [0]), (1e9, [0, 1, 2])])
def test_with_a_ground_truth_lines_of_the_history_have_metrics_as_time_allows(
    open_run: OpenRun,
    make_iteration: MakeIteration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    measured: list[int],
) -> None:
    monkeypatch.setattr(history, "MEASURING_SHARE", share)
    truth = np.full((5, 9, 3), (1, 2, 3), np.float32)
    run = open_run()
    run.begin(np.ones((4, 4, 3), np.float32), truth)
    for index in range(3):
        run.add(make_iteration(index))
    for text in (tmp_path / "run" / "history.jsonl").read_text().splitlines():
        line = json.loads(text)
        texels = np.full((5, 9, 3), line["index"] / 100, np.float32)
        expected = {key: metric(texels, truth) for key, metric in METRICS.items()}
        found = {key: line[key] for key in METRICS if key in line}
        assert found == (expected if line["index"] in measured else {})


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_numbers_that_json_does_not_have_become_null(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path, value: float | None
) -> None:
    open_run().add(make_iteration(error=value))

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    line = (tmp_path / "run" / "history.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse)["error"] is None


def test_nothing_is_added_to_a_run_that_has_ended(
    open_run: OpenRun, make_iteration: MakeIteration
) -> None:
    run = open_run()
    run.close()
    with pytest.raises(InputError, match="the run has ended"):
        run.add(make_iteration())


def test_a_run_may_be_closed_twice(open_run: OpenRun) -> None:
    run = open_run(frames=True)
    run.begin(np.ones((4, 4, 3), np.float32))
    run.close()
    run.close()


def test_the_reference_is_kept(open_run: OpenRun, tmp_path: Path, rng: np.random.Generator) -> None:
    reference = rng.random((6, 6, 3), np.float32)
    open_run().begin(reference)
    np.testing.assert_array_equal(read_image(tmp_path / "run" / "reference.exr"), reference)


def test_without_frames_no_picture_is_written(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    run = open_run()
    run.begin(np.ones((7, 7, 3), np.float32))
    run.add(make_iteration())
    run.close()
    assert names_in(tmp_path / "run") == {"run.toml", "history.jsonl", "reference.exr"}


def test_all_frames_have_the_exposure_of_the_reference(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    reference = np.full((7, 7, 3), 4, np.float32)
    run = open_run(frames=True)
    run.begin(reference)
    for index in (0, 50):
        run.add(make_iteration(index))
    run.close()
    exposure = display_exposure(reference)
    for name, value in [("out_ref", 4), ("out_000", 1), ("out_050", 0.5), ("envmap_050", 0.5)]:
        level = iio.imread(tmp_path / "run" / f"{name}.png")[0, 0, 0]
        assert level == tonemap([value], exposure)[0], name


def test_frames_are_pictures_and_a_video_that_has_a_frame_each(
    make_iteration: MakeIteration, tmp_path: Path
) -> None:
    writer = FrameWriter(tmp_path, 1)
    for index in range(30):
        writer.add(make_iteration(index))
    writer.close()
    expected = {f"{kind}_{index:03d}.png" for kind in ("out", "envmap") for index in range(30)}
    assert names_in(tmp_path) == expected | {"convergence.mp4"}
    assert iio.imread(tmp_path / "out_004.png").shape == (7, 7, 3)
    assert iio.imread(tmp_path / "envmap_004.png").shape == (5, 9, 3)
    frames, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "convergence.mp4"))
    assert frames == 30
    assert seconds == pytest.approx(30 / frames_module.FRAMES_PER_SECOND, abs=0.1)


def test_the_video_shows_the_image_the_map_and_the_numbers(
    make_iteration: MakeIteration, tmp_path: Path
) -> None:
    writer = FrameWriter(tmp_path, 1)
    red, blue = np.float32([1, 0, 0]), np.float32([0, 0, 1])
    writer.add(
        make_iteration(
            image_on_device=lambda: np.tile(red, (8, 8, 1)),
            texels_on_device=lambda: np.tile(blue, (4, 8, 1)),
        )
    )
    writer.close()
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-v", "error", "-i", tmp_path / "convergence.mp4"]
    png = subprocess.run(
        [*command, "-f", "image2pipe", "-c:v", "png", "-"], capture_output=True, check=True
    )
    frame = iio.imread(png.stdout).astype(int)
    height, width, _ = frame.shape
    caption = frames_module.CAPTION_HEIGHT
    picture_height = height - caption
    assert width == 3 * picture_height
    image = frame[: picture_height - 2, : picture_height - 2]
    envmap = frame[: picture_height - 2, picture_height + 2 :]
    for panel, channel in ((image, 0), (envmap, 2)):
        assert panel[..., channel].min() > 200
        assert np.delete(panel, channel, axis=2).max() < 60
    assert np.ptp(frame[-caption + 4 :].mean(axis=2)) > 100  # there is writing


@pytest.mark.parametrize(
    ("image", "envmap"), [((1, 1), (2, 3)), ((7, 13), (9, 17)), ((64, 3), (3, 65))]
)
def test_frames_of_any_size_make_a_video(
    make_iteration: MakeIteration,
    tmp_path: Path,
    image: tuple[int, int],
    envmap: tuple[int, int],
) -> None:
    writer = FrameWriter(tmp_path, 1)
    writer.add(
        make_iteration(
            image_on_device=lambda: np.ones((*image, 3), np.float32),
            texels_on_device=lambda: np.ones((*envmap, 3), np.float32),
        )
    )
    writer.close()
    frames, _ = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "convergence.mp4"))
    assert frames == 1


def test_a_run_without_iterations_leaves_no_video(tmp_path: Path) -> None:
    FrameWriter(tmp_path, 1).close()
    assert names_in(tmp_path) == set()


def test_the_encoder_drops_no_array_of_the_device(
    make_iteration: MakeIteration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To drop one waits for Dr.Jit, which may be waiting for the encoder's thread."""

    class Array:
        pass

    can_go_on = threading.Event()
    monkeypatch.setattr(FrameWriter, "_encode", lambda *_: can_go_on.wait())
    array = Array()
    seen = weakref.ref(array)
    writer = FrameWriter(tmp_path, 1.0)
    writer.add(make_iteration(image_on_device=lambda _=array: np.zeros((4, 4, 3), np.float32)))
    del array
    gc.collect()
    is_dropped = seen() is None
    can_go_on.set()
    writer.close()
    assert is_dropped


def test_few_large_frames_wait_at_a_time(
    make_iteration: MakeIteration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames_module, "QUEUE_BYTES", 3 * (7 * 7 + 5 * 9) * 12)
    writer = FrameWriter(tmp_path, 1.0)
    writer.add(make_iteration())
    assert writer._jobs.maxsize == 3
    writer.close()


def resumed(run: RunFolder, earlier: list[Record]) -> None:
    with run:
        run.begin(np.ones((7, 7, 3), np.float32), earlier=earlier)
        run.close()


def test_a_run_that_goes_on_keeps_the_lines_of_its_checkpoint_and_no_others(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    with open_run() as run:
        run.begin(np.ones((7, 7, 3), np.float32), np.ones((5, 9, 3), np.float32))
        for index in range(3):
            run.add(make_iteration(index))
    before = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    resumed(open_run(resume=True), [make_iteration(k) for k in range(2)])
    after = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert after == before[:2]
    assert "log_rmse" in after[0]


@pytest.mark.parametrize("damage", [b"", b'{"index": 0, "loss"', b"\x80\n\n", b'{"index": 7}\n'])
def test_lines_that_a_power_failure_took_come_from_the_checkpoint(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path, damage: bytes
) -> None:
    with open_run() as run:
        run.begin(np.ones((7, 7, 3), np.float32))
    (tmp_path / "run" / "history.jsonl").write_bytes(damage)
    resumed(open_run(resume=True), [make_iteration(k) for k in range(2)])
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"index": k, "loss": 0.5 / (k + 1), "error": 10.5, "seconds": 0.1 * k} for k in range(2)
    ]


def test_what_was_added_is_on_the_disk_after_a_flush(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    with open_run(frames=True) as run:
        run.begin(np.ones((7, 7, 3), np.float32))
        for index in range(5):
            run.add(make_iteration(index))
        run.flush()
        assert {"out_004.png", "envmap_004.png", "thumbnails.npz"} <= names_in(tmp_path / "run")


def test_what_is_damaged_of_an_earlier_part_is_left_out_with_a_warning(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    with open_run(frames=True) as run:
        run.begin(np.ones((7, 7, 3), np.float32))
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
        run.begin(np.ones((7, 7, 3), np.float32))
    (tmp_path / "run" / ".convergence.mp4.abcd1234").touch()
    resumed(open_run(resume=True), [])
    assert not [name for name in names_in(tmp_path / "run") if name.startswith(".")]


def test_a_failure_of_the_encoder_reaches_the_caller_and_leaves_no_video(
    make_iteration: MakeIteration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []
    write = frames_module.write_bytes

    def fail_at_the_fifth(path: Path, data: bytes, **options: Any) -> None:
        written.append(path)
        if len(written) == 5:
            raise OSError(28, "No space left on device")
        write(path, data, **options)

    def run() -> None:
        writer = FrameWriter(tmp_path, 1)
        try:
            for index in range(3 * frames_module.QUEUE_LENGTH):
                writer.add(make_iteration(index))
        finally:
            writer.close()

    monkeypatch.setattr(frames_module, "write_bytes", fail_at_the_fifth)
    with pytest.raises(OSError, match="No space left"):
        run()
    assert names_in(tmp_path) == {path.name for path in written[:4]}


@pytest.mark.parametrize("num_frames", [1, 30])
def test_a_failure_of_ffmpeg_reaches_the_caller_and_leaves_no_video(
    make_iteration: MakeIteration, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, num_frames: int
) -> None:
    def run() -> None:
        writer = FrameWriter(tmp_path, 1)
        try:
            for index in range(num_frames):
                writer.add(make_iteration(index))
        finally:
            writer.close()

    wrong = (*frames_module.ENCODING[:-2], "-preset", "no_such_preset", "-f", "mp4")
    monkeypatch.setattr(frames_module, "ENCODING", wrong)
    with pytest.raises(OSError, match=r"ffmpeg: .*preset.*convergence\.mp4"):
        run()
    assert not [name for name in names_in(tmp_path) if not name.endswith(".png")]


def test_a_folder_that_takes_no_video_is_a_failure_of_the_run(
    make_iteration: MakeIteration, tmp_path: Path
) -> None:
    def run() -> None:
        writer = FrameWriter(tmp_path / "missing", 1)
        try:
            writer.add(make_iteration())
        finally:
            writer.close()

    with pytest.raises(OSError, match="No such file"):
        run()


def test_a_failure_is_told_as_soon_as_frames_are_waited_for(
    make_iteration: MakeIteration, tmp_path: Path
) -> None:
    writer = FrameWriter(tmp_path / "missing", 1)
    writer.add(make_iteration())
    with pytest.raises(OSError, match="No such file"):
        writer.flush()
    writer.abandon()


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


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_signal_while_frames_are_written_leaves_no_half_of_a_video(
    make_iteration: MakeIteration, open_run: OpenRun, signal: type[BaseException]
) -> None:
    run = open_run(frames=True)

    def write() -> NoReturn:
        with run:
            run.begin(np.ones((7, 7, 3), np.float32))
            run.add(make_iteration())
            raise signal

    with pytest.raises(signal):
        write()
    assert "convergence.mp4" not in names_in(run.path)
    open_run(overwrite=True)  # nobody holds the folder


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
