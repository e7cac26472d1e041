"""Which variant is set, and what is said where none can be."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable

import pytest

from envmap_inverse.backend import select_variant
from envmap_inverse.errors import BackendError

RunPython = Callable[..., subprocess.CompletedProcess[str]]


NOTHING_FOUND = """
from envmap_inverse.backend import libllvm, variant
libllvm.find_libllvm = variant.find_libllvm = lambda **_: iter(())
variant.cuda_works = lambda: False
"""


def test_a_machine_without_a_usable_library_gets_one_clear_error(run_python: RunPython) -> None:
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


def test_the_command_line_of_such_a_machine_ends_with_one_line(run_python: RunPython) -> None:
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
def test_a_program_that_imports_mitsuba_first_never_aborts(
    then: str, run_python: RunPython
) -> None:
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


def test_the_advice_names_no_library_that_works(run_python: RunPython) -> None:
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
    with pytest.raises(BackendError, match=r"'llvm_ad_rbg'; choose one of .*llvm_ad_rgb"):
        select_variant("llvm_ad_rbg")


def test_a_variant_that_the_program_has_set_is_kept(run_python: RunPython) -> None:
    code = """
import envmap_inverse
from envmap_inverse.backend import mi, select_variant
mi.set_variant("scalar_rgb")
print(select_variant(), mi.variant())
"""
    assert run_python(code).stdout.split() == ["scalar_rgb", "scalar_rgb"]


NO_DRIVER = """
from envmap_inverse.backend import libcuda, variant
libcuda.is_missing = variant.is_missing = lambda _: True
"""


def test_a_gpus_variant_without_a_driver_is_refused_with_the_reason(run_python: RunPython) -> None:
    code = f"""{NO_DRIVER}
from envmap_inverse.errors import BackendError
try:
    variant.select_variant("cuda_ad_rgb")
except BackendError as error:
    print(error)
print(variant.select_variant("llvm_ad_rgb"))
"""
    done = run_python(code, DRJIT_LIBCUDA_PATH=os.devnull)
    refusal, other = done.stdout.splitlines()
    assert refusal.startswith(
        "cuda_ad_rgb cannot be used here: libcuda.so.1 does not load; install the NVIDIA driver"
    )
    assert other == "llvm_ad_rgb"


def test_a_gpu_that_only_the_probe_could_use_is_passed_over_with_a_warning(
    run_python: RunPython,
) -> None:
    code = f"""{NO_DRIVER}
variant.cuda_works = lambda: True
print(variant.select_variant())
"""
    done = run_python(code, DRJIT_LIBCUDA_PATH=os.devnull)
    assert done.stdout.split() == ["llvm_ad_rgb"]
    assert "RuntimeWarning: cuda_ad_rgb cannot be used here" in done.stderr
    assert "; using llvm_ad_rgb" in done.stderr
