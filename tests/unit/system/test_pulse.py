"""What the process that watches over a command hears."""

from __future__ import annotations

from typing import Any

import pytest

from envmap_inverse.system import pulse
from envmap_inverse.system.progress import stage


class Heard:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.doing: list[str] = []

    def beat(self, *, doing: str | None = None, **_: Any) -> None:
        self.doing.append(doing or "")


@pytest.fixture
def heard(monkeypatch: pytest.MonkeyPatch) -> Heard:
    monkeypatch.setattr(pulse, "_pulses", [])
    made = Heard()
    pulse.report_to(made)
    return made


def test_a_stage_is_reported_with_its_detail_and_the_outer_one_after_it(heard: Heard) -> None:
    with stage("Solving", 2) as outer, stage("Recording", 1.0) as inner:
        inner.advance(0.5, "camera 1")
        outer.advance(1)
    assert heard.doing == ["Solving", "Recording", "Recording (camera 1)", "Solving", "Solving", ""]


def test_a_step_without_words_is_a_sign_of_life(heard: Heard) -> None:
    pulse.beat()
    assert heard.doing == [""]


def test_nobody_need_hear(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "_pulses", [])
    pulse.beat(doing="Solving")
