from __future__ import annotations

import os
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from numpy.typing import NDArray

from envmap_inverse import InputError
from envmap_inverse.images import (
    write_bytes,
    write_image,
)

WRITABLE = ["exr", "hdr", "npy", "png", "jpg", "jpeg"]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_hdr_refuses_what_it_cannot_hold(tmp_path: Path, value: float) -> None:
    with pytest.raises(InputError, match="write EXR"):
        write_image(tmp_path / "a.hdr", np.full((4, 4, 3), value))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("suffix", WRITABLE)
def test_writing_leaves_one_file_and_nothing_else(
    tmp_path: Path, suffix: str, image: NDArray[np.float32]
) -> None:
    write_image(tmp_path / f"a.{suffix}", image)
    write_image(tmp_path / f"a.{suffix}", image)
    assert [path.name for path in tmp_path.iterdir()] == [f"a.{suffix}"]


@pytest.mark.parametrize("name", ["a.gif", "a.tiff", "a"])
def test_writing_an_unknown_kind_is_refused_with_the_known_ones(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"unknown kind of image; use one of \.exr, \.hdr, \.png"):
        write_image(tmp_path / name, np.ones((2, 2, 3)))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_failed_write_leaves_the_old_file_and_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    def fail(*_: object, **__: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    path = tmp_path / "a.bin"
    write_bytes(path, b"old")
    monkeypatch.setattr(os if failing == "fsync" else Path, failing, fail)
    with pytest.raises(OSError, match="No space left"):
        write_bytes(path, b"new")
    assert [file.name for file in tmp_path.iterdir()] == ["a.bin"]
    assert path.read_bytes() == b"old"


def test_written_files_have_the_permissions_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").touch()
    write_bytes(tmp_path / "ours", b"x")
    assert (tmp_path / "ours").stat().st_mode == (tmp_path / "plain").stat().st_mode
