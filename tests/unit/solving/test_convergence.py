"""Runs that ended too early, and runs that did not."""

from __future__ import annotations

import numpy as np
import pytest

from envmap_inverse.solving.convergence import motion, unfinished

STEPS = np.arange(400)
NOISE = np.random.default_rng(5).standard_normal(400)


@pytest.mark.parametrize(
    "losses",
    [
        0.07 + 0.4 * np.exp(-STEPS[:100] / 25) + 5e-4 * NOISE[:100],  # a tail over a floor of noise
        3e5 * (1 - 1e-5 * STEPS[:100]) + 3 * NOISE[:100],  # pictures in quite other units
        [0.29, 0.13],
        [0.292, 0.072, 0.054],
        [0.5, 0.49, 0.48, 0.47, 0.46],
    ],
)
def test_a_loss_that_still_falls_is_reported(losses: list[float]) -> None:
    assert unfinished(losses).startswith("the loss was still falling when the run ended, by ")


@pytest.mark.parametrize(
    "losses",
    [
        0.2 + 0.2 * np.exp(-STEPS / 25) + 0.01 * NOISE,  # noise rules
        0.2 + 0.01 * NOISE[:20],
        0.2 + 1e-4 * STEPS + 1e-3 * NOISE,  # a map that gets worse
        [0.02198, 0.01472, 0.01326, 0.01271],
        [1e-2, 1e-3, 1e-4, 1e-5],  # exact pictures
        [0.03544, 0.03282, 0.032, 0.03163],
        [0.0071, 0.0034, 0.0217, 0.0075, 0.0027, 0.0022],  # passes, of which the last begins afresh
        [1e-9, 1e-30],  # one pixel
        [0.3],
        [0.0, 0.0, 0.0],
        [1.0, np.nan],
    ],
)
def test_a_loss_at_its_end_is_not(losses: list[float]) -> None:
    assert unfinished(losses) == ""


def test_a_loss_of_noise_alone_is_hardly_ever_said_to_fall() -> None:
    runs = 1 + np.random.default_rng(8).standard_normal((1000, 40)) / 2
    found = sum(bool(unfinished(run)) for run in runs)
    assert found < 10  # 3 standard errors: about one in 700


def test_motion_is_the_share_of_the_start_that_is_seen() -> None:
    initial = np.full((2, 3, 3), 2, np.float32)
    texels, coverage = initial.copy(), np.ones_like(initial)
    texels[0] += 1
    assert motion(texels, initial, coverage) == pytest.approx(0.25)
    coverage[0] = 0
    assert motion(texels, initial, coverage) == 0
