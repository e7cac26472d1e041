"""Mutated files are refused or read, and nothing else; see fuzz.py."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_mutated_files_are_refused_in_one_line_or_read(tmp_path: Path, is_long: bool) -> None:
    num_mutants, seed = (20_000, 1) if is_long else (120, 0)
    options = ("--mutants", num_mutants, "--seed", seed, "-o", tmp_path)
    done = subprocess.run(
        [sys.executable, Path(__file__).parent, *map(str, options)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("ended with") > 19  # there are 22 kinds of input
