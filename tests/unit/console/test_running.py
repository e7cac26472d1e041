"""The end of a run, in words."""

from __future__ import annotations

import pytest

from envmap_inverse.console.running import fail


def test_a_long_word_is_shortened(capsys: pytest.CaptureFixture[str]) -> None:
    assert fail(f"-o {5000 * 'n'}.exr: the reason\n{100 * 'm'}: another", 2) == 2
    first, second = capsys.readouterr().err.splitlines()
    assert first == f"error: -o {60 * 'n'}...{25 * 'n'}.exr: the reason"
    assert second == f"error: {100 * 'm'}: another"
