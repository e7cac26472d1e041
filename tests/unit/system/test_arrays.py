from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from like_cupy import LIKE_CUPY, Array, crossings
from scipy import sparse

from envmap_inverse.losses import LOSSES
from envmap_inverse.priors import PRIORS
from envmap_inverse.sphere import latlong
from envmap_inverse.system import arrays
from envmap_inverse.system.arrays import HOST, library_of, to_host


@pytest.fixture
def on_card() -> Any:
    return LIKE_CUPY.array(np.arange(6, dtype=np.float32).reshape(2, 3))


@pytest.mark.parametrize("held", [np.zeros(2), np.float32(1), sparse.eye(2).tocsr(), [1, 2], 0.5])
def test_what_numpy_and_scipy_make_is_the_processors(held: object) -> None:
    assert library_of(held) is HOST
    assert to_host(held) is held


def test_what_lies_on_the_card_is_known(on_card: Any) -> None:
    assert library_of(on_card) is LIKE_CUPY
    assert library_of(LIKE_CUPY.matrix(sparse.eye(2).tocsr())) is LIKE_CUPY


def test_numpys_functions_keep_arrays_on_the_card(on_card: Any) -> None:
    found = np.maximum(np.float32(2) * on_card, 3) + np.sum(on_card, axis=0)
    assert isinstance(found, Array)
    np.testing.assert_array_equal(to_host(found), [[6, 8, 11], [9, 13, 17]])


def test_arrays_cross_only_when_told_to(on_card: Any) -> None:
    with pytest.raises(TypeError, match="Implicit conversion"):
        np.asarray(on_card)
    with pytest.raises(TypeError, match="Implicit conversion"):
        on_card + np.ones(3, np.float32)
    crossings.clear()
    to_host(on_card)
    assert crossings == [6]


def test_conversions_stay_where_an_array_lies(on_card: Any) -> None:
    columns = arrays.as_columns(on_card.astype(np.float64))
    assert (type(columns), columns.dtype) == (Array, np.float32)
    assert columns.held.flags.f_contiguous
    assert arrays.as_floats([1, 2]).dtype == np.float32
    assert isinstance(arrays.like(np.ones(3), on_card), Array)


def test_constants_are_moved_to_a_card_once(on_card: Any) -> None:
    calls = []

    def tables(size: int) -> tuple[Any]:
        calls.append(size)
        return (np.arange(size),)

    (first,), (second,) = (arrays.constants(tables, 3, beside=on_card) for _ in range(2))
    assert first is second
    assert calls == [3]
    assert isinstance(arrays.constants(tables, 3, beside=np.ones(1))[0], np.ndarray)


@pytest.mark.parametrize("prior", [kind() for kind in PRIORS], ids=lambda p: type(p).__name__)
def test_a_prior_is_the_same_on_the_card(prior: Any) -> None:
    generator = np.random.default_rng(4)
    texels, start = generator.uniform(0.05, 3, (2, 9, 16, 3)).astype(np.float32)
    step = generator.normal(size=(9 * 16, 3)).astype(np.float32)
    here = prior.quadratic(texels, start).times(2.0)
    there = prior.quadratic(LIKE_CUPY.array(texels), LIKE_CUPY.array(start)).times(2.0)
    found = there.matrix @ (LIKE_CUPY.array(step) - there.centre)
    size = np.abs(here.matrix @ (step - here.centre)).max()
    np.testing.assert_allclose(
        to_host(found), here.matrix @ (step - here.centre), atol=1e-6 * size, rtol=1e-5
    )
    np.testing.assert_allclose(to_host(there.matrix.diagonal()), here.matrix.diagonal(), rtol=1e-5)
    maps = LIKE_CUPY.array(texels), LIKE_CUPY.array(start)
    assert prior.energy(*maps) == pytest.approx(prior.energy(texels, start), rel=1e-5)


@pytest.mark.parametrize("loss", [kind() for kind in LOSSES], ids=lambda p: type(p).__name__)
def test_a_loss_is_the_same_on_the_card(loss: Any) -> None:
    values = np.random.default_rng(5).uniform(0.01, 2, (2, 50, 3)).astype(np.float32)
    moved = [LIKE_CUPY.array(part) for part in values]
    np.testing.assert_allclose(to_host(loss(*moved)), loss(*values), rtol=1e-6)
    np.testing.assert_allclose(to_host(loss.weight(*moved)), loss.weight(*values), rtol=1e-6)


def test_a_blur_is_the_same_on_the_card() -> None:
    texels = np.random.default_rng(6).uniform(size=(9, 16, 3))
    found = latlong.blur(LIKE_CUPY.array(texels), 0.3)
    np.testing.assert_allclose(to_host(found), latlong.blur(texels, 0.3), rtol=1e-12)


def test_where_cupy_does_not_load_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    load = importlib.import_module

    def without_cupy(name: str, *rest: Any) -> Any:
        if name == "cupy":
            raise ImportError(name)
        return load(name, *rest)

    monkeypatch.setattr(importlib, "import_module", without_cupy)
    arrays.cupy_library.cache_clear()
    try:
        assert arrays.cupy_library() is None
    finally:
        arrays.cupy_library.cache_clear()
