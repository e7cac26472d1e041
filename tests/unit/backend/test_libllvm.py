"""Which libLLVM is chosen."""

from __future__ import annotations

import json
import os
import subprocess
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from envmap_inverse.backend import caches, libllvm

RunPython = Callable[..., subprocess.CompletedProcess[str]]
Install = Callable[..., list[Path]]

wheel_library = libllvm._wheel_library


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel, no system library, nothing chosen, an empty cache, an empty temporary folder."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    caches._temporary_folder.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DRJIT_LIBLLVM_PATH", raising=False)
    monkeypatch.setattr(libllvm, "_SYSTEM_GLOBS", (f"{tmp_path}/lib/*LLVM*",))
    monkeypatch.setattr(libllvm, "_wheel_library", lambda: None)


@pytest.fixture
def install(tmp_path: Path) -> Install:
    """Puts empty files into the folder where system libraries are looked for."""

    def put(*names: str) -> list[Path]:
        (tmp_path / "lib").mkdir(exist_ok=True)
        paths = [tmp_path / "lib" / name for name in names]
        for path in paths:
            path.touch()
        return paths

    return put


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the libraries that were probed; all of them work."""
    names: list[str] = []

    def probe(_code: str, **environment: str) -> None:
        names.append(Path(environment["DRJIT_LIBLLVM_PATH"]).name)

    monkeypatch.setattr(libllvm, "probe", probe)
    return names


@pytest.mark.parametrize(
    ("name", "version"),
    [
        ("libLLVM-14.so.1", 14),
        ("libLLVM-14.so", 14),
        ("libLLVM-15.0.6.so", 15),
        ("libLLVM.so.19.1", 19),
        ("libLLVM.so.23.1", 23),
        ("libLLVM-9.so.1", 9),
        ("libLLVM-100.so", 100),
        ("libLLVM.so", None),
        ("libLLVM.dylib", None),
    ],
)
def test_the_version_is_read_off_the_file_name(
    install: Install, probed: list[str], name: str, version: int | None
) -> None:
    install(name)
    assert [library.version for library in libllvm.find_libllvm()] == [version]


def test_the_version_of_a_link_is_that_of_its_target(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (target,) = install("libLLVM-18.so.1")
    link = tmp_path / "chosen.so"
    link.symlink_to(target)
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(link))
    assert next(libllvm.find_libllvm()).version == 18


def test_system_libraries_are_tried_newest_first_as_numbers(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-9.so.1", "libLLVM-19.so.1", "libLLVM.so.100.1", "libLLVM-17.so", "libLLVM.so")
    found = [library.version for library in libllvm.find_libllvm()]
    assert found == [100, 19, 17, 9, None]


def test_links_to_one_library_are_one_candidate(install: Install, probed: list[str]) -> None:
    (target,) = install("libLLVM-19.so.1")
    (target.parent / "libLLVM-19.so").symlink_to(target)
    (target.parent / "libLLVM.so").symlink_to(target)
    assert [library.path for library in libllvm.find_libllvm()] == [target]


def test_the_users_choice_comes_before_the_wheel_and_the_wheel_before_the_system(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, wheel = tmp_path / "mine.so", tmp_path / "libLLVM.so.20.1"
    mine.touch()
    wheel.touch()
    install("libLLVM-30.so")
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(mine))
    monkeypatch.setattr(libllvm, "_wheel_library", lambda: wheel)
    monkeypatch.setattr(libllvm, "_preload_libcxx", lambda _: None)
    origins = [library.origin for library in libllvm.find_libllvm()]
    assert origins == ["DRJIT_LIBLLVM_PATH", "wheel", "system"]


@pytest.mark.parametrize("version", [3, 14, 15, 16])
def test_a_library_that_would_abort_is_never_probed_nor_chosen(
    install: Install, probed: list[str], version: int
) -> None:
    install(f"libLLVM-{version}.so.1")
    assert libllvm.point_to_libllvm() is None
    assert probed == []
    assert os.environ["DRJIT_LIBLLVM_PATH"] == os.devnull


@pytest.mark.parametrize("version", [14, 16])
def test_a_library_that_would_abort_is_passed_over_for_a_newer_one(
    install: Install, probed: list[str], version: int
) -> None:
    _, good = install(f"libLLVM-{version}.so.1", "libLLVM-17.so.1")
    chosen = libllvm.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good
    assert os.environ["DRJIT_LIBLLVM_PATH"] == str(good)


def test_a_library_that_fails_its_probe_is_passed_over_for_an_older_one(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken, good = install("libLLVM-40.so.1", "libLLVM-17.so.1")

    def probe(_code: str, **environment: str) -> str | None:
        is_broken = environment["DRJIT_LIBLLVM_PATH"] == str(broken)
        return "a test kernel ended with signal 6" if is_broken else None

    monkeypatch.setattr(libllvm, "probe", probe)
    problems = [library.problem for library in libllvm.find_libllvm()]
    assert problems == ["a test kernel ended with signal 6", None]
    chosen = libllvm.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


def test_a_users_choice_that_works_is_used(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-30.so")
    mine = tmp_path / "mine.so"
    mine.touch()
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(mine))
    chosen = libllvm.point_to_libllvm()
    assert chosen is not None
    assert (chosen.path, probed) == (mine, ["mine.so"])


def test_a_users_choice_outlives_the_import_of_the_package(
    tmp_path: Path, run_python: RunPython
) -> None:
    library = tmp_path / "mine.so"
    find_wheel = "from envmap_inverse.backend import libllvm; print(libllvm._wheel_library() or '')"
    wheel = run_python(find_wheel).stdout.strip()
    if not wheel:
        pytest.skip("no libLLVM wheel is installed to choose a link to")
    library.symlink_to(wheel)
    code = (
        "from envmap_inverse.backend import mi, select_variant\n"
        "import os\n"
        "select_variant('llvm_ad_rgb')\n"
        "print(os.environ['DRJIT_LIBLLVM_PATH'])"
    )
    done = run_python(code, DRJIT_LIBLLVM_PATH=str(library))
    assert done.stdout.strip() == str(library), done.stderr


def test_a_users_choice_that_does_not_exist_is_warned_of_and_passed_over(
    install: Install, probed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (good,) = install("libLLVM-19.so.1")
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", "/nowhere/libLLVM.so")
    with pytest.warns(RuntimeWarning, match=r"/nowhere/libLLVM\.so is not used \(no such file\)"):
        chosen = libllvm.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


def test_a_users_choice_that_is_too_old_is_warned_of_in_a_whole_program(
    run_python: RunPython,
) -> None:
    code = (
        "from envmap_inverse.backend import dr, select_variant\n"
        "print(select_variant('llvm_ad_rgb'), dr.detail.llvm_version()[0] >= 17)"
    )
    done = run_python(code, DRJIT_LIBLLVM_PATH="/nowhere/libLLVM-14.so.1")
    assert done.stdout.split() == ["llvm_ad_rgb", "True"]
    assert "DRJIT_LIBLLVM_PATH=/nowhere/libLLVM-14.so.1 is not used" in done.stderr


def test_a_file_that_is_no_library_fails_its_probe(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "libLLVM.so").write_text("not a library")
    (library,) = libllvm.find_libllvm()
    assert library.problem is not None
    assert "test kernel" in library.problem
    assert "\n" not in library.problem


def test_without_probing_an_unknown_library_is_not_used_and_nothing_changes(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-19.so.1")
    assert libllvm.point_to_libllvm(probing=False) is None
    assert probed == []
    assert "DRJIT_LIBLLVM_PATH" not in os.environ


def test_without_probing_an_unknown_choice_of_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libLLVM-19.so").touch()
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(tmp_path / "libLLVM-19.so"))
    assert libllvm.point_to_libllvm(probing=False) is None
    assert os.environ["DRJIT_LIBLLVM_PATH"] == str(tmp_path / "libLLVM-19.so")


def test_the_answer_of_a_probe_is_remembered(install: Install, probed: list[str]) -> None:
    install("libLLVM-19.so.1")
    assert [library.problem for library in libllvm.find_libllvm()] == [None]
    assert [library.problem for library in libllvm.find_libllvm()] == [None]
    assert probed == ["libLLVM-19.so.1"]
    assert caches.cache_folder().is_dir()


def test_a_failed_probe_is_remembered_too(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["broken"])
    monkeypatch.setattr(libllvm, "probe", lambda _, **__: next(answers))
    install("libLLVM-19.so.1")
    assert [library.problem for library in libllvm.find_libllvm()] == ["broken"]
    assert [library.problem for library in libllvm.find_libllvm()] == ["broken"]


def test_a_replaced_library_is_probed_again(install: Install, probed: list[str]) -> None:
    (path,) = install("libLLVM-19.so.1")
    list(libllvm.find_libllvm())
    path.write_text("another build")
    list(libllvm.find_libllvm())
    assert len(probed) == 2


def test_answers_about_several_libraries_are_remembered_side_by_side(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-19.so.1", "libLLVM-18.so.1")
    list(libllvm.find_libllvm())
    list(libllvm.find_libllvm())
    assert sorted(probed) == ["libLLVM-18.so.1", "libLLVM-19.so.1"]


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"x"', "null"])
def test_a_damaged_cache_is_replaced(install: Install, probed: list[str], content: str) -> None:
    install("libLLVM-19.so.1")
    folder = caches.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probes.json").write_text(content)
    list(libllvm.find_libllvm())
    list(libllvm.find_libllvm())
    assert len(probed) == 1
    assert isinstance(json.loads((folder / "probes.json").read_text()), dict)
    assert [file.name for file in folder.iterdir()] == ["probes.json"]


def test_a_cache_that_cannot_be_written_is_kept_in_a_temporary_folder(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-19.so.1")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [library.problem for library in libllvm.find_libllvm()] == [None]
    assert [library.problem for library in libllvm.find_libllvm()] == [None]
    assert len(probed) == 1
    assert caches.cache_folder().parent == tmp_path / "temporary"


def test_the_wheels_library_is_used_without_a_probe(
    probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "libLLVM.so.23.1"
    wheel.touch()
    monkeypatch.setattr(libllvm, "_wheel_library", lambda: wheel)
    monkeypatch.setattr(libllvm, "_preload_libcxx", lambda _: None)
    chosen = libllvm.point_to_libllvm(probing=False)
    assert chosen is not None
    assert (chosen.path, chosen.origin, chosen.version, probed) == (wheel, "wheel", 23, [])


def test_a_wheel_without_its_cxx_runtime_is_passed_over(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "wheel" / "libLLVM.so.23.1"
    wheel.parent.mkdir()
    wheel.touch()
    (good,) = install("libLLVM-19.so.1")
    monkeypatch.setattr(libllvm, "_wheel_library", lambda: wheel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = libllvm.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


def test_without_a_library_that_mitsuba_needs_no_probe_is_run_and_remembered(
    install: Install, probed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-19.so.1")
    monkeypatch.setattr(libllvm, "missing_libraries", lambda: ["libatomic.so.1"])
    assert [library.problem for library in libllvm.find_libllvm()] == [libllvm.NOT_PROBED]
    monkeypatch.setattr(libllvm, "missing_libraries", list)
    assert [library.problem for library in libllvm.find_libllvm()] == [None]


@pytest.mark.parametrize(
    ("files", "found"),
    [
        (None, None),
        ([], None),
        (["llvm/libLLVMCore.so.23.1"], None),
        (["llvm/libLLVM.so.23.1"], "llvm/libLLVM.so.23.1"),
        (["gone/libLLVM.so.23.1"], None),
    ],
)
def test_the_wheel_is_asked_for_its_library(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: list[str] | None, found: str | None
) -> None:
    (tmp_path / "llvm").mkdir()
    for name in ("libLLVMCore.so.23.1", "libLLVM.so.23.1"):
        (tmp_path / "llvm" / name).touch()

    def distribution(name: str) -> SimpleNamespace:
        assert name == libllvm.LLVM_WHEEL
        if files is None:
            raise libllvm.metadata.PackageNotFoundError(name)
        paths = [tmp_path / file for file in files]
        return SimpleNamespace(
            files=[SimpleNamespace(name=path.name, locate=lambda path=path: path) for path in paths]
        )

    monkeypatch.setattr(libllvm.metadata, "distribution", distribution)
    assert wheel_library() == (tmp_path / found if found else None)
