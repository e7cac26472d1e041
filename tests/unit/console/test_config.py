"""The option --config."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from envmap_inverse.console.config import read_config
from envmap_inverse.errors import InputError


@pytest.fixture
def context() -> Any:
    command = SimpleNamespace(params=[SimpleNamespace(name="iterations")])
    return SimpleNamespace(command=command, default_map=None)


def test_values_of_a_file_become_defaults(context: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.toml"
    path.write_text("iterations = 3")
    read_config(context, path)
    assert context.default_map == {"iterations": 3}


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"iterations = ", "not TOML"),
        (b"iterations = " + 5000 * b"9", "a number has more than 4300 digits"),
        (b"x = " + 5000 * b"[", "nested too deep"),
        (b'iterations = "a\\u0000b"', "a text has a NUL character"),
        (b"\xff", "not TOML: 'utf-8'"),
    ],
    ids=["cut", "long number", "deep", "NUL", "not UTF-8"],
)
def test_a_file_that_cannot_be_used_is_refused(
    context: Any, tmp_path: Path, data: bytes, reason: str
) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(data)
    with pytest.raises(InputError, match=rf"--config {path}: .*{reason}"):
        read_config(context, path)


def test_a_pipe_or_a_device_is_refused_unread(context: Any, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", Path("/dev/zero"), tmp_path):
        with pytest.raises(InputError, match="is a folder or a device; name a TOML file"):
            read_config(context, path)
