from __future__ import annotations

import math
import sys
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as st_np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from envmap_inverse import InputError, image_metrics
from envmap_inverse.image_metrics import hdr_flip, ldr_flip, mse, psnr, relative_mse, ssim

Image = NDArray[np.float64]
Metric = Callable[..., float]

WITHOUT_FLIP = [mse, psnr, relative_mse, ssim]

pairs = st_np.arrays(np.float64, (2, 11, 12, 2), elements=st.floats(0, 100, width=32))
masks = st_np.arrays(np.bool_, (11, 12)).filter(lambda mask: mask[5:-5, 5:-5].any())


@pytest.fixture
def images(rng: np.random.Generator) -> tuple[Image, Image]:
    """A noisy image and its reference, 14 x 17."""
    reference = rng.uniform(0, 1, (14, 17, 3))
    return reference + rng.normal(0, 0.1, reference.shape), reference


def test_the_errors_of_constant_images() -> None:
    a, b = np.full((12, 12, 3), 0.6), np.full((12, 12, 3), 0.5)
    assert mse(a, b) == pytest.approx(0.01)
    assert relative_mse(a, b) == pytest.approx(0.01 / 0.26)
    assert psnr(a, b) == pytest.approx(20)
    assert psnr(a, b, peak=10) == pytest.approx(40)
    assert ssim(a, b) == pytest.approx((2 * 0.6 * 0.5 + 1e-4) / (0.36 + 0.25 + 1e-4))


def test_equal_images_have_no_error(images: tuple[Image, Image]) -> None:
    _, image = images
    assert (mse(image, image), relative_mse(image, image)) == (0, 0)
    assert psnr(image, image) == math.inf
    assert ssim(image, image) == pytest.approx(1)


def test_an_inverted_image_has_the_opposite_structure(rng: np.random.Generator) -> None:
    image = rng.choice([0.0, 1.0], (20, 20, 1))
    assert ssim(1 - image, image) < -0.9


@pytest.mark.parametrize("metric", WITHOUT_FLIP)
def test_pixels_outside_the_mask_do_not_matter(metric: Metric, images: tuple[Image, Image]) -> None:
    image, reference = images
    mask = np.ones((14, 17))
    mask[:, :10] = 0
    changed = image.copy()
    changed[:, :4] = 99  # SSIM's windows reach five pixels over the mask's edge
    assert metric(changed, reference, mask=mask) == metric(image, reference, mask=mask)
    assert metric(changed, reference) != metric(image, reference)


def slow_ssim(image: Image, reference: Image, mask: Image) -> float:
    """Wang's formula, window by window."""
    offsets = np.arange(-5, 6)
    window = np.exp(-(offsets[:, None] ** 2 + offsets[None] ** 2) / (2 * 1.5**2))
    window /= window.sum()
    total = weight = 0.0
    for row in range(5, mask.shape[0] - 5):
        for column in range(5, mask.shape[1] - 5):
            for channel in range(image.shape[2]):
                here = np.s_[row - 5 : row + 6, column - 5 : column + 6, channel]
                x, y = image[here], reference[here]
                mean_x, mean_y = (window * x).sum(), (window * y).sum()
                var_x = (window * (x - mean_x) ** 2).sum()
                var_y = (window * (y - mean_y) ** 2).sum()
                cov = (window * (x - mean_x) * (y - mean_y)).sum()
                top = (2 * mean_x * mean_y + 1e-4) * (2 * cov + 9e-4)
                bottom = (mean_x**2 + mean_y**2 + 1e-4) * (var_x + var_y + 9e-4)
                total += mask[row, column] * top / bottom
                weight += mask[row, column]
    return total / weight


def test_ssim_is_that_of_every_window(
    images: tuple[Image, Image], rng: np.random.Generator
) -> None:
    for mask in (np.ones((14, 17)), rng.uniform(0, 1, (14, 17))):
        assert ssim(*images, mask=mask) == pytest.approx(slow_ssim(*images, mask), rel=1e-9)


def test_the_errors_are_those_of_a_loop_over_pixels(
    images: tuple[Image, Image], rng: np.random.Generator
) -> None:
    mask = rng.uniform(0, 1, (14, 17))
    squares = relative = 0.0
    for (row, column, channel), value in np.ndenumerate(images[0]):
        true = images[1][row, column, channel]
        squares += mask[row, column] * (value - true) ** 2
        relative += mask[row, column] * (value - true) ** 2 / (true**2 + 0.01)
    weight = 3 * mask.sum()
    assert mse(*images, mask=mask) == pytest.approx(squares / weight)
    assert relative_mse(*images, mask=mask) == pytest.approx(relative / weight)
    assert psnr(*images, mask=mask) == pytest.approx(-10 * math.log10(squares / weight))


@pytest.mark.parametrize("name", image_metrics.__all__)
@pytest.mark.parametrize(
    ("shape", "mask", "message"),
    [
        ((12, 13, 3), None, "one shape"),
        ((12, 12), None, "one shape"),
        ((12, 12, 3), np.ones((12, 13)), "the mask has"),
        ((12, 12, 3), np.zeros((12, 12)), "leaves no pixel"),
    ],
)
def test_what_does_not_fit_is_refused(
    name: str, shape: tuple[int, ...], mask: Image | None, message: str
) -> None:
    if name == "hdr_flip":
        pytest.importorskip("flip_evaluator")
    reference = np.ones((12, 12, 3)) if shape[-1] == 3 else np.ones(shape)
    with pytest.raises(InputError, match=message):
        getattr(image_metrics, name)(np.ones(shape), reference, mask=mask)


def test_ssim_needs_a_window() -> None:
    with pytest.raises(InputError, match="at least 11 x 11"):
        ssim(np.ones((10, 30, 3)), np.ones((10, 30, 3)))
    edge = np.ones((20, 20))
    edge[5:-5, 5:-5] = 0
    with pytest.raises(InputError, match="whose window"):
        ssim(np.ones((20, 20, 3)), np.ones((20, 20, 3)), mask=edge)


# LDR-FLIP


def test_ldr_flip_is_that_of_its_authors(rng: np.random.Generator) -> None:
    flip_evaluator = pytest.importorskip("flip_evaluator")
    noise = rng.uniform(0, 1, (2, 40, 44, 3))
    smooth = (
        gaussian_filter(noise, (0, 2, 2, 0)) - 0.4
    ) / 0.2  # with edges and points of all sizes
    for pair in (noise, np.clip(smooth, 0, 1)):
        image, reference = pair.astype(np.float32)
        _, expected, _ = flip_evaluator.evaluate(reference, image, "LDR")
        assert ldr_flip(image, reference) == pytest.approx(expected, abs=1e-5)


def test_ldr_flip_of_known_pairs() -> None:
    # Black and white by flip-evaluator 1.7; and the colours that set the range of FLIP.
    black, white = np.zeros((2, 12, 12, 3))
    white[:] = 1
    assert ldr_flip(black, white) == pytest.approx(0.967388, abs=1e-5)
    green, blue = np.zeros((2, 12, 12, 3))
    green[..., 1] = blue[..., 2] = 1
    assert ldr_flip(green, blue) == pytest.approx(1)
    assert ldr_flip(green, green) == 0


@pytest.mark.parametrize("value", [-0.1, 1.1, math.nan])
def test_ldr_flip_refuses_what_is_not_displayed(value: float) -> None:
    with pytest.raises(InputError, match="values from 0 to 1"):
        ldr_flip(np.full((12, 12, 3), value), np.ones((12, 12, 3)))


# HDR-FLIP


def test_hdr_flip_is_that_of_its_authors(images: tuple[Image, Image]) -> None:
    flip_evaluator = pytest.importorskip("flip_evaluator")
    image, reference = (np.abs(array).astype(np.float32) for array in images)
    _, expected, _ = flip_evaluator.evaluate(reference, image, "HDR")
    assert hdr_flip(image, reference) == pytest.approx(expected, rel=1e-5)
    assert hdr_flip(reference, reference) == 0


def test_hdr_flip_counts_the_pixels_of_the_mask() -> None:
    pytest.importorskip("flip_evaluator")
    reference = np.ones((40, 40, 3))
    image = reference.copy()
    image[:, :10] = 3
    right = np.zeros((40, 40))
    right[:, 30:] = 1
    assert hdr_flip(image, reference, mask=right) < 0.01
    assert hdr_flip(image, reference, mask=1 - right) > hdr_flip(image, reference) > 0.05


@pytest.mark.parametrize("value", [0, np.nan])
def test_hdr_flip_refuses_references_that_end_its_process(value: float) -> None:
    pytest.importorskip("flip_evaluator")
    with pytest.raises(InputError, match="not black"):
        hdr_flip(np.ones((12, 12, 3)), np.full((12, 12, 3), value))


def test_without_its_package_hdr_flip_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "flip_evaluator", None)
    with pytest.raises(InputError, match=r"pip install 'envmap-inverse\[flip\]'"):
        hdr_flip(np.ones((12, 12, 3)), np.ones((12, 12, 3)))


# What holds for all images


@settings(max_examples=25)
@given(pair=pairs)
def test_neither_image_comes_first(pair: Image) -> None:
    for metric in (mse, psnr, ssim):
        assert metric(pair[0], pair[1]) == pytest.approx(metric(pair[1], pair[0]), rel=1e-12)


@settings(max_examples=25)
@given(pair=pairs, mask=masks, axis=st.integers(0, 1))
def test_mirrored_images_have_the_same_error(pair: Image, mask: Image, axis: int) -> None:
    mirrored = np.flip(pair, 1 + axis)
    for metric in WITHOUT_FLIP:
        found = metric(*mirrored, mask=np.flip(mask, axis))
        assert found == pytest.approx(metric(*pair, mask=mask), rel=1e-9, abs=1e-9)


@settings(max_examples=25)
@given(pair=pairs, mask=masks, factor=st.floats(0.01, 1))
def test_only_the_proportions_of_a_mask_matter(pair: Image, mask: Image, factor: float) -> None:
    for metric in WITHOUT_FLIP:
        found = metric(*pair, mask=factor * mask)
        assert found == pytest.approx(metric(*pair, mask=mask), rel=1e-9)


@settings(max_examples=25)
@given(pair=pairs, mask=st_np.arrays(np.bool_, (11, 12)).filter(lambda m: 0 < m.sum() < m.size))
def test_the_error_is_the_mean_of_those_of_two_parts(pair: Image, mask: Image) -> None:
    for metric in (mse, relative_mse):
        parts = [np.mean(part) * metric(*pair, mask=part) for part in (mask, ~mask)]
        assert sum(parts) == pytest.approx(metric(*pair), rel=1e-9)


@settings(max_examples=25)
@given(pair=pairs, factor=st.floats(0.01, 100))
def test_values_count_relative_to_the_peak(pair: Image, factor: float) -> None:
    for metric in (psnr, ssim):
        found = metric(*(factor * pair), peak=factor)
        assert found == pytest.approx(metric(*pair), rel=1e-6, abs=1e-6)


@settings(max_examples=25)
@given(pair=pairs)
def test_no_image_is_more_similar_than_the_same(pair: Image) -> None:
    assert -1 <= ssim(*pair) <= 1 + 1e-9
