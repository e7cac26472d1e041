from __future__ import annotations

import warnings

import numpy as np
import pytest

from envmap_inverse.console.logs import show_warning, start_logging


def test_overflows_in_numpy_are_explained_once(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    start_logging(0, quiet=False, log_file=None)
    monkeypatch.setattr(warnings, "showwarning", show_warning)
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        for _ in range(2):
            np.square(np.float32([1e30]))
            np.float32([0]) / np.float32([0])
        warnings.warn("something else", stacklevel=1)
    first, second = capsys.readouterr().err.splitlines()
    assert first.startswith("warning: numbers became too large or too small")
    assert second == "warning: something else"
