"""Pictures that stand still on the page: residuals and outliers of a single run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from envmap_inverse.images import shrink, tonemap
from envmap_inverse.report.pictures import MAX_PIXELS, jpeg, marked, residual
from envmap_inverse.run.reading import Run

__all__ = ["outlier_stills", "residual_stills"]

Still = tuple[str, str, tuple[int, int]]


def residual_stills(runs: Sequence[Run]) -> list[Still]:
    """Caption, data URI and size of each residual of a single run."""
    found = runs[0].residuals if len(runs) == 1 else []
    pictures = [residual(values) for values in found]
    return [
        (f"Residual{f' {number}' if len(found) > 1 else ''}", jpeg(shown), shown.shape[1::-1])
        for number, shown in enumerate(pictures, 1)
    ]


def outlier_stills(runs: Sequence[Run], exposure: float) -> Iterator[Still]:
    """Caption, data URI and size of each picture with outliers of a single run."""
    for number, mask in runs[0].outliers.items() if len(runs) == 1 else ():
        shown = marked(tonemap(shrink(runs[0].pictures[number][0], MAX_PIXELS), exposure), mask)
        of = f" of picture {number + 1}" if len(runs[0].pictures) > 1 else ""
        share = 100 * runs[0].summary["outlier_share"][number]
        yield f"Outliers{of}: {share:.2g} % of its pixels", jpeg(shown), shown.shape[1::-1]
