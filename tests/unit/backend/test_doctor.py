"""What `doctor` says of machines on which something is missing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import typer

from envmap_inverse import BackendError
from envmap_inverse.backend import LibLLVM, doctor
from envmap_inverse.commands import doctor as command

Examine = Callable[[], dict[str, doctor.Finding]]
LIBRARY = LibLLVM(path=Path("/lib/libLLVM-14.so.1"), origin="system", version=14, problem="old")


def fails(error: Exception) -> Callable[..., Any]:
    def fail(*_: object) -> Any:
        raise error

    return fail


@pytest.fixture
def examine(monkeypatch: pytest.MonkeyPatch) -> Examine:
    """The findings by name, on a machine that has no GPU and one libLLVM that is too old."""
    monkeypatch.setattr(doctor.backend, "find_libllvm", lambda: iter([LIBRARY]))
    monkeypatch.setattr(doctor.backend, "cuda_works", lambda: False)
    return lambda: {finding.name: finding for finding in doctor.examine()}


def test_a_library_that_is_passed_over_is_told_with_the_reason(examine: Examine) -> None:
    found = examine()["libLLVM (system)"]
    assert (found.found, found.remedy) == ("/lib/libLLVM-14.so.1 [LLVM 14]: old", "")


def test_a_missing_package_is_told_with_what_installs_it(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "_PACKAGES", ("numpy", "no-such-package"))
    found = examine()
    assert found["numpy"].remedy == ""
    assert found["no-such-package"].found == "not installed"
    assert found["no-such-package"].remedy == "pip install no-such-package"


def test_a_missing_libatomic_is_told_with_what_installs_it(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = SimpleNamespace(CDLL=fails(OSError("cannot open shared object file")))
    monkeypatch.setattr(doctor, "ctypes", libraries)
    found = examine()["libatomic.so.1"]
    assert found.found == "missing"
    assert "apt-get install libatomic1" in found.remedy


def test_a_machine_without_a_backend_has_its_error_for_a_remedy(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor.backend, "select_variant", fails(BackendError("install LLVM 16")))
    found = examine()
    assert (found["variant"].found, found["variant"].remedy) == ("none works", "install LLVM 16")
    assert "libLLVM in use" not in found


@pytest.mark.parametrize(
    ("variant", "reason"),
    [("llvm_ad_rgb", "no GPU, a libLLVM works"), ("cuda_ad_rgb", "a GPU works")],
)
def test_the_variant_is_told_with_the_reason(
    examine: Examine, monkeypatch: pytest.MonkeyPatch, variant: str, reason: str
) -> None:
    monkeypatch.setattr(doctor.backend, "select_variant", lambda: variant)
    kernels = SimpleNamespace(
        JitBackend=SimpleNamespace(LLVM=1),
        has_backend=lambda _: False,
        opaque=lambda *_: np.ones(16),
    )
    monkeypatch.setattr(doctor, "dr", kernels)
    monkeypatch.setattr(doctor, "mi", SimpleNamespace(Float=float))
    assert examine()["variant"].found == f"{variant} ({reason}; a kernel gave 2)"


def test_a_missing_ffmpeg_is_told_with_what_installs_it(
    examine: Examine, monkeypatch: pytest.MonkeyPatch
) -> None:
    import imageio_ffmpeg

    monkeypatch.setattr(imageio_ffmpeg, "get_ffmpeg_version", fails(RuntimeError("no ffmpeg exe")))
    found = examine()["ffmpeg"]
    assert (found.found, found.remedy) == ("no ffmpeg exe", "pip install imageio-ffmpeg")


def test_the_command_ends_with_what_is_missing(
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
        "python                3.11",
        "scipy                 not installed",
        "missing: scipy: pip install scipy",
    ]
