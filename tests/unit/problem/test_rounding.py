"""Errors of the integers that files store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import envmap_inverse as ei
from envmap_inverse.images import read_picture, write_image
from envmap_inverse.problem.fitting import resized
from envmap_inverse.problem.rounding import Rounding

NONE = ei.Noise()


def smooth(size: int = 64) -> np.ndarray:
    """Linear RGB between 0.02 and 0.9 that rises evenly."""
    ramp = np.linspace(0.02, 0.9, size * size * 3, dtype=np.float32)
    return ramp.reshape(size, size, 3)


@pytest.mark.parametrize("levels", [slice(0, 8), slice(28, 36), slice(56, 64)])
def test_the_variance_is_that_of_values_rounded_to_8_bits(tmp_path: Path, levels: slice) -> None:
    image = smooth()
    write_image(tmp_path / "a.png", image)
    view = ei.View(tmp_path / "a.png", noise=NONE)
    errors = (view.image - image)[levels]
    expected = view.variance(image)[levels]
    assert np.mean(errors**2) == pytest.approx(float(np.mean(expected)), rel=0.1)


def test_means_of_values_are_off_by_less(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", smooth())
    view = ei.View(tmp_path / "a.png", noise=NONE)
    half = resized(view, 32, 32)
    value = np.full((1, 1, 3), 0.5, np.float32)
    assert half.variance(value) == pytest.approx(view.variance(value) / 4)


@pytest.mark.parametrize("quality", [50, 75, 90])
def test_the_variance_of_a_jpeg_is_about_that_of_its_errors(tmp_path: Path, quality: int) -> None:
    random = np.random.default_rng(1)
    # Edges, as pictures of objects have them.
    image = np.kron(random.uniform(0.05, 0.8, (16, 16, 1)), np.ones((12, 12, 3))).astype(np.float32)
    stored = ei.tonemap(image)
    path = tmp_path / "a.jpg"
    Image.fromarray(stored).save(path, quality=quality, subsampling=0)
    view = ei.View(path, noise=NONE)
    found = np.sqrt(np.mean((view.image - image) ** 2) / np.mean(view.variance(image)))
    assert 0.2 < found < 2


def test_floating_point_values_are_not_rounded(tmp_path: Path) -> None:
    write_image(tmp_path / "a.exr", smooth())
    assert Rounding.of(read_picture(tmp_path / "a.exr")) is None
    assert (ei.View(smooth(), noise=NONE).variance(smooth()) == 0).all()
