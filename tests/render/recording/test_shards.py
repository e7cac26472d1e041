"""Recordings in shards: the same matrices, and sums over shards."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from comparing import assert_bit_equal, assert_same_result
from numpy.typing import NDArray
from scipy import sparse

import envmap_inverse as ei
from envmap_inverse.recording import shards
from envmap_inverse.recording.shards import ends_of_shards
from envmap_inverse.system.sealed_arrays import read_arrays, write_arrays

MakeScene = Callable[..., ei.Scene]
Pixels = NDArray[np.float32]


@pytest.fixture
def two_views(make_scene: MakeScene) -> ei.Scene:
    return make_scene("rough", cameras=[(0, 0, 4), (4, 1, 0)])


@pytest.fixture
def in_shards(two_views: ei.Scene, monkeypatch: pytest.MonkeyPatch) -> ei.LightTransport:
    """Two views of 64 pixels with 16 paths each, of which two of three are recorded."""
    monkeypatch.setattr(shards, "MAX_PATHS", 200)
    mask = (np.arange(64) % 3 > 0).reshape(8, 8)
    return ei.LightTransport.record(two_views, (0, 1), masks=[mask, mask], spp=16)


def test_shards_are_ranges_of_a_views_rows_with_few_enough_paths() -> None:
    assert ends_of_shards([2**18], 16) == (2**18,)
    assert ends_of_shards([2**18 + 1], 16) == (2**17, 2**18 + 1)
    assert ends_of_shards([10, 0, 2**21], 6) == (10, 10, 10 + 699050, 10 + 1398101, 10 + 2**21)


def test_a_recording_knows_its_shards(in_shards: ei.LightTransport) -> None:
    assert in_shards.ends == (10, 21, 31, 42, 52, 63, 73, 84)


def test_products_are_those_of_one_shard(
    two_views: ei.Scene, in_shards: ei.LightTransport, rng: np.random.Generator
) -> None:
    mask = (np.arange(64) % 3 > 0).reshape(8, 8)
    whole = ei.LightTransport.record(two_views, (0, 1), masks=[mask, mask], spp=16)
    object.__setattr__(whole, "ends", (84,))
    texels = rng.random((whole.shape[1], 3), np.float32)
    weights = rng.random((128, 3), np.float32)
    assert_bit_equal(in_shards, whole)
    np.testing.assert_array_equal(in_shards.matvec(texels), whole.matvec(texels))
    np.testing.assert_array_equal(in_shards.sum_of_squares(texels), whole.sum_of_squares(texels))
    for name, arguments in [
        ("rmatvec", (weights,)),
        ("normal", (texels, weights)),
        ("gram_diagonal", (weights,)),
    ]:
        found, expected = (getattr(each, name)(*arguments) for each in (in_shards, whole))
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-7)


def test_a_reduced_channel_is_the_product_with_both_groupings(
    in_shards: ei.LightTransport, rng: np.random.Generator
) -> None:
    """Some groups have no pixel, some pixels count as nothing, and some have no row."""
    groups = rng.random((9, 128), np.float32) * (rng.random((9, 128)) < 0.1)
    groups[:, ::5] = 0
    cells = rng.random((in_shards.shape[1], 6), np.float32)
    pixels = sparse.csr_matrix(groups)
    pixels.data[::7] = 0
    for channel in range(3):
        found = in_shards.reduced(channel, pixels, sparse.csr_matrix(cells))
        dense = in_shards.linear_operator(channel) @ cells
        np.testing.assert_allclose(found.toarray(), pixels @ dense, rtol=1e-4, atol=1e-7)


def test_shards_survive_the_file(in_shards: ei.LightTransport, tmp_path: Path) -> None:
    in_shards.save(tmp_path / "t.npz")
    loaded = ei.LightTransport.load(tmp_path / "t.npz")
    assert loaded.ends == in_shards.ends
    weights = np.ones((128, 3), np.float32)
    np.testing.assert_array_equal(loaded.rmatvec(weights), in_shards.rmatvec(weights))


def test_a_file_from_before_there_were_shards_has_one(
    transport: ei.LightTransport, tmp_path: Path
) -> None:
    path = tmp_path / "t.npz"
    transport.save(path)
    arrays = read_arrays(path)
    del arrays["ends"]
    write_arrays(path, {**arrays, "format": np.int64(6)})
    assert ei.LightTransport.load(path).ends == (64,)


def test_a_map_is_found_in_shards(
    make_scene: MakeScene, monkeypatch: pytest.MonkeyPatch, random_map: Callable[..., Pixels]
) -> None:
    scene = make_scene("rough", texels=random_map(9, 16))
    image = ei.render(scene, spp=64)
    whole = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
    monkeypatch.setattr(shards, "MAX_PATHS", 200)
    cut = ei.estimate(scene, image, optimizer=ei.Transport(spp=16))
    np.testing.assert_allclose(cut.texels, whole.texels, rtol=0.02, atol=1e-3)
    np.testing.assert_allclose(cut.deviation, whole.deviation, rtol=0.02, atol=1e-3)
    assert_same_result(cut, ei.estimate(scene, image, optimizer=ei.Transport(spp=16)))
