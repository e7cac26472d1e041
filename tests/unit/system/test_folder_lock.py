from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from envmap_inverse import InputError
from envmap_inverse.system.folder_lock import FolderLock

HOLD = """
import sys
from pathlib import Path
from envmap_inverse.system.folder_lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
sys.stdin.read()
"""


def test_a_folder_has_one_writer_at_a_time(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    with pytest.raises(InputError, match=f"{tmp_path}: another run is writing into it"):
        FolderLock(tmp_path)
    lock.release()
    lock.release()
    FolderLock(tmp_path).release()
    assert not list(tmp_path.iterdir())


def test_a_lock_ends_with_the_process_that_holds_it(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, tmp_path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another run"):
            FolderLock(tmp_path)
        other.kill()
    assert (tmp_path / ".lock").exists()
    FolderLock(tmp_path).release()


def test_a_lock_file_that_was_removed_meanwhile_is_no_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import fcntl

    lock_file, flock, calls = tmp_path / ".lock", fcntl.flock, list[int]()

    def slow_flock(descriptor: int, operation: int) -> None:
        calls.append(descriptor)
        if len(calls) == 1:
            lock_file.unlink()  # as its holder does just then
        flock(descriptor, operation)

    monkeypatch.setattr(fcntl, "flock", slow_flock)
    lock = FolderLock(tmp_path)
    assert len(calls) == 2
    assert lock_file.exists()
    lock.release()


def test_a_folder_that_is_moved_or_replaced_is_noticed(tmp_path: Path) -> None:
    folder, moved = tmp_path / "run", tmp_path / "moved"
    folder.mkdir()
    lock = FolderLock(folder)
    lock.check()
    folder.rename(moved)
    for replace in (lambda: None, folder.mkdir, folder.rmdir, lambda: folder.symlink_to(tmp_path)):
        replace()
        with pytest.raises(OSError, match=f"was moved, .* it is {moved} now, where --resume goes"):
            lock.check()
    assert lock.place == moved
    lock.release()
    assert not list(moved.iterdir())


def test_a_lock_file_that_was_removed_is_made_again_with_a_warning(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path)
    (tmp_path / ".lock").unlink()
    with pytest.warns(UserWarning, match="was removed while a run was writing; made again"):
        lock.check()
    lock.check()
    with pytest.raises(InputError, match="another run is writing into it"):
        FolderLock(tmp_path)
    lock.release()
    assert not list(tmp_path.iterdir())


def test_a_folder_that_another_run_has_taken_meanwhile_is_left_to_it(tmp_path: Path) -> None:
    first = FolderLock(tmp_path)
    (tmp_path / ".lock").unlink()
    second = FolderLock(tmp_path)
    with pytest.warns(UserWarning, match="was removed"), pytest.raises(InputError, match="another"):
        first.check()
    first.release()
    second.check()
    second.release()
