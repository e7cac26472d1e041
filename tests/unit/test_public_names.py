from __future__ import annotations

import importlib
import inspect
import pkgutil
import subprocess
import sys

import pytest

import envmap_inverse as ei

MODULES = sorted(module.name for module in pkgutil.walk_packages(ei.__path__, f"{ei.__name__}."))
DOCUMENTED = """
    MSE Adam BackendError Estimate InputError Iteration Scene View
    estimate load_scene render tonemap
"""


def sort_key(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions: the order that ruff's RUF022 keeps."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def run_python(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )


def test_the_documented_names_are_public() -> None:
    assert set(DOCUMENTED.split()) <= set(ei.__all__)


def test_every_public_name_is_listed() -> None:
    found = {
        name
        for name, value in vars(ei).items()
        if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert found == set(ei.__all__)


def test_the_public_names_are_sorted() -> None:
    assert ei.__all__ == sorted(ei.__all__, key=sort_key)


@pytest.mark.parametrize("name", MODULES)
def test_a_module_lists_names_that_it_has_in_order(name: str) -> None:
    module = importlib.import_module(name)
    names = getattr(module, "__all__", [])
    assert [missing for missing in names if not hasattr(module, missing)] == []
    assert list(names) == sorted(names, key=sort_key)


@pytest.mark.parametrize("name", ei.__all__)
def test_every_public_name_is_documented(name: str) -> None:
    assert (inspect.getdoc(getattr(ei, name)) or "").strip()


def test_importing_starts_no_backend() -> None:
    done = run_python(
        "import sys, envmap_inverse\n"
        "print(sorted({'mitsuba', 'drjit', 'matplotlib'} & set(sys.modules)))"
    )
    assert (done.stdout, done.stderr) == ("[]\n", "")


def test_importing_sets_no_variant() -> None:
    done = run_python("import envmap_inverse, mitsuba; print(mitsuba.variant())")
    assert (done.stdout, done.stderr) == ("None\n", "")


@pytest.mark.parametrize(
    "name",
    ["image_metrics", "metrics", "sphere.latlong", "sphere.projections", "sphere.reproject"],
)
def test_geometry_and_metrics_need_no_mitsuba(name: str) -> None:
    done = run_python(
        "import sys\nsys.modules['mitsuba'] = sys.modules['drjit'] = None\n"
        f"import envmap_inverse.{name} as module\nprint(module.__name__)"
    )
    assert (done.stdout, done.stderr) == (f"envmap_inverse.{name}\n", "")
