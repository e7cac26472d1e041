from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from envmap_inverse.optimizers.passes import Pass, Plan, most_passes


def passes_of(
    plan: Plan, *, share: float = 1.0, seconds_of: Callable[[float], float] = float
) -> list[Pass]:
    """The passes of a plan.

    Args:
        plan: chooses them.
        share: of the squares of the residuals that noise explains.
        seconds_of: seconds of a pass that ends at so many paths.
    """
    made, taken = [plan.begin()], list[tuple[float, float]]()
    while not made[-1].is_last:
        paths = plan.paths(made[-1])
        taken.append((paths, seconds_of(paths)))
        spent = sum(seconds for _, seconds in taken)
        made.append(
            plan.after(
                made[-1],
                share=lambda: share,
                seconds_left=(plan.seconds or math.inf) - spent,
                taken=taken,
                room=10**9,
            )
        )
    return made


def totals_of(plan: Plan, **options: Any) -> list[int]:
    """Paths per pixel after each pass."""
    return [each.spp for each in passes_of(plan, **options)]


def steps_of(plan: Plan, **options: Any) -> list[tuple[int, int]]:
    """The side of the blocks and the paths for each, of all passes."""
    return [(each.block, each.spp) for each in passes_of(plan, **options)]


@pytest.mark.parametrize(
    ("spp", "totals"),
    [(1, [1]), (7, [7]), (8, [1, 8]), (16, [1, 16]), (64, [1, 16, 64]), (256, [1, 16, 256])],
)
def test_passes_begin_with_one_path_and_end_with_all(spp: int, totals: list[int]) -> None:
    assert totals_of(Plan(spp=spp)) == totals
    assert len(totals) <= most_passes(None)


@pytest.mark.parametrize(
    ("block", "spp", "steps"),
    [
        (2, 16, [(2, 1), (2, 16), (1, 16)]),
        (4, 64, [(4, 1), (4, 16), (4, 64), (1, 64)]),
        (64, 64, [(64, 1), (64, 16), (64, 64), (16, 64), (4, 64), (1, 64)]),
        (7, 2, [(7, 1), (7, 2), (1, 2)]),
        (2, 1, [(2, 1), (1, 1)]),
    ],
)
def test_large_pictures_begin_with_blocks(
    block: int, spp: int, steps: list[tuple[int, int]]
) -> None:
    plan = Plan(spp=spp, num_pixels=10**6, block=block)
    assert steps_of(plan) == steps
    paths = [plan.paths(each) for each in passes_of(plan)]
    assert paths == sorted(set(paths))
    assert len(steps) <= most_passes(None)


def test_blocks_with_all_paths_are_solved_to_the_end() -> None:
    solved = [each.is_solved for each in passes_of(Plan(spp=64, num_pixels=10**6, block=4))]
    assert solved == [False, True, True, True]


def test_where_blocks_are_enough_pixels_are_left_out() -> None:
    plan = Plan(spp=256, num_pixels=10**6, block=4, finest=4)
    assert steps_of(plan) == [(4, 1), (4, 16), (4, 256)]


def test_paths_that_are_enough_for_blocks_are_enough_for_pixels() -> None:
    plan = Plan(spp=64, num_pixels=10**6, block=4, is_open=True)
    assert steps_of(plan, share=0.05) == [(4, 1), (4, 16), (1, 16)]


@pytest.mark.parametrize("seconds", [1.0, 10.0, 100.0, 1000.0, 2000.0])
def test_a_time_limit_ends_with_as_many_blocks_as_there_is_time_for(seconds: float) -> None:
    plan = Plan(spp=16, num_pixels=2**24, block=8, seconds=seconds, is_open=True)
    found = passes_of(plan, seconds_of=lambda paths: 2 * paths / 2**20)
    paths = [plan.paths(each) for each in found]
    assert paths == sorted(paths)
    spent = sum(2 * count / 2**20 for count in paths[: -1 if paths[-1] == paths[-2] else None])
    assert 0.2 * seconds < spent < 1.1 * seconds
    assert (found[-1].block == 1) == (seconds == 2000)


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
def test_a_time_limit_is_used_and_kept(
    seconds: float, seconds_of: Callable[[float], float]
) -> None:
    """The last pass and its steps may take twice what a pass takes."""
    totals = totals_of(Plan(spp=10**6, seconds=seconds, is_open=True), seconds_of=seconds_of)
    spent = sum(map(seconds_of, totals[:-1]))
    if totals[-1] != totals[-2]:
        spent += seconds_of(totals[-1])
    assert 0.3 * seconds < spent < 1.1 * seconds
    assert totals[0] == 1


def test_time_for_many_paths_goes_on_beyond_the_usual_number_up_to_16_times() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    assert totals_of(plan)[-1] == 256
    assert totals_of(Plan(spp=16, seconds=1e6))[-1] == 16


def test_time_is_for_no_more_than_256_paths_of_a_pixel() -> None:
    assert totals_of(Plan(spp=64, seconds=1e6, is_open=True))[-1] == 256
    assert totals_of(Plan(spp=1000, seconds=1e6, is_open=True))[-1] == 1000


def test_what_is_far_from_all_that_was_tried_is_not_the_last_pass() -> None:
    totals = totals_of(Plan(spp=16, seconds=1e6, is_open=True))
    assert totals[-1] <= 6 * totals[-2]
    assert sorted(set(totals)) == totals


@pytest.mark.parametrize("power", [0.4, 0.7, 1.0])
def test_there_are_no_more_passes_than_are_announced(power: float) -> None:
    plan = Plan(spp=2**20, seconds=1e5, is_open=True)
    totals = totals_of(plan, seconds_of=lambda spp: spp**power)
    assert len(totals) <= most_passes(1e5)


def test_no_more_paths_are_traced_than_memory_holds() -> None:
    plan = Plan(spp=16, seconds=1e6, is_open=True)
    options: dict[str, Any] = {"share": lambda: 1.0, "seconds_left": 1e6, "taken": [(64, 1.0)]}
    last = Pass(spp=64, is_last=False)
    assert plan.after(last, room=100, **options) == Pass(spp=100, is_last=True)
    assert plan.after(last, room=80, **options) == Pass(spp=64, is_last=True)


def test_a_pass_without_time_for_another_is_finished() -> None:
    plan, last = Plan(spp=16, seconds=1.0), Pass(spp=4, is_last=False)
    found = plan.after(last, share=lambda: 1.0, seconds_left=-1.0, taken=[(4, 0.5)], room=10**9)
    assert found == Pass(spp=4, is_last=True)
