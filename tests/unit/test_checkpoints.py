from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from envmap_inverse.checkpoints import Checkpoints
from envmap_inverse.errors import InputError
from envmap_inverse.problem import Record, State

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
