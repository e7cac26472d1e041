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
    "LIGHTS",
    "MESH_SCENE",
    "OWN_FILES",
    "REFERENCE_FRAME",
    "REFINED",
    "RENDER_PNG",
    "REPORT",
    "RESPONSE",
    "SCENE",
    "SEEN",
    "SEQUENCE",
    "SEQUENCE_FILES",
    "SEQUENCE_VIDEO",
    "SETTINGS",
    "START",
    "SUMMARY",
    "THUMBNAILS",
    "UNWRAP",
    "VIDEO",
    "checkpoint",
    "crop",
    "frame",
    "kept_transport",
    "map_of_frame",
    "mask",
    "outliers",
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
START = "start.exr"
"""The start map, of a run whose own map is of no use."""
REFINED = "refined.json"
"""What a search for numbers of the scene has found, for a run that is resumed."""
RENDER_PNG = "render.png"
SCENE, MESH_SCENE = "ball_scene.xml", "mesh_scene.xml"
UNWRAP = "unwrap.exr"
RESPONSE = "response.csv"
"""The curve of the camera, if one was found for all pictures."""

REPORT = "report.html"
THUMBNAILS = "thumbnails.npz"
VIDEO = "convergence.mp4"
REFERENCE_FRAME = "out_ref.png"

SEQUENCE = "frames"
"""The folder with a map for each frame of a sequence."""
SEQUENCE_VIDEO = "sequence.mp4"
LIGHTS = "lights.json"
"""The brightest lights of a sequence over its frames."""

CHECKPOINT_FILES = re.compile(r"checkpoint_\d{6,}\.npz|transport_[0-9a-f]{16}\.npz")
OWN_FILES = re.compile(
    r"(envmap|start|render|reference|residual|coverage|deviation|seen|ground_truth)\.(exr|png)"
    r"|(render|reference|sample|residual|ball_crop)_\d+\.exr"
    r"|ball_mask_\d+\.png|outliers(_\d+)?\.png|unwrap\.exr|(ball|mesh)_scene\.xml|response\.csv"
    rf"|{CHECKPOINT_FILES.pattern}"
    r"|history\.jsonl|summary\.json|run\.toml|refined\.json|thumbnails\.npz|(report|compare)\.html"
    r"|sequence\.mp4|lights\.json"
    r"|convergence\.mp4|(out|envmap)_(\d{3,}|ref)\.png"
)
"""All that a run writes, or wrote in an earlier version; `--overwrite` removes nothing else."""

SEQUENCE_FILES = re.compile(r"envmap_\d{4,}\.exr")
"""All that it writes into the folder `SEQUENCE`."""


def reference(number: int) -> str:
    """The picture of a view, counted from 0."""
    return f"reference_{number}.exr" if number else "reference.exr"


def crop(number: int) -> str:
    """The part of a picture that shows a ball, of `envmap-inverse ball --save-scene`."""
    return f"ball_crop_{number}.exr"


def mask(number: int) -> str:
    """The mask of that part."""
    return f"ball_mask_{number}.png"


def render(number: int) -> str:
    """File of a view rendered under the recovered map."""
    return f"render_{number}.exr" if number else "render.exr"


def residual(number: int) -> str:
    """Differences of a view's picture and its rendering, over their standard deviation."""
    return f"residual_{number}.exr" if number else "residual.exr"


def outliers(number: int) -> str:
    """Which pixels of a view were left out, as no map explains them."""
    return f"outliers_{number}.png" if number else "outliers.png"


def sample(number: int) -> str:
    """A map drawn at random."""
    return f"sample_{number:03d}.exr"


def frame(name: str, index: int) -> str:
    """A picture of an iteration: of the first view ("out") or of the map ("envmap")."""
    return f"{name}_{index:03d}.png"


def map_of_frame(number: int) -> str:
    """The map of a frame of a sequence, counted from 0; in the folder `SEQUENCE`."""
    return f"envmap_{number + 1:04d}.exr"


def checkpoint(num_done: int) -> str:
    """The state after a number of iterations."""
    return f"checkpoint_{num_done:06d}.npz"


def kept_transport(digest: str) -> str:
    """The light transport of a run, by the hash of what it follows from."""
    return f"transport_{digest[:16]}.npz"
