from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmap_inverse import InputError, Iteration
from envmap_inverse.images import shrink, tonemap
from envmap_inverse.run.thumbnails import MAX_COUNT, Thumbnails, ThumbnailWriter


def iteration(index: int, pixels: int = 4) -> Iteration:
    image = np.full((pixels, pixels, 3), index / 10, np.float32)
    return Iteration(
        index=index,
        loss=0.0,
        error=None,
        seconds=0.0,
        texels_on_device=lambda: image[:2],
        image_on_device=lambda: image,
    )


@pytest.fixture
def kept(tmp_path: Path) -> Callable[[int], Thumbnails]:
    def keep(count: int) -> Thumbnails:
        writer = ThumbnailWriter()
        for index in range(count):
            writer.add(iteration(index))
        writer.write(tmp_path / "thumbnails.npz", 2)
        return Thumbnails.read(tmp_path / "thumbnails.npz")

    return keep


def test_a_short_run_keeps_every_iteration(kept: Callable[[int], Thumbnails]) -> None:
    assert kept(5).indices.tolist() == [0, 1, 2, 3, 4]


@given(count=st.integers(1, 300))
def test_a_run_keeps_its_first_and_last_and_few_at_equal_steps_between(
    kept: Callable[[int], Thumbnails], count: int
) -> None:
    indices = kept(count).indices
    assert indices[0] == 0
    assert indices[-1] == count - 1
    assert min(count, MAX_COUNT // 2) <= len(indices) <= MAX_COUNT
    assert len(set(np.diff(indices[:-1]))) <= 1


def test_the_pictures_are_tone_mapped(kept: Callable[[int], Thumbnails]) -> None:
    thumbnails = kept(3)
    assert thumbnails.images.shape == (3, 4, 4, 3)
    assert thumbnails.envmaps.shape == (3, 2, 4, 3)
    np.testing.assert_array_equal(thumbnails.images[2], tonemap(np.full((4, 4, 3), 0.2), 2))


def test_large_pictures_are_shrunk(tmp_path: Path) -> None:
    writer = ThumbnailWriter()
    writer.add(iteration(7, pixels=300))
    writer.write(tmp_path / "thumbnails.npz", 1)
    _, height, width, _ = Thumbnails.read(tmp_path / "thumbnails.npz").images.shape
    assert (height, width) == (256, 256)


def test_a_run_without_iterations_writes_nothing(tmp_path: Path) -> None:
    ThumbnailWriter().write(tmp_path / "thumbnails.npz", 1)
    ThumbnailWriter().write_draft(tmp_path / "thumbnails.npz", 1)
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "thumbnails.npz"
    path.write_bytes(b"not an archive")
    with pytest.raises(InputError, match=rf"{path}: damaged"):
        Thumbnails.read(path)


def test_shrinking_takes_means_of_boxes(rng: np.random.Generator) -> None:
    image = rng.uniform(0, 100, (8, 12, 3)).astype(np.float32)
    expected = image.reshape(4, 2, 6, 2, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(shrink(image, 24), expected, rtol=1e-6)


@given(height=st.integers(1, 40), width=st.integers(1, 40), limit=st.integers(1, 2000))
def test_a_shrunk_image_has_no_more_pixels_than_asked_for(
    height: int, width: int, limit: int
) -> None:
    shrunk = shrink(np.ones((height, width, 3), np.float32), limit)
    assert shrunk.shape[0] * shrunk.shape[1] <= max(limit, height, width)
    np.testing.assert_allclose(shrunk, 1, rtol=1e-6)


@pytest.mark.parametrize(("before", "after"), [(5, 9), (40, 100), (31, 33), (64, 3)])
def test_a_run_that_goes_on_has_the_thumbnails_of_one_that_did_not_stop(
    kept: Callable[[int], Thumbnails], tmp_path: Path, before: int, after: int
) -> None:
    whole = kept(before + after)
    killed = ThumbnailWriter()
    for index in range(before + 2):  # two more than the checkpoint knows
        killed.add(iteration(index))
        killed.write_draft(tmp_path / "draft.npz", 2)
    resumed = ThumbnailWriter()
    resumed.restore(tmp_path / "draft.npz", before)
    for index in range(before, before + after):
        resumed.add(iteration(index))
    resumed.write(tmp_path / "resumed.npz", 2)
    found = Thumbnails.read(tmp_path / "resumed.npz")
    assert found.indices.tolist() == whole.indices.tolist()
    np.testing.assert_array_equal(found.images, whole.images)
    np.testing.assert_array_equal(found.envmaps, whole.envmaps)


def test_a_run_goes_on_without_a_draft(tmp_path: Path) -> None:
    resumed = ThumbnailWriter()
    resumed.restore(tmp_path / "nothing.npz", 3)
    resumed.add(iteration(3))
    resumed.write(tmp_path / "resumed.npz", 2)
    assert Thumbnails.read(tmp_path / "resumed.npz").indices.tolist() == [3]


def test_maps_drawn_at_random_are_tone_mapped_like_the_others(tmp_path: Path) -> None:
    writer = ThumbnailWriter()
    writer.add(iteration(0))
    path = tmp_path / "thumbnails.npz"
    writer.write(path, 1)
    assert len(Thumbnails.read(path).samples) == 0
    writer.write(path, 1, np.full((3, 8, 16, 3), 1, np.float32))
    samples = Thumbnails.read(path).samples
    assert samples.shape == (3, 8, 16, 3)
    assert (samples == 255).all()
