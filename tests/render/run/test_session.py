"""A run that a Python program keeps."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from run_files import history_of, names_in

import envmap_inverse as ei
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Record
from envmap_inverse.run import session
from envmap_inverse.run.folder import RunFolder


class EndsAt:
    """A follower that ends a run, and keeps what it was given."""

    def __init__(self, index: int) -> None:
        self.index = index
        self.earlier: Sequence[Record] = ()
        self.seen: list[int] = []

    def begin(self, problem: Problem, earlier: Sequence[Record]) -> None:  # noqa: ARG002
        self.earlier = earlier

    def add(self, iteration: ei.Iteration) -> bool:
        self.seen.append(iteration.index)
        return iteration.index == self.index


@pytest.fixture
def problem(make_scene: Callable[..., ei.Scene]) -> Problem:
    scene = make_scene()
    return Problem.create(scene, ei.render(scene, spp=16, seed=1), loss=ei.MSE())


def folder_of(path: Path, *, resume: bool = False) -> RunFolder:
    return RunFolder(path, {}, overwrite=False, frames=False, resume=resume)


def test_a_run_that_is_done_leaves_its_files_and_no_checkpoint(
    problem: Problem, tmp_path: Path
) -> None:
    result, summary = session.run(folder_of(tmp_path), problem, ei.Adam(iterations=2))
    assert summary == json.loads((tmp_path / "summary.json").read_text())
    assert len(history_of(tmp_path)) == len(result.history) == 2
    assert not [name for name in names_in(tmp_path) if name.startswith("checkpoint")]


def test_a_run_that_a_follower_ended_goes_on_to_the_same_map(
    problem: Problem, tmp_path: Path
) -> None:
    adam, follower = ei.Adam(iterations=4), EndsAt(1)
    whole, _ = session.run(folder_of(tmp_path / "whole"), problem, adam)
    part = tmp_path / "part"
    ended, _ = session.run(folder_of(part), problem, adam, followers=[follower])
    assert (ended.status, follower.seen) == ("interrupted", [0, 1])
    going_on = EndsAt(-1)
    found, _ = session.run(folder_of(part, resume=True), problem, adam, followers=[going_on])
    assert [record.index for record in going_on.earlier] == [0, 1]
    assert going_on.seen == [2, 3]
    np.testing.assert_array_equal(found.texels, whole.texels)


def test_the_warnings_of_a_run_are_its_own(problem: Problem, tmp_path: Path) -> None:
    class Warns(EndsAt):
        def add(self, iteration: ei.Iteration) -> bool:
            warnings.warn(f"map {iteration.index}", UserWarning, stacklevel=1)
            return super().add(iteration)

    adam = ei.Adam(iterations=1)
    with pytest.warns(UserWarning, match="map 0"):
        _, first = session.run(folder_of(tmp_path / "first"), problem, adam, followers=[Warns(-1)])
    _, second = session.run(folder_of(tmp_path / "second"), problem, adam)
    assert (first["warnings"], second["warnings"]) == (["map 0"], [])
