from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from envmap_inverse import backend
from envmap_inverse.backend import caches

Install = Callable[..., list[Path]]

wheel_library = backend._wheel_library


@pytest.fixture(autouse=True)
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No wheel, no system library, nothing chosen, an empty cache, an empty temporary folder."""
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    caches._temporary_folder.cache_clear()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("DRJIT_LIBLLVM_PATH", raising=False)
    monkeypatch.setattr(backend, "_SYSTEM_GLOBS", (f"{tmp_path}/lib/*LLVM*",))
    monkeypatch.setattr(backend, "_wheel_library", lambda: None)


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

    monkeypatch.setattr(backend, "_probe", probe)
    return names


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    inherited = {k: v for k, v in os.environ.items() if k != "DRJIT_LIBLLVM_PATH"}
    return subprocess.run(
        [sys.executable, "-c", code],
        env={**inherited, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


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
    assert [library.version for library in backend.find_libllvm()] == [version]


def test_the_version_of_a_link_is_that_of_its_target(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (target,) = install("libLLVM-18.so.1")
    link = tmp_path / "chosen.so"
    link.symlink_to(target)
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(link))
    assert next(backend.find_libllvm()).version == 18


def test_system_libraries_are_tried_newest_first_as_numbers(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-9.so.1", "libLLVM-19.so.1", "libLLVM.so.100.1", "libLLVM-17.so", "libLLVM.so")
    found = [library.version for library in backend.find_libllvm()]
    assert found == [100, 19, 17, 9, None]


def test_links_to_one_library_are_one_candidate(install: Install, probed: list[str]) -> None:
    (target,) = install("libLLVM-19.so.1")
    (target.parent / "libLLVM-19.so").symlink_to(target)
    (target.parent / "libLLVM.so").symlink_to(target)
    assert [library.path for library in backend.find_libllvm()] == [target]


def test_the_users_choice_comes_before_the_wheel_and_the_wheel_before_the_system(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mine, wheel = tmp_path / "mine.so", tmp_path / "libLLVM.so.20.1"
    mine.touch()
    wheel.touch()
    install("libLLVM-30.so")
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(mine))
    monkeypatch.setattr(backend, "_wheel_library", lambda: wheel)
    monkeypatch.setattr(backend, "_preload_libcxx", lambda _: None)
    origins = [library.origin for library in backend.find_libllvm()]
    assert origins == ["DRJIT_LIBLLVM_PATH", "wheel", "system"]


@pytest.mark.parametrize("version", [3, 14, 15, 16])
def test_a_library_that_would_abort_is_never_probed_nor_chosen(
    install: Install, probed: list[str], version: int
) -> None:
    install(f"libLLVM-{version}.so.1")
    assert backend.point_to_libllvm() is None
    assert probed == []
    assert os.environ["DRJIT_LIBLLVM_PATH"] == os.devnull


@pytest.mark.parametrize("version", [14, 16])
def test_a_library_that_would_abort_is_passed_over_for_a_newer_one(
    install: Install, probed: list[str], version: int
) -> None:
    _, good = install(f"libLLVM-{version}.so.1", "libLLVM-17.so.1")
    chosen = backend.point_to_libllvm()
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

    monkeypatch.setattr(backend, "_probe", probe)
    problems = [library.problem for library in backend.find_libllvm()]
    assert problems == ["a test kernel ended with signal 6", None]
    chosen = backend.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


def test_a_users_choice_that_works_is_used(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-30.so")
    mine = tmp_path / "mine.so"
    mine.touch()
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(mine))
    chosen = backend.point_to_libllvm()
    assert chosen is not None
    assert (chosen.path, probed) == (mine, ["mine.so"])


def test_a_users_choice_outlives_the_import_of_the_package(tmp_path: Path) -> None:
    library = tmp_path / "mine.so"
    find_wheel = "from envmap_inverse import backend; print(backend._wheel_library() or '')"
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
        chosen = backend.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


def test_a_users_choice_that_is_too_old_is_warned_of_in_a_whole_program() -> None:
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
    (library,) = backend.find_libllvm()
    assert library.problem is not None
    assert "test kernel" in library.problem
    assert "\n" not in library.problem


def test_a_probe_tells_the_signal_that_ended_it() -> None:
    problem = backend._probe("import os; os.abort()")
    assert problem == "a test kernel ended with signal 6"


def test_a_probe_tells_the_last_line_of_an_error() -> None:
    problem = backend._probe("raise ValueError('no luck')")
    assert problem == "a test kernel failed: ValueError: no luck"


def test_without_probing_an_unknown_library_is_not_used_and_nothing_changes(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-19.so.1")
    assert backend.point_to_libllvm(probing=False) is None
    assert probed == []
    assert "DRJIT_LIBLLVM_PATH" not in os.environ


def test_without_probing_an_unknown_choice_of_the_user_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "libLLVM-19.so").touch()
    monkeypatch.setenv("DRJIT_LIBLLVM_PATH", str(tmp_path / "libLLVM-19.so"))
    assert backend.point_to_libllvm(probing=False) is None
    assert os.environ["DRJIT_LIBLLVM_PATH"] == str(tmp_path / "libLLVM-19.so")


def test_the_answer_of_a_probe_is_remembered(install: Install, probed: list[str]) -> None:
    install("libLLVM-19.so.1")
    assert [library.problem for library in backend.find_libllvm()] == [None]
    assert [library.problem for library in backend.find_libllvm()] == [None]
    assert probed == ["libLLVM-19.so.1"]
    assert caches.cache_folder().is_dir()


def test_a_failed_probe_is_remembered_too(
    install: Install, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = iter(["broken"])
    monkeypatch.setattr(backend, "_probe", lambda _, **__: next(answers))
    install("libLLVM-19.so.1")
    assert [library.problem for library in backend.find_libllvm()] == ["broken"]
    assert [library.problem for library in backend.find_libllvm()] == ["broken"]


def test_a_replaced_library_is_probed_again(install: Install, probed: list[str]) -> None:
    (path,) = install("libLLVM-19.so.1")
    list(backend.find_libllvm())
    path.write_text("another build")
    list(backend.find_libllvm())
    assert len(probed) == 2


def test_answers_about_several_libraries_are_remembered_side_by_side(
    install: Install, probed: list[str]
) -> None:
    install("libLLVM-19.so.1", "libLLVM-18.so.1")
    list(backend.find_libllvm())
    list(backend.find_libllvm())
    assert sorted(probed) == ["libLLVM-18.so.1", "libLLVM-19.so.1"]


@pytest.mark.parametrize("content", ["", "{", "[]", "3", '"x"', "null"])
def test_a_damaged_cache_is_replaced(install: Install, probed: list[str], content: str) -> None:
    install("libLLVM-19.so.1")
    folder = caches.cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "probes.json").write_text(content)
    list(backend.find_libllvm())
    list(backend.find_libllvm())
    assert len(probed) == 1
    assert isinstance(json.loads((folder / "probes.json").read_text()), dict)
    assert [file.name for file in folder.iterdir()] == ["probes.json"]


def test_a_cache_that_cannot_be_written_is_kept_in_a_temporary_folder(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-19.so.1")
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert [library.problem for library in backend.find_libllvm()] == [None]
    assert [library.problem for library in backend.find_libllvm()] == [None]
    assert len(probed) == 1
    assert caches.cache_folder().parent == tmp_path / "temporary"


def test_the_wheels_library_is_used_without_a_probe(
    probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "libLLVM.so.23.1"
    wheel.touch()
    monkeypatch.setattr(backend, "_wheel_library", lambda: wheel)
    monkeypatch.setattr(backend, "_preload_libcxx", lambda _: None)
    chosen = backend.point_to_libllvm(probing=False)
    assert chosen is not None
    assert (chosen.path, chosen.origin, chosen.version, probed) == (wheel, "wheel", 23, [])


def test_a_wheel_without_its_cxx_runtime_is_passed_over(
    install: Install, probed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheel = tmp_path / "wheel" / "libLLVM.so.23.1"
    wheel.parent.mkdir()
    wheel.touch()
    (good,) = install("libLLVM-19.so.1")
    monkeypatch.setattr(backend, "_wheel_library", lambda: wheel)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        chosen = backend.point_to_libllvm()
    assert chosen is not None
    assert chosen.path == good


NOTHING_FOUND = """
from envmap_inverse import backend
from envmap_inverse.backend import caches
backend.find_libllvm = lambda **_: iter(())
backend.cuda_works = lambda: False
"""


def test_a_machine_without_a_usable_library_gets_one_clear_error() -> None:
    code = f"""{NOTHING_FOUND}
import envmap_inverse as ei
try:
    ei.load_scene({{"type": "scene"}})
except ei.BackendError as error:
    print(error)
"""
    done = run_python(code)
    assert done.returncode == 0, done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("no usable libLLVM (found: none)")
    assert "pip install karellen-llvm-core" in line


def test_the_command_line_of_such_a_machine_ends_with_one_line() -> None:
    code = f"""{NOTHING_FOUND}
import sys
from envmap_inverse.bundled import bunny
from envmap_inverse.cli import main
sys.argv = ["envmap-inverse", "params", str(bunny())]
main()
"""
    done = run_python(code)
    assert (done.returncode, done.stdout) == (1, "")
    errors = [line for line in done.stderr.splitlines() if line.startswith("error:")]
    assert len(errors) == 1
    assert "no usable libLLVM" in errors[0]
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("then", ["", "; mitsuba.set_variant(VARIANT)"])
def test_a_program_that_imports_mitsuba_first_never_aborts(then: str) -> None:
    code = f"""
VARIANT = "llvm_ad_rgb"
import mitsuba{then}
import numpy as np
import envmap_inverse as ei
from envmap_inverse.backend import mi, select_variant
try:
    select_variant(VARIANT)
    film = {{"type": "hdrfilm", "width": 4, "height": 4, "pixel_format": "rgb"}}
    envmap = {{"type": "envmap", "bitmap": mi.Bitmap(np.ones((4, 8, 3), np.float32))}}
    sensor = {{"type": "perspective", "film": film}}
    described = {{"type": "scene", "sensor": sensor, "envmap": envmap}}
    scene = ei.load_scene({{**described, "integrator": {{"type": "path"}}}})
    print("rendered", ei.render(scene, spp=1).mean())
except ei.BackendError as error:
    print("refused:", error)
"""
    done = run_python(code)
    if "LLVM backend is inactive" in done.stderr:
        pytest.skip("Mitsuba by itself finds no LLVM here")
    assert done.returncode == 0, f"{done.returncode}: {done.stderr[-300:]}"
    (line,) = done.stdout.splitlines()
    assert line == "rendered 1.0" or line.startswith("refused: ")


def test_the_advice_names_no_library_that_works() -> None:
    code = """
import mitsuba
import envmap_inverse as ei
try:
    ei.load_scene({"type": "scene"}, variant="llvm_ad_rgb")
except (ei.BackendError, ei.InputError) as error:
    print(error)
"""
    done = run_python(code, DRJIT_LIBLLVM_PATH=os.devnull)
    assert done.returncode == 0, done.stderr
    assert "(None)" not in done.stdout
    assert "import envmap_inverse before mitsuba" in done.stdout


def test_an_unknown_variant_is_refused_with_the_known_ones() -> None:
    with pytest.raises(backend.BackendError, match=r"'llvm_ad_rbg'; choose one of .*llvm_ad_rgb"):
        backend.select_variant("llvm_ad_rbg")


def test_a_variant_that_the_program_has_set_is_kept() -> None:
    code = """
import envmap_inverse
from envmap_inverse.backend import mi, select_variant
mi.set_variant("scalar_rgb")
print(select_variant(), mi.variant())
"""
    assert run_python(code).stdout.split() == ["scalar_rgb", "scalar_rgb"]


ABSENT = "libatomic.so.1: cannot open shared object file: No such file or directory"


@pytest.fixture
def broken_drjit(tmp_path: Path) -> Callable[[str], dict[str, str]]:
    """Makes an environment in which importing Dr.Jit runs some code."""

    def make(code: str) -> dict[str, str]:
        (tmp_path / "drjit.py").write_text(code)
        (tmp_path / "mitsuba.py").write_text("import drjit\n")
        return {"PYTHONPATH": str(tmp_path)}

    return make


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (
            f"try:\n    raise ImportError({ABSENT!r})\nexcept ImportError:\n    print(missing)",
            "mitsuba needs the system library libatomic.so.1, which is missing; install it with "
            "'apt-get install libatomic1' (Debian, Ubuntu), 'dnf install libatomic' "
            "(Fedora, RHEL), 'apk add libatomic' (Alpine) or 'pacman -S gcc-libs' (Arch)",
        ),
        (
            "raise ImportError('libX11.so.6: cannot open shared object file: ...')",
            "mitsuba needs the system library libX11.so.6, which is missing; "
            "install the package of your system that has libX11.so.6",
        ),
        (
            "raise SystemError('two\\nlines')",
            "mitsuba cannot be imported (SystemError: two lines); reinstall it: "
            "'pip install --force-reinstall mitsuba'",
        ),
    ],
    ids=["libatomic", "another library", "anything else"],
)
def test_whatever_importing_drjit_raises_ends_a_command_with_one_line(
    broken_drjit: Callable[[str], dict[str, str]], code: str, words: str
) -> None:
    command = """
import sys
from envmap_inverse.bundled import bunny
from envmap_inverse.cli import main
sys.argv = ["envmap-inverse", "params", str(bunny()), "--trust-input"]
main()
"""
    done = run_python(command, **broken_drjit(code))
    assert (done.returncode, done.stdout, done.stderr) == (1, "", f"error: {words}\n")


def test_without_a_library_that_mitsuba_needs_no_probe_is_run_and_remembered(
    install: Install, probed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    install("libLLVM-19.so.1")
    monkeypatch.setattr(backend, "missing_libraries", lambda: ["libatomic.so.1"])
    assert [library.problem for library in backend.find_libllvm()] == [backend.NOT_PROBED]
    monkeypatch.setattr(backend, "missing_libraries", list)
    assert [library.problem for library in backend.find_libllvm()] == [None]


# The GPU


@pytest.fixture
def driver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An NVIDIA driver's library, whatever there is on the machine."""
    monkeypatch.setattr(backend.ctypes, "CDLL", lambda _: None)
    backend.cuda_works.cache_clear()
    yield
    backend.cuda_works.cache_clear()


@pytest.mark.parametrize(("problem", "works"), [(None, True), ("no OptiX", False)])
def test_a_gpu_is_used_if_a_child_process_could_and_the_answer_is_remembered(
    driver: None, monkeypatch: pytest.MonkeyPatch, problem: str | None, works: bool
) -> None:
    codes: list[str] = []
    monkeypatch.setattr(backend, "_probe", lambda code: codes.append(code) or problem)
    for _ in range(2):
        assert backend.cuda_works() is works
        backend.cuda_works.cache_clear()  # as in another process
    assert codes == [backend._CUDA_PROBE]


def test_without_a_driver_no_gpu_is_looked_for(
    driver: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    monkeypatch.setattr(backend.ctypes, "CDLL", fail)
    monkeypatch.setattr(backend, "_probe", lambda _: pytest.fail("probed"))
    assert not backend.cuda_works()


# The wheel


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
        assert name == backend.LLVM_WHEEL
        if files is None:
            raise backend.metadata.PackageNotFoundError(name)
        paths = [tmp_path / file for file in files]
        return SimpleNamespace(
            files=[SimpleNamespace(name=path.name, locate=lambda path=path: path) for path in paths]
        )

    monkeypatch.setattr(backend.metadata, "distribution", distribution)
    assert wheel_library() == (tmp_path / found if found else None)


# Broken installations


def test_a_package_that_cannot_be_imported_is_named_with_what_mends_it() -> None:
    with pytest.raises(backend.BackendError, match="reinstall it: 'pip install --force-reinstall"):
        backend._LazyModule("no_such_module").anything  # noqa: B018 - looking it up is the test


def test_a_probe_that_ends_well_has_no_problem() -> None:
    assert backend._probe("pass") is None


def test_a_probe_that_says_nothing_has_failed_all_the_same() -> None:
    assert backend._probe("raise SystemExit(1)") == "a test kernel failed: no message"
