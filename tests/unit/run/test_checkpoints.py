from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse

from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import State
from envmap_inverse.problem.solution import Record
from envmap_inverse.recording.light_transport import LightTransport
from envmap_inverse.run.checkpoints import Checkpoints
from envmap_inverse.system.sealed_arrays import read_arrays, write_arrays

MARKS = {"the scene": "1f", "the start map": "2e"}


def history(length: int) -> list[Record]:
    errors = [None if k % 2 else 10.0 - k for k in range(length)]
    return [
        Record(index=k, loss=1 / (k + 1), error=errors[k], seconds=0.1 * k) for k in range(length)
    ]


def state(length: int) -> tuple[Sequence[Record], State]:
    arrays = {
        "texels": np.asfortranarray(np.full((4, 3), length, np.float32)),
        "step": np.uint32([length]),
    }
    return history(length), arrays


@pytest.fixture
def checkpoints(tmp_path: Path) -> Checkpoints:
    """Three that were written."""
    made = Checkpoints(tmp_path, MARKS, every=0)
    for length in (1, 2, 3):
        made.offer(lambda length=length: state(length))  # type: ignore[misc]
    return made


def test_what_was_offered_last_comes_back(checkpoints: Checkpoints) -> None:
    kept = checkpoints.restore()
    assert kept is not None
    assert kept[0] == history(3)
    for name, array in state(3)[1].items():
        assert kept[1][name].dtype == array.dtype
        np.testing.assert_array_equal(kept[1][name], array)


def test_the_newest_two_are_kept(checkpoints: Checkpoints) -> None:
    names = [path.name for path in checkpoints.files()]
    assert names == ["checkpoint_000003.npz", "checkpoint_000002.npz"]


@pytest.mark.parametrize("damage", ["cut", "flipped", "emptied", "text"])
def test_a_damaged_newest_falls_back_to_the_one_before(
    checkpoints: Checkpoints, damage: str
) -> None:
    newest = checkpoints.files()[0]
    data = bytearray(newest.read_bytes())
    data[200] ^= 1
    damaged = {"cut": data[:-40], "flipped": data, "emptied": b"", "text": b"no checkpoint" * 50}
    newest.write_bytes(damaged[damage])
    with pytest.warns(UserWarning, match=r"000003\.npz: damaged, the one before is used"):
        kept = checkpoints.restore()
    assert kept is not None
    assert len(kept[0]) == 2


def test_without_any_there_is_nothing_to_restore(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path, MARKS).restore() is None


def test_those_of_another_problem_are_refused(checkpoints: Checkpoints) -> None:
    other = Checkpoints(checkpoints.folder, {**MARKS, "the scene": "other"})
    with pytest.raises(InputError, match="not of this run: the scene changed since"):
        other.restore()


def test_none_is_written_before_its_time(tmp_path: Path) -> None:
    made = Checkpoints(tmp_path, MARKS, every=1000)
    made.offer(lambda: state(1))
    assert made.files() == []
    made.offer(lambda: state(2), is_last=True)
    assert [path.name for path in made.files()] == ["checkpoint_000002.npz"]


def test_a_complete_run_has_none(checkpoints: Checkpoints) -> None:
    checkpoints.remove()
    assert checkpoints.files() == []


def test_when_all_are_damaged_the_run_begins_again(checkpoints: Checkpoints) -> None:
    for path in checkpoints.files():
        path.write_bytes(b"")
    with pytest.warns(UserWarning, match="damaged") as caught:
        assert checkpoints.restore() is None
    messages = [str(warning.message) for warning in caught]
    assert "000003.npz: damaged, the one before is used" in messages[0]
    assert "000002.npz: damaged, the run begins again" in messages[1]


def test_a_damaged_one_does_not_take_the_place_of_a_whole_one(checkpoints: Checkpoints) -> None:
    checkpoints.files()[0].write_bytes(b"")
    checkpoints.offer(lambda: state(1))
    checkpoints.offer(lambda: state(2))
    names = [path.name for path in checkpoints.files()]
    assert names == ["checkpoint_000002.npz", "checkpoint_000001.npz"]


def test_what_has_to_be_on_the_disk_is_written_before(tmp_path: Path) -> None:
    files: list[int] = []
    made = Checkpoints(tmp_path, MARKS, every=0, before=lambda: files.append(len(made.files())))
    made.offer(lambda: state(1))
    made.offer(lambda: state(2))
    assert files == [0, 1]


def test_one_of_another_version_is_refused(
    checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envmap_inverse.run.checkpoints.FORMAT", 99)
    with pytest.raises(InputError, match="written by another version"):
        checkpoints.restore()


def test_one_with_a_seal_and_no_history_counts_as_damaged(checkpoints: Checkpoints) -> None:
    path = checkpoints.files()[0]
    write_arrays(path, {**read_arrays(path), "history": np.zeros(3)})
    with pytest.warns(UserWarning, match="no history is in it"):
        kept = checkpoints.restore()
    assert kept is not None
    assert len(kept[0]) == 2


@pytest.fixture
def recording() -> LightTransport:
    matrix = sparse.csr_matrix(np.eye(4, 6, dtype=np.float32))
    return LightTransport(
        channels=(matrix,) * 3,
        squares=matrix,
        offset=np.zeros((4, 3), np.float32),
        resolution=(3, 2),
        image_sizes=((2, 2),),
        spp=1,
    )


def test_a_recording_is_written_once_with_the_first_checkpoint(
    tmp_path: Path, recording: LightTransport
) -> None:
    made = Checkpoints(tmp_path, MARKS, every=1000)
    made.keep_transport(recording)
    assert made.transport() is None
    made.offer(lambda: state(1), is_last=True)
    (path,) = tmp_path.glob("transport_*.npz")
    written = path.stat().st_mtime_ns
    made.offer(lambda: state(2), is_last=True)
    assert path.stat().st_mtime_ns == written
    found = made.transport()
    assert found is not None
    np.testing.assert_array_equal(found.channels[0].todense(), recording.channels[0].todense())
    made.remove()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_that_took_long_is_written_at_once(
    tmp_path: Path, recording: LightTransport
) -> None:
    made = Checkpoints(tmp_path, MARKS, every=0)
    made.keep_transport(recording)
    assert made.transport() is not None


def test_a_recording_of_another_scene_is_not_used(
    tmp_path: Path, recording: LightTransport
) -> None:
    Checkpoints(tmp_path, MARKS, every=0).keep_transport(recording)
    assert Checkpoints(tmp_path, {**MARKS, "the scene": "2"}).transport() is None


def test_a_damaged_recording_is_made_again(tmp_path: Path, recording: LightTransport) -> None:
    made = Checkpoints(tmp_path, MARKS, every=0)
    made.keep_transport(recording)
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.warns(UserWarning, match=r"transport_.*checksum.*; it is recorded again"):
        assert made.transport() is None
    assert list(tmp_path.iterdir()) == []


def test_a_recording_for_which_the_disk_is_too_small_is_not_kept(
    tmp_path: Path, recording: LightTransport, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.disk_usage", lambda _: SimpleNamespace(free=10))
    with pytest.warns(UserWarning, match="are free; it is not kept"):
        Checkpoints(tmp_path, MARKS, every=0).keep_transport(recording)
    assert list(tmp_path.iterdir()) == []


any_number = st.floats(allow_nan=False)


@settings(max_examples=20)
@given(
    numbers=st.lists(
        st.tuples(any_number, st.none() | any_number, st.floats(0, 1e6)), min_size=1, max_size=4
    )
)
def test_any_history_comes_back(
    tmp_path: Path, numbers: list[tuple[float, float | None, float]]
) -> None:
    records = [
        Record(index=index, loss=loss, error=error, seconds=seconds)
        for index, (loss, error, seconds) in enumerate(numbers)
    ]
    made = Checkpoints(tmp_path, MARKS, every=0)
    made.offer(lambda: (records, {}))
    assert made.restore() == (records, {})
