from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from envmap_inverse.optimizers.passes import Pass, Plan, most_passes


def totals_of(
    plan: Plan, *, share: float = 1.0, seconds_of: Callable[[int], float] = float
) -> list[int]:
    """Paths per pixel after each pass.

    Args:
        plan: chooses them.
        share: of the squares of the residuals that noise explains.
        seconds_of: seconds of a pass that ends at so many paths.
    """
    made, taken = [plan.begin()], list[tuple[int, float]]()
    while not made[-1].is_last:
        last = made[-1].spp
        taken.append((last, seconds_of(last)))
        spent = sum(seconds for _, seconds in taken)
        made.append(
            plan.after(
                last,
                share=lambda: share,
                seconds_left=(plan.seconds or math.inf) - spent,
                taken=taken,
                room=10**9,
            )
        )
    return [each.spp for each in made]


@pytest.mark.parametrize(
    ("spp", "totals"),
    [(1, [1]), (7, [7]), (8, [1, 8]), (16, [1, 16]), (64, [1, 8, 64]), (256, [1, 16, 256])],
)
def test_passes_begin_with_one_path_and_end_with_all(spp: int, totals: list[int]) -> None:
    assert totals_of(Plan(spp=spp)) == totals
    assert most_passes(spp, None) == len(totals)


def test_the_first_pass_on_which_noise_of_paths_does_not_count_is_finished() -> None:
    assert totals_of(Plan(spp=256, is_open=True), share=0.05) == [1, 16, 16]


def test_paths_that_are_asked_for_are_traced_however_little_they_matter() -> None:
    assert totals_of(Plan(spp=256), share=0.05) == [1, 16, 256]


@pytest.mark.parametrize("seconds", [10.0, 100.0, 1000.0])
@pytest.mark.parametrize(
    "seconds_of",
    [float, lambda spp: 1 + 0.1 * spp, lambda spp: spp**0.5],
    ids=["in proportion", "with a start", "by the root"],
)
def test_a_time_limit_is_used_and_kept(seconds: float, seconds_of: Callable[[int], float]) -> None:
    """The last pass and its steps may take twice what a pass takes."""
    totals = totals_of(Plan(spp=10**4, seconds=seconds, is_open=True), seconds_of=seconds_of)
    spent = sum(map(seconds_of, totals[:-1]))
    if totals[-1] != totals[-2]:
        spent += seconds_of(totals[-1])
    assert 0.3 * seconds < spent < 1.1 * seconds
    assert totals[0] == 1


def test_time_for_many_paths_goes_on_beyond_the_usual_number_up_to_16_times() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    assert totals_of(plan)[-1] == 256
    assert totals_of(Plan(spp=16, seconds=1e6))[-1] == 16


def test_what_is_far_from_all_that_was_tried_is_not_the_last_pass() -> None:
    totals = totals_of(Plan(spp=16, seconds=1e6, is_open=True))
    assert totals[-1] <= 6 * totals[-2]
    assert sorted(set(totals)) == totals


@pytest.mark.parametrize("power", [0.4, 0.7, 1.0])
def test_there_are_no_more_passes_than_are_announced(power: float) -> None:
    plan = Plan(spp=2**20, seconds=1e5, is_open=True)
    totals = totals_of(plan, seconds_of=lambda spp: spp**power)
    assert len(totals) <= most_passes(None, 1e5)


def test_no_more_paths_are_traced_than_memory_holds() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    options: dict[str, Any] = {"share": lambda: 1.0, "seconds_left": 1e6, "taken": [(64, 1.0)]}
    assert plan.after(64, room=100, **options) == Pass(spp=100, is_last=True)
    assert plan.after(64, room=80, **options) == Pass(spp=64, is_last=True)


def test_a_pass_without_time_for_another_is_finished() -> None:
    plan = Plan(spp=16, seconds=1.0)
    found = plan.after(4, share=lambda: 1.0, seconds_left=-1.0, taken=[(4, 0.5)], room=10**9)
    assert found == Pass(spp=4, is_last=True)
