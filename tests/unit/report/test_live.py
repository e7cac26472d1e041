"""Answers of a live view; tests/cli asks one of a process, tests/browser looks at it."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from posed import posed

from envmap_inverse import InputError, Iteration
from envmap_inverse.console.live import check_live, live_view
from envmap_inverse.problem.solution import Record
from envmap_inverse.report.live import LOOPBACK, MAX_CONNECTIONS, MAX_LINES, LiveView
from envmap_inverse.system.crew import Crew

REFERENCE = np.ones((4, 6, 3), np.float32)


@pytest.fixture
def view() -> Iterator[LiveView]:
    with LiveView(Path("run")) as made:
        made.plan(9, "envmap-inverse estimate --resume")
        made.begin(posed(REFERENCE), [])
        yield made


def ask(view: LiveView, name: str) -> tuple[HTTPStatus, str, bytes]:
    url = urlsplit(view.address)
    return view.answer(f"{url.path}{name}", url.netloc)


def state(view: LiveView, after: str = "0") -> dict[str, Any]:
    return dict(json.loads(ask(view, f"state.json?after={after}")[2]))


def records(count: int) -> list[Record]:
    return [Record(index=index, loss=0.5, error=None, seconds=0.1) for index in range(count)]


@settings(max_examples=20)
@given(count=st.integers(0, 3 * MAX_LINES), after=st.integers(0, 4 * MAX_LINES))
def test_of_any_history_the_ends_are_told_and_few_lines_between(
    view: LiveView, count: int, after: int
) -> None:
    view.begin(posed(REFERENCE), records(count))
    found = state(view, str(after))
    indices = [line["index"] for line in found["lines"]]
    assert found["next"] == count
    assert len(indices) <= MAX_LINES + 1
    if after < count:
        assert (indices[0], indices[-1]) == (after, count - 1)
        assert (np.diff(indices) > 0).all()
    else:
        assert indices == []


@pytest.mark.parametrize("after", ["", "-1", "x", "1.5", "²"])
def test_a_line_that_is_no_number_is_the_first(view: LiveView, after: str) -> None:
    view.begin(posed(REFERENCE), records(3))
    assert [line["index"] for line in state(view, after)["lines"]] == [0, 1, 2]


def test_pictures_come_with_the_end_and_the_report_if_there_is_one(
    view: LiveView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envmap_inverse.report.live.FAREWELL", 0)
    names = ("image.jpg", "map.jpg", "report.html")
    assert [ask(view, name)[0] for name in names] == [HTTPStatus.NOT_FOUND] * 3
    assert ask(view, "reference.jpg")[1:2] == ("image/jpeg",)
    monkeypatch.setattr("envmap_inverse.report.live.WATCHED_FOR", 0)
    view.add(
        Iteration(
            index=4,
            loss=0.5,
            error=None,
            seconds=1.0,
            texels_on_device=lambda: REFERENCE,
            image_on_device=lambda: REFERENCE,
        )
    )
    assert state(view)["shown"] == -1  # nobody watched
    (tmp_path / "report.html").write_text("the page")
    view.end("done", tmp_path / "report.html")
    assert [ask(view, name)[0] for name in names] == [HTTPStatus.OK] * 3
    assert ask(view, "report.html")[2] == b"the page"
    found = state(view)
    assert (found["status"], found["shown"], found["hasReport"]) == ("done", 4, True)


@pytest.mark.parametrize(("host", "port"), [("127.0.0.1", 70_000), ("no.such.host.invalid", 0)])
def test_an_address_that_cannot_be_is_refused(host: str, port: int) -> None:
    with pytest.raises(InputError, match=f"--live-host {host}, --live-port {port}: cannot be op"):
        LiveView(Path("run"), host=host, port=port)


def of_a_run(**options: Any) -> Any:
    return live_view(Path("run"), **{"host": LOOPBACK, "port": 0, **options})


def test_a_run_has_a_live_view_if_one_is_wanted() -> None:
    with of_a_run(live=False) as none, of_a_run(live=True) as one:
        assert none is None
        assert one.address.startswith("http://127.0.0.1:")


@pytest.mark.parametrize("option", [{"host": "0.0.0.0"}, {"port": 8000}])
def test_an_address_for_no_live_view_is_refused(option: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="--live-host and --live-port: need --live"):
        check_live(**{"live": False, "host": LOOPBACK, "port": 0, **option})


def test_a_live_view_that_others_can_reach_is_warned_of() -> None:
    with pytest.warns(
        UserWarning, match=r"--live-host 0\.0\.0\.0: anyone who can reach this address"
    ):
        view = of_a_run(live=True, host="0.0.0.0")
    with view:
        assert not view.is_loopback


def test_the_files_that_the_report_has_links_to_come_with_it_and_no_others(
    view: LiveView, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("envmap_inverse.report.live.FAREWELL", 0)
    for name in ("report.html", "summary.json", "private.txt"):
        (tmp_path / name).write_text(name)
    assert ask(view, "summary.json")[0] == HTTPStatus.NOT_FOUND
    view.end("done", tmp_path / "report.html")
    assert ask(view, "summary.json")[2] == b"summary.json"
    for name in ("private.txt", "envmap.exr", "../summary.json"):
        assert ask(view, name)[0] == HTTPStatus.NOT_FOUND


def test_the_state_has_the_workers_while_there_are_any(view: LiveView) -> None:
    assert state(view)["workers"] == []
    crew = Crew([range(2), range(2, 4)])
    crew.has_recorded(1, 2, 2**20, 50_000)
    crew.look([("", 1), ("", 0)])
    first, second = state(view)["workers"]
    assert (first["doing"], first["restarts"]) == ("recording again", 1)
    assert (second["recorded"], second["shards"], second["bytes"]) == (1, 2, 2**20)


def test_hundreds_of_idle_connections_keep_nobody_waiting(view: LiveView) -> None:
    url = urlsplit(view.address)
    place = (str(url.hostname), url.port or 0)
    idle = [socket.create_connection(place, timeout=5) for _ in range(MAX_CONNECTIONS + 20)]
    with urlopen(f"{view.address}state.json", timeout=5) as answer:
        assert answer.status == HTTPStatus.OK
    assert idle[0].recv(1) == b""  # the oldest is dropped
    for connection in idle:
        connection.close()
