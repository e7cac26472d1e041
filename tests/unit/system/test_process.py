from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from envmap_inverse.system.process import seconds_since_start

CODE = """
import time
time.sleep(0.2)
from envmap_inverse.system.process import seconds_since_start
print(seconds_since_start())
"""


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_the_wait_counts_from_the_start_of_the_process() -> None:
    begun = time.perf_counter()
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, check=True)
    waited = time.perf_counter() - begun
    assert 0.2 < float(done.stdout) < waited + 0.02  # the kernel counts hundredths


def test_elsewhere_it_counts_from_the_import(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> str:
        raise FileNotFoundError

    exact = seconds_since_start()
    monkeypatch.setattr(Path, "read_text", refuse)
    assert 0 < seconds_since_start() < exact + 1
