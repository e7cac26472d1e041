"""Sums that do not depend on who adds what."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from envmap_inverse.recording.sums import PartialSum, partial_sums, total_of


def terms(numbers: list[float]) -> list[PartialSum]:
    return [PartialSum(k, 1, np.float32(number)) for k, number in enumerate(numbers)]


@given(
    st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=6),
)
def test_a_sum_has_the_same_bits_however_its_terms_are_shared_out(
    numbers: list[float], cuts: list[int]
) -> None:
    whole = terms(numbers)
    ends = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    shared = [partial_sums(whole[a:b]) for a, b in itertools.pairwise(ends)]
    assert total_of(itertools.chain(*shared)).tobytes() == total_of(whole).tobytes()


@pytest.mark.parametrize("number", [1, 2, 3, 7, 8, 100])
def test_all_terms_are_in_the_sum(number: int) -> None:
    assert total_of(terms([1.0] * number)) == number


def test_a_worker_sends_few_sums_of_many_terms() -> None:
    assert len(partial_sums(terms([1.0] * 1000)[300:700])) < 2 * np.log2(1000)
