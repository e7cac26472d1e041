"""What the runs of a page have in common, and what cannot be compared for lack of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from envmap_inverse.run.reading import Image, Run

__all__ = ["cautions", "differing", "first_of_equals", "loss_kinds"]

OWN = {"output"}
"""Settings that each run has for itself."""


def first_of_equals(images: Sequence[Image | None]) -> list[int]:
    """Numbers of the images that equal none before them."""
    return [
        number
        for number, image in enumerate(images)
        if not any(np.array_equal(image, earlier) for earlier in images[:number])  # type: ignore[arg-type]
    ]


def differing(mappings: Sequence[Mapping[str, Any]]) -> set[str]:
    """Keys whose values differ, but for those that each run has for itself."""
    keys = {key for mapping in mappings for key in mapping} - OWN
    first, *others = mappings
    return {key for key in keys if any(other.get(key) != first.get(key) for other in others)}


def loss_kinds(runs: Sequence[Run]) -> list[str]:
    """The loss of each run as its option; that of the demo is known by its optimizer."""
    chosen = [run.summary["settings"] for run in runs]
    return [str(each.get("loss") or f"that of {each.get('optimizer')}") for each in chosen]


def cautions(runs: Sequence[Run]) -> Iterator[str]:
    """Sentences that say which numbers of the runs cannot be compared."""
    if len({str(run.summary["settings"].get("scene")) for run in runs}) > 1:
        yield "The scenes differ: only maps and their errors can be compared."
    if len(first_of_equals([run.pictures[0][0] for run in runs if run.pictures])) > 1:
        yield "The pictures differ: PSNR, FLIP, chi2 and losses cannot be compared."
    if len(first_of_equals([run.ground_truth for run in runs if run.ground_truth is not None])) > 1:
        yield "The true maps differ: errors of the maps cannot be compared."
    if len(set(loss_kinds(runs))) > 1:
        yield "The losses differ in kind and cannot be compared: each has curves of its own."
