"""Reports of `doctor` on machines that lack something."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer
from like_cupy import LIKE_CUPY

from envmap_inverse.backend import doctor
from envmap_inverse.backend.libllvm import LibLLVM
from envmap_inverse.commands import doctor as command

Examine = Callable[[], dict[str, doctor.Finding]]
LIBRARY = LibLLVM(path=Path("/lib/libLLVM-14.so.1"), origin="system", version=14, problem="old")


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.fixture
def answer() -> dict[str, Any]:
    """The answer of the child process that tries a variant; tests change it."""
    return {"variant": "llvm_ad_rgb", "sum": 2.0}


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch, answer: dict[str, Any]) -> Examine:
    """The findings by name, on a machine that has no GPU and one libLLVM that is too old."""
    monkeypatch.setattr(doctor, "find_libllvm", lambda: iter([LIBRARY]))
    monkeypatch.setattr(doctor, "cuda_works", lambda: False)
    monkeypatch.setattr(doctor, "_try_variant", lambda: answer)
    return lambda: {finding.name: finding for finding in doctor.examine()}


def test_a_library_that_is_passed_over_is_told_with_the_reason(examine: Examine) -> None:
    found = examine()["libLLVM (system)"]
    assert (found.found, found.remedy) == ("/lib/libLLVM-14.so.1 [LLVM 14]: old", "")


def test_a_package_that_is_missing_or_of_another_version_is_told_with_what_installs_it(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    demands = ["no-such-package>=2", "numpy<1.0", "scipy>1", "flip>1; extra == 'flip'"]
    monkeypatch.setattr(doctor.metadata, "requires", lambda name: demands * (name == "mitsuba"))
    found = examine()
    assert found["no-such-package"].found == "not installed"
    assert found["no-such-package"].remedy == "pip install 'no-such-package>=2'"
    assert found["numpy"].found == f"{np.__version__}, but mitsuba needs <1.0"
    assert found["numpy"].remedy == "pip install 'numpy<1.0'"
    assert found["scipy"].remedy == ""
    assert "flip" not in found


def test_the_packages_are_those_that_the_wheels_demand(examine: Examine) -> None:
    found = examine()
    assert {"mitsuba", "drjit", "numpy", "OpenEXR".lower(), "typer"} <= {n.lower() for n in found}
    assert "pytest" not in found  # demanded by an extra


def test_a_python_that_is_too_old_is_told(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.platform, "python_version", lambda: "3.9.2")
    assert examine()["python"].remedy == "install Python >=3.11"


def test_a_missing_system_library_is_told_with_what_installs_it_and_ends_no_look(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "is_missing", "libatomic.so.1".__eq__)
    found = examine()
    assert found["libatomic.so.1"].found == "missing"
    assert found["libatomic.so.1"].remedy.startswith("install it with 'apt-get install libatomic1'")
    assert found["libz.so.1"].found == "present"
    assert found["variant"].found == "not tried: a system library is missing"
    assert "ffmpeg" in found


@pytest.mark.parametrize(
    ("name", "function", "remedy"),
    [("memory", "free_memory", "end other programs"), ("disk", "shutil", "make room on the disk")],
)
def test_a_lack_of_memory_or_disk_is_told(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, name: str, function: str, remedy: str
) -> None:
    monkeypatch.setattr(doctor, "free_memory", lambda: 2**20)
    full = SimpleNamespace(disk_usage=lambda _: SimpleNamespace(free=2**20))
    monkeypatch.setattr(doctor, "shutil", full)
    found = examine()[name]
    assert found.found.startswith("0.000977 GiB free")
    assert found.remedy.startswith(remedy)


@pytest.mark.parametrize(
    "look", ["_python", "_packages", "_disk", "_libllvm", "_variant", "_ffmpeg"]
)
def test_whatever_one_look_raises_the_others_are_taken(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, look: str
) -> None:
    whole = examine()
    monkeypatch.setattr(doctor, look, fails(NameError("no name\nis defined")))
    found = examine()
    (failed,) = (f for f in found.values() if f.found == "failed (NameError: no name is defined)")
    assert "new environment" in failed.remedy
    assert {"envmap_inverse", "memory", "kernel cache"} <= set(found) & set(whole)


def test_a_machine_without_a_backend_has_its_error_for_a_remedy(
    examine: Examine, answer: dict[str, Any]
) -> None:
    answer["problem"] = "install LLVM 16"
    found = examine()
    assert (found["variant"].found, found["variant"].remedy) == ("none works", "install LLVM 16")
    assert "libLLVM in use" not in found


@pytest.mark.parametrize(
    ("variant", "reason"),
    [("llvm_ad_rgb", "no GPU, a libLLVM works"), ("cuda_ad_rgb", "a GPU works")],
)
def test_the_variant_is_told_with_the_reason(
    examine: Examine, answer: dict[str, Any], variant: str, reason: str
) -> None:
    answer["variant"] = variant
    assert examine()["variant"].found == f"{variant} ({reason}; a kernel gave 2)"


@pytest.mark.parametrize(
    ("library", "words"), [(LIKE_CUPY, "works"), (None, r"pip install 'envmap-inverse\[cuda\]'")]
)
def test_beside_a_gpu_it_is_told_whether_cupy_works(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, library: object, words: str
) -> None:
    monkeypatch.setattr(doctor, "cuda_works", lambda: True)
    monkeypatch.setattr(doctor, "cupy_library", lambda: library)
    finding = examine()["CuPy"]
    assert re.search(words, finding.found)
    assert not finding.remedy


def test_a_variant_is_tried_in_a_child_process() -> None:
    answer = doctor._try_variant()
    assert answer["sum"] == 2
    assert answer["variant"] in {"llvm_ad_rgb", "cuda_ad_rgb"}


@pytest.mark.parametrize(
    ("code", "problem"),
    [
        ("import os; os.abort()", "a test kernel ended with signal 6; install"),
        ("raise NameError('no luck')", "a test kernel failed: NameError: no luck; install"),
    ],
)
def test_a_backend_that_ends_its_process_is_a_finding(
    monkeypatch: pytest.MonkeyPatch, code: str, problem: str
) -> None:
    monkeypatch.setattr(doctor, "_TRY_VARIANT", code)
    assert doctor._try_variant()["problem"].startswith(problem)


def test_a_missing_ffmpeg_is_told_with_what_installs_it(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_version", fails(RuntimeError("no ffmpeg exe")))
    found = examine()["ffmpeg"]
    assert found.found == "no ffmpeg exe"
    assert found.remedy == "pip install --force-reinstall imageio-ffmpeg"


def test_the_command_begins_and_ends_with_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    findings = [
        doctor.Finding(name="python", found="3.11"),
        doctor.Finding(name="scipy", found="not installed", remedy="pip install scipy"),
    ]
    monkeypatch.setattr(command, "examine", lambda: findings)
    with pytest.raises(typer.Exit) as end:
        command.doctor()
    assert end.value.exit_code == 1
    assert capsys.readouterr().out.splitlines() == [
        "missing: scipy: pip install scipy",
        "",
        "python                3.11",
        "scipy                 not installed",
        "",
        "missing: scipy: pip install scipy",
    ]
