"""The files of a run, by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RESULTS = {
    "envmap.exr",
    "envmap.png",
    "render.exr",
    "render.png",
    "coverage.exr",
    "residual.exr",
    "seen.exr",
    "history.jsonl",
    "summary.json",
    "run.toml",
    "thumbnails.npz",
    "report.html",
}
"""What every run leaves."""


def frames_of(iterations: int) -> set[str]:
    numbered = {f"{kind}_{k:03d}.png" for kind in ("out", "envmap") for k in range(iterations)}
    return numbered | {"out_ref.png", "convergence.mp4"}


def names_in(folder: Path) -> set[str]:
    """Names of a folder's files, without the lock of a run that goes on."""
    return {path.name for path in folder.iterdir()} - {".lock"}


def history_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
