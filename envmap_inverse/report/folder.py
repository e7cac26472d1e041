"""What a page shows: what a run left in its folder, or two maps that were compared."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.thumbnails import Thumbnails

__all__ = ["Run"]

SUMMARY_KEYS = (
    *("status", "iterations", "loss", "metrics", "seen_share", "exposure"),
    *("seconds", "settings", "versions", "warnings"),
)
HISTORY_KEYS = ("index", "loss", "error", "seconds")

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The files of a run folder, or of an evaluation, which has neither pictures nor a history.

    Attributes:
        path: the folder, as it was named; of an evaluation the file of the map.
        summary: `summary.json`.
        history: the lines of `history.jsonl`.
        pictures: radiance of the first reference, and the same under the recovered map, each of
            shape (h, w, 3).
        envmap: the recovered map, shape (H, W, 3).
        coverage: how strongly the pictures see each texel, shape (H, W, 3), if it is known.
        deviation: standard deviation of each texel, if the optimizer told it.
        ground_truth: the true map, if it is known.
        thumbnails: pictures of some iterations, unless an older version made the folder.
    """

    path: Path
    summary: dict[str, Any]
    history: list[dict[str, Any]]
    pictures: tuple[Image, Image] | None
    envmap: Image
    coverage: Image | None
    deviation: Image | None
    ground_truth: Image | None
    thumbnails: Thumbnails | None

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run folder.

        Raises:
            InputError: if it is none, or a file in it is missing or damaged.
        """
        if not (path / "summary.json").is_file():
            raise InputError(f"{path}: holds no finished run; it has no summary.json")
        try:
            summary = json.loads((path / "summary.json").read_text(encoding="utf-8"))
            lines = (path / "history.jsonl").read_text(encoding="utf-8").splitlines()
            history = [json.loads(line) for line in lines]
            _check_keys(summary, SUMMARY_KEYS)
            for line in history:
                _check_keys(line, HISTORY_KEYS)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: summary.json or history.jsonl is damaged: {error}; repeat the run"
            ) from None
        reference, render = (read_image(path / f"{name}.exr") for name in ("reference", "render"))
        if reference.shape != render.shape:
            raise InputError(
                f"{path}: render.exr has the shape {render.shape} but reference.exr "
                f"{reference.shape}; repeat the run"
            )
        kept = path / "thumbnails.npz"
        return cls(
            path=path,
            summary=summary,
            history=history,
            pictures=(reference / _exposure(summary), render),
            envmap=read_image(path / "envmap.exr"),
            coverage=read_image(path / "coverage.exr"),
            deviation=_read_if_there(path / "deviation.exr"),
            ground_truth=_read_if_there(path / "ground_truth.exr"),
            thumbnails=Thumbnails.read(kept) if kept.exists() else None,
        )


def _exposure(summary: dict[str, Any]) -> Image:
    """Factor from radiance to the first reference's values, of each channel."""
    known = summary.get("exposures")
    return np.asarray(known[0] if known else 1.0, np.float32)


def _read_if_there(path: Path) -> Image | None:
    return read_image(path) if path.exists() else None


def _check_keys(mapping: Any, keys: Collection[str]) -> None:
    missing = sorted(set(keys) - set(mapping))
    if missing:
        raise ValueError(f"no {missing[0]!r} in it")
