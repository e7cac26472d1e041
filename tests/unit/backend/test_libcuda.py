"""Whether a GPU is used."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from envmap_inverse.backend import caches, libcuda, system_libraries


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An NVIDIA driver's library, whatever there is on the machine, and an empty cache."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    caches._temporary_folder.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("DRJIT_LIBCUDA_PATH", "")  # restored at the end
    monkeypatch.delenv("DRJIT_LIBCUDA_PATH")
    monkeypatch.setattr(system_libraries.ctypes, "CDLL", lambda _: None)
    libcuda.cuda_works.cache_clear()
    yield
    libcuda.cuda_works.cache_clear()


@pytest.fixture
def without_driver(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(system_libraries.ctypes, "CDLL", fail)


@pytest.fixture
def probes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """Faults that the next probes find, in reverse order; each takes one."""
    answers: list[str | None] = []
    monkeypatch.setattr(libcuda, "probe", lambda _: answers.pop())
    return answers


def works_in_a_new_process() -> bool:
    libcuda.cuda_works.cache_clear()
    return libcuda.cuda_works()


def test_a_gpu_that_works_is_remembered(probes: list[str | None]) -> None:
    probes.append(None)
    assert works_in_a_new_process()
    assert works_in_a_new_process()


def test_a_gpu_that_does_not_work_is_tried_again_by_the_next_process(
    probes: list[str | None],
) -> None:
    probes.extend([None, "no OptiX"])
    assert not works_in_a_new_process()
    assert not libcuda.cuda_works()
    assert works_in_a_new_process()


@pytest.mark.parametrize("package", ["drjit", "mitsuba"])
def test_another_version_is_tried_again(
    probes: list[str | None], monkeypatch: pytest.MonkeyPatch, package: str
) -> None:
    probes.extend(["no OptiX", None])
    assert works_in_a_new_process()
    found = libcuda.metadata.version
    monkeypatch.setattr(
        libcuda.metadata, "version", lambda name: "99" if name == package else found(name)
    )
    assert not works_in_a_new_process()


def test_without_a_driver_no_gpu_is_looked_for(
    without_driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(libcuda, "probe", lambda _: pytest.fail("probed"))
    assert not libcuda.cuda_works()


def test_drjit_is_pointed_to_the_driver() -> None:
    libcuda.point_to_libcuda()
    assert os.environ["DRJIT_LIBCUDA_PATH"] == "libcuda.so.1"


def test_a_users_driver_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRJIT_LIBCUDA_PATH", "/mine/libcuda.so")
    libcuda.point_to_libcuda()
    assert os.environ["DRJIT_LIBCUDA_PATH"] == "/mine/libcuda.so"


def test_without_a_driver_drjit_is_not_pointed_anywhere(without_driver: None) -> None:
    libcuda.point_to_libcuda()
    assert "DRJIT_LIBCUDA_PATH" not in os.environ
