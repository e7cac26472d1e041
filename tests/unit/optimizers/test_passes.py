from __future__ import annotations

import itertools
import math
from typing import Any

import pytest

from envmap_inverse.optimizers.passes import Pass, Plan, most_passes


def totals_of(plan: Plan, *, share: float = 1.0, seconds_per_path: float = 1.0) -> list[int]:
    """Paths per pixel after each pass, if all passes cost alike."""
    made = [plan.begin()]
    spent = seconds_per_path
    while not made[-1].is_last:
        last = made[-1].spp
        made.append(
            plan.after(
                last,
                share=lambda: share,
                seconds_left=(plan.seconds or math.inf) - spent,
                seconds_per_path=seconds_per_path,
                room=10**9,
            )
        )
        spent += (made[-1].spp - last) * seconds_per_path
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


def test_time_for_few_paths_ends_before_the_usual_number() -> None:
    totals = totals_of(Plan(spp=256, seconds=100.0, is_open=True))
    assert 16 <= totals[-1] < 100
    assert totals[0] == 1


def test_time_for_many_paths_goes_on_beyond_the_usual_number_up_to_16_times() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    assert totals_of(plan)[-1] == 256
    assert totals_of(Plan(spp=16, seconds=1e6))[-1] == 16


def test_a_pass_foretells_one_of_four_times_its_paths() -> None:
    totals = totals_of(Plan(spp=16, seconds=1e6, is_open=True))
    assert all(after <= 6 * before for before, after in itertools.pairwise(totals))
    assert len(totals) <= most_passes(None, 1e6)


def test_no_more_paths_are_traced_than_memory_holds() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    options: dict[str, Any] = {"share": lambda: 1.0, "seconds_left": 1e6, "seconds_per_path": 1.0}
    assert plan.after(64, room=100, **options) == Pass(spp=100, is_last=True)
    assert plan.after(64, room=80, **options) == Pass(spp=64, is_last=True)


def test_a_pass_without_time_for_another_is_finished() -> None:
    plan = Plan(spp=16, seconds=1.0)
    found = plan.after(4, share=lambda: 1.0, seconds_left=-1.0, seconds_per_path=0.5, room=10**9)
    assert found == Pass(spp=4, is_last=True)
