from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from envmap_inverse.natural_light import spectrum
from envmap_inverse.problem.evidence import TEXEL, Evidence, deviation_of
from envmap_inverse.problem.waves import Waves, hessian_of

WAVES = Waves((24, 12), 20)
SIZE = WAVES.size // 3


def evidence(strength: float, seed: int = 0) -> Evidence:
    """What pictures of random sums of the coefficients tell, each channel alike."""
    seen = np.random.default_rng(seed).standard_normal((6, SIZE))
    gram = strength * seen.T @ seen
    texels = np.full((12 * 24, 3), strength, np.float32)
    return Evidence(waves=WAVES, grams=np.stack([gram] * 3), own=texels, together=texels)


def test_small_maps_have_waves_of_low_degrees() -> None:
    assert WAVES.grid == (12, 24)
    assert WAVES.size == 3 * 12**2


def test_beforehand_light_is_as_uncertain_as_natural_light() -> None:
    mean, deviation = evidence(0.0).moments
    degrees = np.arange(12)
    waves = np.sum((2 * degrees + 1) * spectrum(11)) / (4 * np.pi)
    assert np.abs(mean).max() == 0
    # Green differs least from the others.
    np.testing.assert_allclose(deviation[:, 1], np.sqrt(waves + TEXEL**2), rtol=1e-3)
    assert (deviation[:, 0] > deviation[:, 1]).all()


def test_no_evidence_has_no_bits() -> None:
    assert evidence(0.0).bits == pytest.approx(0)


def test_bits_are_half_the_log_determinant_of_the_precision() -> None:
    known = evidence(3.0)
    _, logarithm = np.linalg.slogdet(hessian_of(known.grams))
    assert known.bits == pytest.approx(logarithm / np.log(2) / 2)


def test_twice_the_same_adds_at_most_half_a_bit_for_each_number_that_is_seen() -> None:
    known = evidence(1e6)
    gain = (known + known).bits - known.bits
    assert gain == pytest.approx(3 * 6 / 2, rel=1e-3)


def test_what_two_tell_is_more_than_what_each_does_and_less_than_the_sum() -> None:
    first, second = evidence(2.0, 0), evidence(2.0, 1)
    both = first + second
    assert max(first.bits, second.bits) < both.bits < first.bits + second.bits
    assert (both.moments[1] < first.moments[1]).all()


def test_evidence_of_a_texel_alone_narrows_its_detail_only() -> None:
    none = evidence(0.0)
    known = replace(none, own=np.full_like(none.own, 1e9))
    fall = none.moments[1] ** 2 - known.moments[1] ** 2
    np.testing.assert_allclose(fall, TEXEL**2, rtol=1e-3)


def test_the_deviation_is_that_of_a_lognormal_number() -> None:
    mean, deviation = np.float32([-0.3, 0.2]), np.float32([0.4, 1.1])
    texels = np.float32([2, 0.5])
    expected = stats.lognorm(deviation, scale=texels * np.exp(mean)).std()
    np.testing.assert_allclose(deviation_of(texels, mean, deviation), expected, rtol=1e-5)
