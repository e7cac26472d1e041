"""Tests of what a GPU changes; skipped where Mitsuba cannot use one.

GPU_TESTS_VARIANT=llvm_ad_rgb runs them on the processor, which shows only that they run.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

import envmap_inverse as ei
from envmap_inverse import backend
from envmap_inverse.backend.card import library_of_variant
from envmap_inverse.backend.libcuda import cuda_works
from envmap_inverse.bundled import bunny
from envmap_inverse.system.arrays import Library

VARIANT = os.environ.get("GPU_TESTS_VARIANT", "cuda_ad_rgb")


@pytest.fixture(scope="session", autouse=True)
def variant() -> str:
    """The variant under which the tests run."""
    if VARIANT.startswith("cuda") and not cuda_works():
        pytest.skip("no GPU that Mitsuba can use")
    chosen = backend.select_variant(VARIANT)
    with warnings.catch_warnings(action="ignore"):  # the hint where there is no CuPy
        library_of_variant()
    return chosen


@pytest.fixture
def card() -> Library:
    """CuPy's arrays on the GPU."""
    library = library_of_variant()
    if not library.is_on_card:
        pytest.skip("no GPU that CuPy can use")
    return library


@pytest.fixture(scope="session")
def picture_of_bunny() -> Callable[[int], tuple[ei.Scene, NDArray[np.float32]]]:
    """Loads the bundled bunny and renders it at 16 samples per pixel on a square film."""

    def make(size: int) -> tuple[ei.Scene, NDArray[np.float32]]:
        scene = ei.load_scene(bunny())
        scene.set_film_size(size)
        return scene, ei.render(scene, spp=16, seed=12345)

    return make
