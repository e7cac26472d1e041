from __future__ import annotations

import gc
import io
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from comparing import assert_bit_equal
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse.system.sealed_arrays import write_arrays

MakeScene = Callable[..., ei.Scene]
Pixels = NDArray[np.float32]

NUM_TEXELS = 9 * 16
LAMP = {
    "type": "sphere",
    "center": [-1.2, 0.8, 0.5],
    "radius": 0.3,
    "emitter": {"type": "area", "radiance": {"type": "rgb", "value": [5, 4, 3]}},
}


@pytest.fixture
def recording(tmp_path: Path, transport: ei.LightTransport) -> Path:
    path = tmp_path / "transport.npz"
    transport.save(path)
    return path


def rewrite(path: Path, **changes: Any) -> None:
    """Changes some arrays of a file; None leaves one out."""
    with np.load(path) as file:
        arrays = {name: file[name] for name in file.files}
    arrays.update(changes)
    kept = {name: array for name, array in arrays.items() if array is not None}
    write_arrays(path, kept)


def names_of_arrays(path: Path) -> list[str]:
    with np.load(path) as file:
        return list(file.files)


def message_of_a_refusal(path: Path) -> str:
    with pytest.raises(ei.InputError) as caught:
        ei.LightTransport.load(path)
    return str(caught.value)


def test_a_recording_loaded_is_the_one_saved(
    recording: Path, transport: ei.LightTransport, texels: Pixels
) -> None:
    loaded = ei.LightTransport.load(recording)
    assert_bit_equal(loaded, transport)
    for name in ("shape", "resolution", "image_sizes", "spp"):
        assert getattr(loaded, name) == getattr(transport, name)


def test_a_loaded_recording_takes_no_more_memory(
    recording: Path, transport: ei.LightTransport
) -> None:
    assert ei.LightTransport.load(recording).nbytes == transport.nbytes


def test_several_views_and_a_lamp_survive_the_file(make_scene: MakeScene, tmp_path: Path) -> None:
    saved = ei.LightTransport.record(
        make_scene("rough", cameras=[(0, 0, 4), (4, 1, 0)], lamp=LAMP), (0, 1), spp=4
    )
    saved.save(tmp_path / "two.npz")
    loaded = ei.LightTransport.load(tmp_path / "two.npz")
    assert_bit_equal(loaded, saved)
    assert loaded.image_sizes == ((8, 8), (8, 8))


def test_a_recording_is_saved_over_another(recording: Path, rough_scene: ei.Scene) -> None:
    newer = ei.LightTransport.record(rough_scene, spp=2, seed=3)
    newer.save(recording)
    assert_bit_equal(ei.LightTransport.load(recording), newer)
    assert [path.name for path in recording.parent.iterdir()] == [recording.name]


def test_a_recording_that_is_not_there_is_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"nothing\.npz"):
        ei.LightTransport.load(tmp_path / "nothing.npz")


def test_a_folder_in_place_of_a_recording_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ei.InputError, match="is a folder"):
        ei.LightTransport.load(tmp_path)


@pytest.mark.parametrize("share", [0, 1e-4, 0.01, 0.5, 0.99, 0.9999])
def test_a_recording_cut_short_is_refused_in_one_line(recording: Path, share: float) -> None:
    whole = recording.read_bytes()
    recording.write_bytes(whole[: int(share * len(whole))])
    message = message_of_a_refusal(recording)
    assert message.startswith(f"{recording}: ")
    assert "\n" not in message


def test_a_recording_that_is_refused_is_closed(recording: Path) -> None:
    recording.write_bytes(recording.read_bytes()[:-100])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(ei.InputError):
            ei.LightTransport.load(recording)
        gc.collect()
    assert [str(warning.message) for warning in caught] == []


@pytest.mark.parametrize("content", [b"hello", b"\x80\x04", b"PK\x03\x04", b"\n" * 1000])
def test_a_file_that_is_no_recording_is_refused_in_one_line(
    recording: Path, content: bytes
) -> None:
    recording.write_bytes(content)
    message = message_of_a_refusal(recording)
    assert "not a recorded light transport" in message
    assert "\n" not in message


def test_a_single_array_is_no_recording(recording: Path) -> None:
    stream = io.BytesIO()
    np.save(stream, np.zeros(3))
    recording.write_bytes(stream.getvalue())
    assert "not a recorded light transport" in message_of_a_refusal(recording)


def test_a_file_of_other_arrays_is_no_recording(recording: Path) -> None:
    np.savez(recording, map=np.zeros(3))
    assert "not a recorded light transport" in message_of_a_refusal(recording)


@pytest.mark.parametrize("version", [0, 1, 1000])
def test_a_recording_of_another_version_is_refused_with_the_remedy(
    recording: Path, version: int
) -> None:
    rewrite(recording, format=np.int64(version))
    message = message_of_a_refusal(recording)
    assert "another version" in message
    assert "record again" in message


def test_a_recording_that_lacks_an_array_is_refused(recording: Path) -> None:
    whole = recording.read_bytes()
    for name in names_of_arrays(recording):
        rewrite(recording, **{name: None})
        assert name in message_of_a_refusal(recording)
        recording.write_bytes(whole)


@pytest.mark.parametrize("shape", [(), (2,), (2, 3, 4)])
def test_a_recording_with_an_array_of_another_shape_is_refused(
    recording: Path, shape: tuple[int, ...]
) -> None:
    whole = recording.read_bytes()
    for name in names_of_arrays(recording):
        with np.load(recording) as file:
            wrong = np.zeros(shape, file[name].dtype)
            is_other = file[name].shape != shape
        if is_other:
            rewrite(recording, **{name: wrong})
            assert message_of_a_refusal(recording), name
            recording.write_bytes(whole)


@pytest.mark.parametrize("index", [-1, NUM_TEXELS])
def test_a_recording_that_points_out_of_the_map_is_refused(recording: Path, index: int) -> None:
    whole = recording.read_bytes()
    names = [name for name in names_of_arrays(recording) if name.endswith("indices")]
    assert names
    for name in names:
        with np.load(recording) as file:
            indices = file[name].copy()
        indices[7] = index
        rewrite(recording, **{name: indices})
        assert message_of_a_refusal(recording), name
        recording.write_bytes(whole)


@pytest.mark.parametrize(
    "changes",
    [
        {"resolution": np.array([16, 8])},
        {"image_sizes": np.array([[2, 3]])},
        {"offset": np.zeros((3, 3), np.float32)},
        {"rows": np.arange(5, dtype=np.int32)},
        {"rows": np.full(64, -2, np.int32)},
        {"rows": np.zeros(64, np.int32)},
    ],
    ids=lambda changes: str(next(iter(changes))),
)
def test_a_recording_whose_arrays_do_not_fit_each_other_is_refused(
    recording: Path, changes: dict[str, Any]
) -> None:
    rewrite(recording, **changes)
    assert "not a recorded light transport" in message_of_a_refusal(recording)


def test_damage_in_the_arrays_is_noticed(recording: Path) -> None:
    damaged = bytearray(recording.read_bytes())
    damaged[len(damaged) // 3] ^= 0xFF
    recording.write_bytes(bytes(damaged))
    message_of_a_refusal(recording)


def test_nothing_in_a_file_is_unpickled(recording: Path) -> None:
    rewrite(recording, spp=np.array({"not": "a number"}, dtype=object))
    assert "allow_pickle=False" in message_of_a_refusal(recording)
