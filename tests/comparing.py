"""Recordings, and results, that are to have the same bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

import envmap_inverse as ei


def dense(transport: ei.LightTransport) -> list[NDArray[np.float64]]:
    return [channel.toarray().astype(np.float64) for channel in transport.channels]


def assert_bit_equal(first: ei.LightTransport, second: ei.LightTransport) -> None:
    for a, b in zip(dense(first), dense(second), strict=True):
        np.testing.assert_array_equal(a, b)
    texels = np.random.default_rng(5).random((first.shape[1], 3), np.float32)
    np.testing.assert_array_equal(first.variance(texels), second.variance(texels))
    np.testing.assert_array_equal(first.offset, second.offset)


def assert_same_result(first: ei.Estimate, second: ei.Estimate) -> None:
    np.testing.assert_array_equal(first.texels, second.texels)
    np.testing.assert_array_equal(first.deviation, second.deviation)
    np.testing.assert_array_equal(first.coverage, second.coverage)
    assert [record.loss for record in first.history] == [record.loss for record in second.history]
