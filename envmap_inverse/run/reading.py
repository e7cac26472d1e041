"""Read what a page shows: a run's folder, or two maps that were compared."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import read_image
from envmap_inverse.problem.solution import Record
from envmap_inverse.run.thumbnails import Thumbnails
from envmap_inverse.solving import layout
from envmap_inverse.system.reading import read_whole
from envmap_inverse.system.structured import parse_json

__all__ = ["Run"]

SUMMARY_KEYS = (
    *("status", "iterations", "loss", "metrics", "seen_share", "exposure"),
    *("seconds", "settings", "versions", "warnings"),
)
HISTORY_KEYS = tuple(field.name for field in fields(Record))

Image = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Run:
    """The results of a run, or of an evaluation, which has neither pictures nor a history.

    Attributes:
        path: the folder as the caller named it; for an evaluation, the file of the map.
        summary: `summary.json`.
        history: the lines of `history.jsonl`.
        pictures: radiance of the first references, each paired with its view under the recovered
            map, of shape (h, w, 3); an evaluation has none.
        envmap: the recovered map, shape (H, W, 3).
        coverage: how strongly the pictures see each texel, shape (H, W, 3), if it is known.
        deviation: standard deviation of each texel, if the optimizer reported it.
        ground_truth: the true map, if it is known.
        unwrap: the map by geometry alone, if the pictures are of a mirror ball.
        residuals: of the first pictures, over their standard deviation, as far as there are files.
        outliers: which pixels of these pictures were left out, by number of the picture; of those
            that have any.
        thumbnails: pictures of some iterations, unless an older version made the folder.
    """

    path: Path
    summary: dict[str, Any]
    history: list[dict[str, Any]]
    pictures: list[tuple[Image, Image]]
    envmap: Image
    coverage: Image | None
    deviation: Image | None
    ground_truth: Image | None
    thumbnails: Thumbnails | None
    unwrap: Image | None = None
    residuals: list[Image] = field(default_factory=list)
    outliers: dict[int, NDArray[np.bool_]] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path) -> Run:
        """Read a run folder.

        Raises:
            InputError: if it is not a run folder, or a file in it is missing or damaged.
        """
        if not (path / layout.SUMMARY).is_file():
            raise InputError(f"{path}: holds no finished run; it has no {layout.SUMMARY}")
        try:
            summary = parse_json((path / layout.SUMMARY).read_bytes())
            lines = read_whole(path / layout.HISTORY).splitlines()
            history = [parse_json(line) for line in lines]
            _check_keys(summary, SUMMARY_KEYS)
            for line in history:
                _check_keys(line, HISTORY_KEYS)
        except (OSError, ValueError) as error:
            raise InputError(
                f"{path}: {layout.SUMMARY} or {layout.HISTORY} is damaged: {error}; repeat the run"
            ) from None
        kept = path / layout.THUMBNAILS
        return cls(
            path=path,
            summary=summary,
            history=history,
            pictures=[
                (reference / _exposure(summary, number), render)
                for number, (reference, render) in enumerate(_read_pictures(path))
            ],
            envmap=read_image(path / layout.ENVMAP),
            coverage=read_image(path / layout.COVERAGE),
            deviation=_read_if_there(path / layout.DEVIATION),
            ground_truth=_read_if_there(path / layout.GROUND_TRUTH),
            thumbnails=Thumbnails.read(kept) if kept.exists() else None,
            unwrap=_read_if_there(path / layout.UNWRAP),
            residuals=list(_read_residuals(path)),
            outliers=dict(_read_outliers(path, summary)),
        )


def _read_pictures(path: Path) -> Iterator[tuple[Image, Image]]:
    """Read references and their fits: the first, and any others that exist."""
    for number in itertools.count():
        names = layout.reference(number), layout.render(number)
        if number and not (path / names[1]).exists():
            return
        reference, render = (read_image(path / name) for name in names)
        if reference.shape != render.shape:
            raise InputError(
                f"{path}: {names[1]} has the shape {render.shape} but {names[0]} "
                f"{reference.shape}; repeat the run"
            )
        yield reference, render


def _read_residuals(path: Path) -> Iterator[Image]:
    for number in itertools.count():
        residuals = _read_if_there(path / layout.residual(number))
        if residuals is None:
            return
        yield residuals


def _read_outliers(path: Path, summary: dict[str, Any]) -> Iterator[tuple[int, NDArray[np.bool_]]]:
    for number in range(len(summary.get("outlier_share") or ())):
        mask = _read_if_there(path / layout.outliers(number))
        if mask is not None:
            yield number, mask.max(axis=2) > 0.5


def _exposure(summary: dict[str, Any], number: int) -> Image:
    """Factor from radiance to a reference's values, for each channel."""
    known = summary.get("exposures")
    return np.asarray(known[number] if known else 1.0, np.float32)


def _read_if_there(path: Path) -> Image | None:
    return read_image(path) if path.exists() else None


def _check_keys(mapping: Any, keys: Collection[str]) -> None:
    missing = sorted(set(keys) - set(mapping))
    if missing:
        raise ValueError(f"no {missing[0]!r} in it")
