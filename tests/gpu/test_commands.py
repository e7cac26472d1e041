"""The command line, which takes a GPU by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from envmap_inverse.images import read_image

COMMAND = Path(sys.executable).with_name("envmap-inverse")


def call(*arguments: Any) -> str:
    environment = {k: v for k, v in os.environ.items() if k != "DRJIT_LIBLLVM_PATH"}
    command = [str(COMMAND), *map(str, arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_runs_on_the_gpu(tmp_path: Path, variant: str) -> None:
    call("demo", "--size", 256, "--iterations", 20, "--no-frames", "-o", tmp_path / "demo")
    for folder in (tmp_path / "demo", tmp_path / "demo" / "tutorial"):
        summary = json.loads((folder / "summary.json").read_text())
        assert summary["status"] == "done"
        assert summary["versions"]["variant"] == variant
        assert np.ptp(read_image(folder / "envmap.exr")) > 0


def test_doctor_names_the_variant(variant: str) -> None:
    assert f"{variant} (" in " ".join(call("doctor").split())
