from __future__ import annotations

import errno
import os
import re
import tempfile
from io import FileIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envmap_inverse.system.writing import append_line, temporary_name, unfinished_files, write_bytes


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


@settings(max_examples=25)
@given(lines=st.lists(st.tuples(st.text("aé\u20ac", max_size=9), st.integers(0, 30)), max_size=8))
def test_a_file_of_lines_holds_those_that_were_taken_whole(
    tmp_path: Path, lines: list[tuple[str, int]]
) -> None:
    """However much room there is for each of them."""
    path, taken = tmp_path / "lines", ""
    with FullDisk(path, "w") as file:
        for line, room in lines:
            file.room = room
            try:
                append_line(file, line)
                taken += f"{line}\n"
            except OSError:
                assert len(f"{line}\n".encode()) > room
            assert path.read_text(encoding="utf-8") == taken


characters = st.characters(codec="utf-8", exclude_characters="/\0")
file_names = st.text(characters, min_size=1, max_size=20).filter(lambda n: n not in {".", ".."})


@settings(max_examples=25)
@given(name=file_names, data=st.binary())
def test_what_is_written_stands_alone_under_its_name(name: str, data: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        write_bytes(path, data, sync=False)
        assert list(Path(folder).iterdir()) == [path]
        assert path.read_bytes() == data


short_names = st.text("ab.", min_size=1, max_size=5).map("c{}".format)


@settings(max_examples=25)
@given(name=short_names, other=short_names)
def test_an_unfinished_file_is_known_by_the_whole_of_its_name(name: str, other: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        left = temporary_name(Path(folder, name))
        left.touch()
        found = unfinished_files(Path(folder), re.compile(re.escape(other)))
        assert found == ([left] if other == name else [])


def test_a_device_or_a_pipe_is_not_replaced(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match=f"is a device or a pipe; name a file: '{tmp_path}/pipe'"):
        write_bytes(tmp_path / "pipe", b"page")
    assert (tmp_path / "pipe").is_fifo()
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"]
