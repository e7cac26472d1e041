"""Which library goes with the variant, whatever there is on the machine."""

from __future__ import annotations

import warnings
from types import SimpleNamespace

import pytest
from like_cupy import LIKE_CUPY

from envmap_inverse.backend import card
from envmap_inverse.system.arrays import HOST


@pytest.fixture
def variant(monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr(card, "mi", SimpleNamespace(variant=lambda: "cuda_ad_rgb"))
    card._without_cupy.cache_clear()
    return "cuda_ad_rgb"


def test_beside_llvm_it_is_numpy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "mi", SimpleNamespace(variant=lambda: "llvm_ad_rgb"))
    monkeypatch.setattr(card, "cupy_library", lambda: LIKE_CUPY)
    assert card.library_of_variant() is HOST


def test_beside_cuda_it_is_cupy(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(card, "cupy_library", lambda: LIKE_CUPY)
    assert card.library_of_variant() is LIKE_CUPY


def test_without_cupy_it_is_numpy_with_one_hint(
    variant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(card, "cupy_library", lambda: None)
    with pytest.warns(UserWarning, match=r"pip install 'envmap-inverse\[cuda\]'"):
        assert card.library_of_variant() is HOST
    with warnings.catch_warnings(action="error"):
        assert card.library_of_variant() is HOST
