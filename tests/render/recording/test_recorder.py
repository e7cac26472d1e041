from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from comparing import assert_bit_equal
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.recording import files, on_disk, recorder

MakeScene = Callable[..., ei.Scene]
MakeDict = Callable[..., dict[str, Any]]
MakeMap = Callable[..., NDArray[np.float32]]
Pixels = NDArray[np.float32]

LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


FEW_AT_A_TIME = 2 * recorder.BYTES_PER_PATH * 16 * 64


def test_a_recording_that_fits_neither_into_memory_nor_onto_the_disk_is_refused(
    make_scene: Callable[..., ei.Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    shares: list[float] = []
    monkeypatch.setattr(recorder, "free_memory", lambda: 1000)
    monkeypatch.setattr(on_disk.shutil, "disk_usage", lambda _: SimpleNamespace(free=2000))
    with pytest.raises(ei.InputError, match=r"takes about .* --spp or --size .*TMPDIR"):
        ei.LightTransport.record(
            make_scene("rough", size=(64, 64)),
            spp=16,
            memory_budget=FEW_AT_A_TIME,
            on_progress=shares.append,
        )
    assert shares[-1] < 0.5


def test_a_recording_larger_than_memory_goes_on_the_disk_with_the_same_bits(
    make_scene: Callable[..., ei.Scene], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    scene = make_scene("rough", size=(32, 32))
    expected = ei.LightTransport.record(scene, spp=16, memory_budget=FEW_AT_A_TIME)
    monkeypatch.setattr(recorder, "free_memory", lambda: 1000)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(on_disk.tempfile, "tempdir", None)
    found = ei.LightTransport.record(scene, spp=16, memory_budget=FEW_AT_A_TIME)
    assert not found.channels[0].data.flags.writeable
    assert [*tmp_path.iterdir()] == []
    assert_bit_equal(found, expected)
    ones = np.ones((32 * 32, 3), np.float32)
    np.testing.assert_array_equal(found.rmatvec(ones), expected.rmatvec(ones))


def test_a_recording_on_the_disk_grows(
    make_scene: Callable[..., ei.Scene], monkeypatch: pytest.MonkeyPatch
) -> None:
    scene = make_scene("rough", size=(32, 32))
    expected = ei.LightTransport.record(scene, spp=2, memory_budget=FEW_AT_A_TIME // 8)
    expected = ei.LightTransport.record(scene, spp=16, earlier=expected)
    monkeypatch.setattr(recorder, "free_memory", lambda: 1000)
    found = ei.LightTransport.record(scene, spp=2, memory_budget=FEW_AT_A_TIME // 8)
    found = ei.LightTransport.record(scene, spp=16, memory_budget=FEW_AT_A_TIME, earlier=found)
    assert not found.channels[0].data.flags.writeable
    assert_bit_equal(found, expected)


def test_a_file_larger_than_memory_is_mapped(
    transport: ei.LightTransport, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    transport.save(tmp_path / "t.npz")
    monkeypatch.setattr(files, "free_memory", lambda: 1000)
    found = ei.LightTransport.load(tmp_path / "t.npz")
    assert not found.channels[0].data.flags.writeable
    assert_bit_equal(found, transport)


def test_large_temporary_files_lie_where_asked_or_on_a_disk(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("TMPDIR", raising=False)
    assert on_disk.scratch_folder() == Path("/var/tmp")


def test_room_is_no_matter_where_there_is_enough(make_scene: Callable[..., ei.Scene]) -> None:
    scene = make_scene("rough", size=(16, 16))
    whole = ei.LightTransport.record(scene, spp=4)
    parts = ei.LightTransport.record(scene, spp=4, memory_budget=2 * recorder.BYTES_PER_PATH * 64)
    assert whole.num_entries == parts.num_entries


@pytest.mark.parametrize("memory_budget", [1, 5_000, 50_000])
def test_the_memory_budget_changes_no_bit(
    rough_scene: ei.Scene, transport: ei.LightTransport, memory_budget: int
) -> None:
    chunked = ei.LightTransport.record(rough_scene, spp=16, memory_budget=memory_budget)
    assert_bit_equal(chunked, transport)


def test_the_same_seed_records_the_same_bits(
    rough_scene: ei.Scene, transport: ei.LightTransport
) -> None:
    assert_bit_equal(ei.LightTransport.record(rough_scene, spp=16), transport)


def test_another_seed_records_other_paths(
    rough_scene: ei.Scene, transport: ei.LightTransport, texels: Pixels
) -> None:
    other = ei.LightTransport.record(rough_scene, spp=16, seed=1)
    is_equal = other.matvec(texels) == transport.matvec(texels)
    assert is_equal.mean() < 0.05


def test_recordings_of_several_seeds_are_independent(rough_scene: ei.Scene, texels: Pixels) -> None:
    """The mean of eight has an eighth of the variance."""
    images = np.array(
        [
            ei.LightTransport.record(rough_scene, spp=4, seed=seed).matvec(texels)
            for seed in range(32)
        ]
    )
    of_one = images.var(axis=0, ddof=1)
    of_eight = images.reshape(4, 8, *images.shape[1:]).mean(axis=1).var(axis=0, ddof=1)
    assert of_one.min() > 0
    assert of_eight.sum() == pytest.approx(of_one.sum() / 8, rel=0.35)


@pytest.mark.parametrize("value", [0.0, 1e-3, 77.0])
def test_a_recording_does_not_look_at_the_map(
    make_scene: MakeScene, random_map: MakeMap, value: float
) -> None:
    scene = make_scene("rough", texels=random_map(9, 16), lamp=LAMP)
    expected = ei.LightTransport.record(scene, spp=4)
    scene.set_envmap(np.full((9, 16, 3), value))
    assert_bit_equal(ei.LightTransport.record(scene, spp=4), expected)


def test_a_recording_leaves_the_map_as_it_was(make_scene: MakeScene, random_map: MakeMap) -> None:
    scene = make_scene("rough", texels=random_map(9, 16), lamp=LAMP)
    ei.LightTransport.record(scene, spp=4)
    np.testing.assert_array_equal(scene.envmap.texels, random_map(9, 16))


def test_the_offset_is_the_picture_under_a_dark_map(make_scene: MakeScene) -> None:
    scene = make_scene("rough", texels=np.ones((9, 16, 3), np.float32), lamp=LAMP)
    offset = ei.LightTransport.record(scene, spp=4).offset.reshape(8, 8, 3)
    dark = ei.render(scene, np.zeros((9, 16, 3)), spp=1024, seed=77)
    assert dark.max() > 1
    assert np.linalg.norm(offset - dark) < 0.05 * np.linalg.norm(dark)


def test_a_map_that_is_the_only_light_leaves_no_offset(transport: ei.LightTransport) -> None:
    assert (transport.offset == 0).all()


def test_views_are_stacked_in_their_order(scene_dict: MakeDict, random_map: MakeMap) -> None:
    described = scene_dict("rough", texels=random_map(9, 16), cameras=[(0, 0, 4), (4, 1, 0)])
    described["sensor1"]["film"].update(width=5, height=5)
    scene = ei.load_scene(described)
    both = ei.LightTransport.record(scene, (1, 0), spp=256)
    assert both.shape == (25 + 64, 9 * 16)
    assert both.image_sizes == ((5, 5), (8, 8))
    parts = np.split(both.matvec(scene.envmap.texels.reshape(-1, 3)), [25])
    for part, sensor in zip(parts, (1, 0), strict=True):
        image = ei.render(scene, spp=1024, sensor=sensor).reshape(-1, 3)
        assert np.linalg.norm(part - image) < 0.03 * np.linalg.norm(image)


def test_views_of_one_sensor_share_what_is_recorded(rough_scene: ei.Scene, texels: Pixels) -> None:
    one = ei.LightTransport.record(rough_scene, spp=4)
    three = ei.LightTransport.record(rough_scene, (0, 0, 0), spp=4)
    assert three.nbytes == one.nbytes
    assert three.shape == (3 * 64, 9 * 16)
    for part in np.split(three.matvec(texels), 3):
        np.testing.assert_array_equal(part, one.matvec(texels))


def test_masked_pixels_are_not_recorded(rough_scene: ei.Scene, texels: Pixels) -> None:
    mask = np.zeros((8, 8), np.float32)
    mask[2:5, 3:6] = 0.5
    whole = ei.LightTransport.record(rough_scene, spp=4)
    part = ei.LightTransport.record(rough_scene, masks=[mask], spp=4)
    assert part.channels[0].shape == (9, 9 * 16)
    counts = mask.ravel() > 0
    np.testing.assert_array_equal(part.matvec(texels)[counts], whole.matvec(texels)[counts])
    assert (part.matvec(texels)[~counts] == 0).all()


def test_a_pixel_that_counts_in_one_view_is_recorded_for_its_sensor(rough_scene: ei.Scene) -> None:
    first, second = np.zeros((2, 8, 8), bool)
    first[0, :5], second[0, 3:7] = True, True
    both = ei.LightTransport.record(rough_scene, (0, 0), masks=[first, second], spp=4)
    assert both.squares.shape[0] == 7


def test_products_count_each_view_of_a_sensor(rough_scene: ei.Scene, texels: Pixels) -> None:
    masks = [np.arange(64).reshape(8, 8) % 3 != part for part in (0, 1)]
    shared = ei.LightTransport.record(rough_scene, (0, 0), masks=masks, spp=4)
    matrices = [shared.linear_operator(channel) @ np.eye(9 * 16) for channel in range(3)]
    weights = np.random.default_rng(3).random((2 * 64, 3), np.float32)
    for c, matrix in enumerate(matrices):
        assert shared.matvec(texels)[:, c] == pytest.approx(matrix @ texels[:, c], rel=1e-5)
        assert shared.rmatvec(weights)[:, c] == pytest.approx(matrix.T @ weights[:, c], rel=1e-5)
        normal = matrix.T @ (weights[:, c] * (matrix @ texels[:, c]))
        assert shared.normal(texels, weights)[:, c] == pytest.approx(normal, rel=1e-5)
        diagonal = (matrix**2).T @ weights[:, c]
        assert shared.gram_diagonal(weights)[:, c] == pytest.approx(diagonal, rel=1e-5)
        squares = matrix**2 @ texels[:, c]
        assert shared.sum_of_squares(texels)[:, c] == pytest.approx(squares, rel=1e-5)


def test_masks_that_leave_no_pixel_are_refused(rough_scene: ei.Scene) -> None:
    with pytest.raises(ei.InputError, match="leave no pixel to record"):
        ei.LightTransport.record(rough_scene, masks=[np.zeros((8, 8))], spp=4)


def test_progress_rises_to_one(rough_scene: ei.Scene) -> None:
    shares: list[float] = []
    ei.LightTransport.record(rough_scene, spp=16, memory_budget=10_000, on_progress=shares.append)
    assert len(shares) > 4
    assert (np.diff(shares) > 0).all()
    assert shares[0] > 0
    assert shares[-1] == 1
