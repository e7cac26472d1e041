from __future__ import annotations

import gc
import subprocess
import threading
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import imageio.v3 as iio
import imageio_ffmpeg
import numpy as np
import pytest
from hypothesis import strategies as st
from posed import posed
from run_files import names_in

from envmap_inverse import InputError, Iteration
from envmap_inverse.images import display_exposure, tonemap
from envmap_inverse.run import frames as frames_module
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.frames import FrameWriter

MakeIteration = Callable[..., Iteration]
OpenRun = Callable[..., RunFolder]


def test_all_frames_have_the_exposure_of_the_reference(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    reference = np.full((7, 7, 3), 4, np.float32)
    run = open_run(frames=True)
    run.begin(posed(reference))
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
    """Dropping one waits for Dr.Jit, which may be waiting for the encoder's thread."""

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


@pytest.mark.parametrize("signal", [KeyboardInterrupt, SystemExit])
def test_a_signal_while_frames_are_written_leaves_no_half_of_a_video(
    make_iteration: MakeIteration, open_run: OpenRun, signal: type[BaseException]
) -> None:
    run = open_run(frames=True)

    def write() -> NoReturn:
        with run:
            run.begin(posed(np.ones((7, 7, 3), np.float32)))
            run.add(make_iteration())
            raise signal

    with pytest.raises(signal):
        write()
    assert "convergence.mp4" not in names_in(run.path)
    open_run(overwrite=True)  # nobody holds the folder


numbers = st.none() | st.booleans() | st.integers() | st.floats()


@pytest.mark.parametrize("name", ["-x", "http:x", "pipe:1", "concat:a|b", "2024-11-26T10:30"])
def test_a_folder_whose_name_ffmpeg_could_take_for_something_else_gets_a_video(
    make_iteration: MakeIteration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = Path(name)
    folder.mkdir()
    writer = FrameWriter(folder, 1)
    writer.add(make_iteration(0))
    writer.close()
    assert (folder / "convergence.mp4").stat().st_size > 0


@pytest.mark.parametrize("program", ["/nonexistent", "/etc/passwd"])
def test_an_ffmpeg_that_cannot_be_started_is_refused_before_the_run(
    monkeypatch: pytest.MonkeyPatch, open_run: OpenRun, tmp_path: Path, program: str
) -> None:
    monkeypatch.setenv("IMAGEIO_FFMPEG_EXE", program)
    with pytest.raises(InputError, match=f"IMAGEIO_FFMPEG_EXE={program} cannot be started"):
        open_run(frames=True)
    assert not (tmp_path / "run").exists()
