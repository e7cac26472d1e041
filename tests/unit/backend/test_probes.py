"""Code that is tried in a child process."""

from __future__ import annotations

from envmap_inverse.backend.probes import probe


def test_a_probe_tells_the_signal_that_ended_it() -> None:
    problem = probe("import os; os.abort()")
    assert problem == "a test kernel ended with signal 6"


def test_a_probe_tells_the_last_line_of_an_error() -> None:
    problem = probe("raise ValueError('no luck')")
    assert problem == "a test kernel failed: ValueError: no luck"


def test_a_probe_that_ends_well_has_no_problem() -> None:
    assert probe("pass") is None


def test_a_probe_that_says_nothing_has_failed_all_the_same() -> None:
    assert probe("raise SystemExit(1)") == "a test kernel failed: no message"
