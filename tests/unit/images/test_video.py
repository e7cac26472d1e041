from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from envmap_inverse import InputError
from envmap_inverse.images.video import is_video, read_frames
from envmap_inverse.run.frames import Video


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Thirty grey frames that grow brighter."""
    made = Video(tmp_path_factory.mktemp("video") / "ramp.mp4")
    noise = np.random.default_rng(1).integers(0, 9, (64, 64, 3))
    for level in range(60, 210, 5):
        made.add((level + noise).astype(np.uint8))
    made.close()
    return made.path


def test_frames_are_linear_and_in_order(video: Path) -> None:
    means = [picture.image.mean() for picture in read_frames(video)]
    assert len(means) == 30
    assert means == sorted(means)
    assert means[0] == pytest.approx(((64 / 255 + 0.055) / 1.055) ** 2.4, rel=0.05)


def test_clipped_values_are_bounds(video: Path) -> None:
    first = next(read_frames(video))
    assert first.white is not None
    assert 0.98 < first.white < 1


def test_a_damaged_frame_is_reported_after_those_before(video: Path, tmp_path: Path) -> None:
    data = bytearray(video.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 4000] = bytes(4000)
    (tmp_path / "damaged.mp4").write_bytes(data)
    means: list[float] = []
    with pytest.raises(InputError, match=r"damaged\.mp4: damaged after \d+ frames: "):
        means.extend(picture.image.mean() for picture in read_frames(tmp_path / "damaged.mp4"))
    assert 0 < len(means) < 30


@pytest.mark.parametrize("content", [b"", b"no video" * 99])
def test_what_is_no_video_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "words.mp4"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"words\.mp4: damaged, or not a video"):
        next(read_frames(path))


def test_a_missing_video_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no such video"):
        next(read_frames(tmp_path / "none.mov"))


def test_videos_are_known_by_their_endings() -> None:
    assert is_video(Path("a.MP4"))
    assert not is_video(Path("a.exr"))
