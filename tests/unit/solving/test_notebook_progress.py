"""The bar that notebooks show, with a stand-in for IPython."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from envmap_inverse.solving import notebook_progress
from envmap_inverse.solving.notebook_progress import shown_in_notebook
from envmap_inverse.system.progress import is_watched, stage, watched_by


class Display:
    """A cell with one output, which may be replaced."""

    def __init__(self) -> None:
        self.shown: list[str] = []

    def display(self, content: str, *, display_id: bool) -> Display:
        assert display_id
        assert self.shown == []
        self.shown.append(content)
        return self

    def update(self, content: str) -> None:
        self.shown.append(content)

    HTML = staticmethod(str)


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Iterator[Display]:
    display = Display()
    shell = SimpleNamespace(kernel=object())
    monkeypatch.setitem(sys.modules, "IPython", SimpleNamespace(get_ipython=lambda: shell))  # type: ignore[arg-type]
    monkeypatch.setitem(sys.modules, "IPython.display", display)  # type: ignore[arg-type]
    monkeypatch.setattr(notebook_progress, "SECONDS", 0)
    return display


def test_a_cell_shows_a_bar_that_goes_at_the_end(cell: Display) -> None:
    with shown_in_notebook(), stage("Solving", 4) as solving:
        solving.advance(1, "loss=<3>")
    first, second, last = cell.shown
    assert first.startswith('Solving <progress value="0.000"></progress>')
    assert re.fullmatch(
        r'Solving <progress value="0\.250"></progress> loss=&lt;3&gt; \(0 s, 0 s left\)', second
    )
    assert last == ""


def test_a_stage_inside_another_is_shown_in_its_place(cell: Display) -> None:
    with shown_in_notebook(), stage("Solving", 4), stage("Recording"):
        pass
    names = [content.partition(" ")[0] for content in cell.shown]
    assert names == ["Solving", "Recording", "Solving", ""]
    assert "<progress></progress>" in cell.shown[1]


def test_updates_come_no_faster_than_can_be_seen(
    cell: Display, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notebook_progress, "SECONDS", 1e9)
    with shown_in_notebook(), stage("Solving", 1000) as solving:
        for index in range(1000):
            solving.advance(index + 1)
    assert len(cell.shown) == 2


def test_who_watches_already_is_left_alone(cell: Display) -> None:
    class Nothing:
        def __getattr__(self, _: str) -> Any:
            return lambda _: None

    with watched_by(Nothing()), shown_in_notebook(), stage("Solving"):
        pass
    assert cell.shown == []


def test_elsewhere_nothing_is_shown(cell: Display, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = SimpleNamespace(get_ipython=SimpleNamespace)
    for ipython in (terminal, SimpleNamespace(get_ipython=lambda: None), None):
        monkeypatch.setitem(sys.modules, "IPython", ipython)  # type: ignore[arg-type]
        with shown_in_notebook():
            assert not is_watched()
