from __future__ import annotations

import resource
from pathlib import Path

import pytest

from envmap_inverse.system import memory as resources
from envmap_inverse.system.memory import free_memory


@pytest.fixture
def container(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A control group of 1000 MiB, of which 600 are in use, 100 of them for files."""
    mebibyte = 2**20
    (tmp_path / "memory.max").write_text(f"{1000 * mebibyte}\n")
    (tmp_path / "memory.current").write_text(f"{600 * mebibyte}\n")
    (tmp_path / "memory.stat").write_text(f"anon 5\ninactive_file {100 * mebibyte}\n")
    monkeypatch.setattr(resources, "_CGROUP", tmp_path)
    return tmp_path


def test_free_memory_is_that_of_the_container(container: Path) -> None:
    assert free_memory() == 500 * 2**20


@pytest.mark.parametrize("limit", [resource.RLIMIT_AS, resource.RLIMIT_DATA])
def test_a_limit_of_the_process_counts(limit: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of `ulimit -v` or `-d`; the test process has itself taken some of it."""

    def getrlimit(asked: int) -> tuple[int, int]:
        soft = 2**50 if asked == limit else resource.RLIM_INFINITY
        return soft, resource.RLIM_INFINITY

    monkeypatch.setattr(resources, "_free_on_machine", lambda: 2**60)
    monkeypatch.setattr(resource, "getrlimit", getrlimit)
    assert 2**50 - 2**46 < free_memory() < 2**50


@pytest.mark.parametrize("limit", ["max\n", None])
def test_without_a_limit_free_memory_is_that_of_the_machine(
    container: Path, limit: str | None
) -> None:
    if limit is None:
        (container / "memory.max").unlink()
    else:
        (container / "memory.max").write_text(limit)
    total = int(Path("/proc/meminfo").read_text().split()[1]) * 1024
    assert 0 < free_memory() <= total


def test_where_nothing_can_be_read_two_gibibytes_count_as_free(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(path: Path) -> str:
        raise FileNotFoundError(path)

    monkeypatch.setattr(Path, "read_text", fail)
    assert free_memory() == 2**31
