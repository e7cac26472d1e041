from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

import numpy as np
import pytest
from hypothesis import strategies as st
from posed import posed

from envmap_inverse import Iteration
from envmap_inverse.metrics import angular_error, log_rmse, rmse
from envmap_inverse.problem.solution import Record
from envmap_inverse.run import history
from envmap_inverse.run.folder import RunFolder

MakeIteration = Callable[..., Iteration]
OpenRun = Callable[..., RunFolder]


def test_each_line_of_the_history_is_on_disk_at_once(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path
) -> None:
    run, path = open_run(), tmp_path / "run" / "history.jsonl"
    for index in range(3):
        run.add(make_iteration(index))
        lines = [json.loads(line) for line in path.read_text().splitlines()]
        assert [line["index"] for line in lines] == list(range(index + 1))
    assert lines[1] == {"index": 1, "loss": 0.25, "error": 10.5, "seconds": 0.1}


METRICS = {"rmse": rmse, "log_rmse": log_rmse, "angular_mean_deg": angular_error}


@pytest.mark.parametrize(("share", "measured"), [(0, [0]), (1e9, [0, 1, 2])])
def test_with_a_ground_truth_lines_of_the_history_have_metrics_as_time_allows(
    open_run: OpenRun,
    make_iteration: MakeIteration,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    share: float,
    measured: list[int],
) -> None:
    monkeypatch.setattr(history, "MEASURING_SHARE", share)
    truth = np.full((5, 9, 3), (1, 2, 3), np.float32)
    run = open_run()
    run.begin(posed(np.ones((4, 4, 3), np.float32), truth))
    for index in range(3):
        run.add(make_iteration(index))
    for text in (tmp_path / "run" / "history.jsonl").read_text().splitlines():
        line = json.loads(text)
        texels = np.full((5, 9, 3), line["index"] / 100, np.float32)
        expected = {key: metric(texels, truth) for key, metric in METRICS.items()}
        found = {key: line[key] for key in METRICS if key in line}
        assert found == (expected if line["index"] in measured else {})


@pytest.mark.parametrize("value", [np.nan, np.inf, None])
def test_numbers_that_json_does_not_have_become_null(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path, value: float | None
) -> None:
    open_run().add(make_iteration(error=value))

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    line = (tmp_path / "run" / "history.jsonl").read_text()
    assert json.loads(line, parse_constant=refuse)["error"] is None


def resumed(run: RunFolder, earlier: list[Record]) -> None:
    with run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)), earlier)
        run.close()


@pytest.mark.parametrize("damage", [b"", b'{"index": 0, "loss"', b"\x80\n\n", b'{"index": 7}\n'])
def test_lines_that_a_power_failure_took_come_from_the_checkpoint(
    open_run: OpenRun, make_iteration: MakeIteration, tmp_path: Path, damage: bytes
) -> None:
    with open_run() as run:
        run.begin(posed(np.ones((7, 7, 3), np.float32)))
    (tmp_path / "run" / "history.jsonl").write_bytes(damage)
    resumed(open_run(resume=True), [make_iteration(k) for k in range(2)])
    lines = (tmp_path / "run" / "history.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [
        {"index": k, "loss": 0.5 / (k + 1), "error": 10.5, "seconds": 0.1 * k} for k in range(2)
    ]


numbers = st.none() | st.booleans() | st.integers() | st.floats()
