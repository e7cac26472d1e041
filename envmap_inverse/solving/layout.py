"""The names of a run's files. They are here because `Estimate.save` writes some of them."""

from __future__ import annotations

import re

__all__ = [
    "CHECKPOINT_FILES",
    "COVERAGE",
    "DEVIATION",
    "ENVMAP",
    "ENVMAP_PNG",
    "GROUND_TRUTH",
    "HISTORY",
    "OWN_FILES",
    "REFERENCE_FRAME",
    "RENDER_PNG",
    "REPORT",
    "SEEN",
    "SETTINGS",
    "SUMMARY",
    "THUMBNAILS",
    "VIDEO",
    "checkpoint",
    "frame",
    "kept_transport",
    "reference",
    "render",
    "residual",
    "sample",
]

SETTINGS = "run.toml"
HISTORY = "history.jsonl"
"""A line for each iteration."""
SUMMARY = "summary.json"
"""Written last: it stands for a complete folder."""

ENVMAP, ENVMAP_PNG = "envmap.exr", "envmap.png"
COVERAGE = "coverage.exr"
DEVIATION = "deviation.exr"
SEEN = "seen.exr"
GROUND_TRUTH = "ground_truth.exr"
RENDER_PNG = "render.png"

REPORT = "report.html"
THUMBNAILS = "thumbnails.npz"
VIDEO = "convergence.mp4"
REFERENCE_FRAME = "out_ref.png"

CHECKPOINT_FILES = re.compile(r"checkpoint_\d{6,}\.npz|transport_[0-9a-f]{16}\.npz")
OWN_FILES = re.compile(
    r"(envmap|render|reference|residual|coverage|deviation|seen|ground_truth)\.(exr|png)"
    r"|(render|reference|sample|residual)_\d+\.exr"
    rf"|{CHECKPOINT_FILES.pattern}"
    r"|history\.jsonl|summary\.json|run\.toml|thumbnails\.npz|(report|compare)\.html"
    r"|convergence\.mp4|(out|envmap)_(\d{3,}|ref)\.png"
)
"""All that a run writes, or wrote in an earlier version; `--overwrite` removes nothing else."""


def reference(number: int) -> str:
    """The picture of a view, counted from 0."""
    return f"reference_{number}.exr" if number else "reference.exr"


def render(number: int) -> str:
    """File of a view rendered under the recovered map."""
    return f"render_{number}.exr" if number else "render.exr"


def residual(number: int) -> str:
    """Differences of a view's picture and its rendering, over their standard deviation."""
    return f"residual_{number}.exr" if number else "residual.exr"


def sample(number: int) -> str:
    """A map drawn at random."""
    return f"sample_{number:03d}.exr"


def frame(name: str, index: int) -> str:
    """A picture of an iteration: of the first view ("out") or of the map ("envmap")."""
    return f"{name}_{index:03d}.png"


def checkpoint(num_done: int) -> str:
    """The state after a number of iterations."""
    return f"checkpoint_{num_done:06d}.npz"


def kept_transport(digest: str) -> str:
    """The light transport of a run, by the hash of what it follows from."""
    return f"transport_{digest[:16]}.npz"
