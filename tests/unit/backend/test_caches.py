from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envmap_inverse.backend import caches


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The machine's folder for temporary files; nothing is chosen and the home is a file."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    (tmp_path / "home").touch()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.delenv("DRJIT_CACHE_DIR", raising=False)
    caches._temporary_folder.cache_clear()
    yield folder
    caches._temporary_folder.cache_clear()


def kernel_cache() -> str | None:
    caches.choose_kernel_cache()
    return os.environ.get("DRJIT_CACHE_DIR")


def test_a_home_that_can_be_written_holds_the_kernels(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert kernel_cache() is None


def test_a_users_choice_of_a_kernel_cache_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRJIT_CACHE_DIR", str(tmp_path / "kernels"))
    assert kernel_cache() == str(tmp_path / "kernels")


def test_a_users_choice_that_cannot_be_written_gives_way_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, temporary: Path
) -> None:
    monkeypatch.setenv("DRJIT_CACHE_DIR", str(tmp_path / "home" / "kernels"))
    with pytest.warns(UserWarning, match="DRJIT_CACHE_DIR=.* is not used: it cannot be written"):
        found = kernel_cache()
    assert Path(found or "").is_relative_to(temporary)


def test_a_machine_without_room_for_kernels_is_warned_of(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.warns(UserWarning, match="without a cache, each start compiles anew"):
        kernel_cache()


def test_a_home_that_cannot_be_written_moves_all_caches(temporary: Path) -> None:
    ours = temporary / f"envmap-inverse-{os.getuid()}"
    assert kernel_cache() == str(ours / "drjit")
    assert caches.cache_folder() == ours


def test_a_missing_home_moves_the_kernels(monkeypatch: pytest.MonkeyPatch, temporary: Path) -> None:
    monkeypatch.delenv("HOME")
    assert Path(kernel_cache() or "").is_relative_to(temporary)


def test_the_temporary_folder_is_closed_to_others_and_used_again(temporary: Path) -> None:
    first = caches.cache_folder()
    caches._temporary_folder.cache_clear()
    assert caches.cache_folder() == first
    assert first.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("trap", ["open to all", "a link", "a file"])
def test_what_another_user_may_have_put_there_is_not_used(temporary: Path, trap: str) -> None:
    expected = temporary / f"envmap-inverse-{os.getuid()}"
    if trap == "a file":
        expected.touch()
    elif trap == "a link":
        expected.symlink_to(temporary)
    else:
        expected.mkdir()
        expected.chmod(0o777)
    assert caches.cache_folder() != expected
    assert caches.cache_folder().stat().st_mode & 0o777 == 0o700
