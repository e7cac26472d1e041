from __future__ import annotations

import errno
import os
import re
from io import FileIO
from pathlib import Path

import pytest

from envmap_inverse.writing import append_line, temporary_name, unfinished_files, write_bytes


class FullDisk(FileIO):
    """A file that takes a few bytes more, and then none."""

    room = 4

    def write(self, data: bytes) -> int:  # type: ignore[override]
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        taken = super().write(data[: self.room])
        self.room -= taken
        return taken


@pytest.mark.parametrize("room", [0, 4])
def test_a_line_that_does_not_fit_leaves_nothing_behind(tmp_path: Path, room: int) -> None:
    path = tmp_path / "lines"
    path.write_text("first\n")
    with FullDisk(path, "r+") as file:
        file.seek(0, os.SEEK_END)
        file.room = room
        with pytest.raises(OSError, match=rf"No space left.*{path}"):
            append_line(file, "second")
        assert path.read_text() == "first\n"
        file.room = 100
        append_line(file, "third")
    assert path.read_text() == "first\nthird\n"


def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as raised:
        write_bytes(tmp_path / "missing" / "a", b"x")
    assert raised.value.filename == str(tmp_path / "missing" / "a")


def test_what_a_killed_process_left_is_found_by_the_name_it_was_to_have(tmp_path: Path) -> None:
    left = temporary_name(tmp_path / "map.exr")
    left.touch()
    for name in (".other.exr.abcdefgh", ".map.exr", "map.exr", ".lock"):
        (tmp_path / name).touch()
    assert unfinished_files(tmp_path, re.compile(r"map\.exr")) == [left]
