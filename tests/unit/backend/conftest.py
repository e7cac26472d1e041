"""Python in another process."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

import pytest


@pytest.fixture(scope="session")
def run_python() -> Callable[..., subprocess.CompletedProcess[str]]:
    """Runs code in another process, without the libLLVM that was chosen in this one."""

    def run(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
        inherited = {k: v for k, v in os.environ.items() if k != "DRJIT_LIBLLVM_PATH"}
        return subprocess.run(
            [sys.executable, "-c", code],
            env={**inherited, **environment},
            capture_output=True,
            text=True,
            check=False,
        )

    return run
