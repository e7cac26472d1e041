"""The files of an estimate. `Estimate.save` writes them, and the folder of a run has them too."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import asdict
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from envmap_inverse.backend import mi
from envmap_inverse.errors import InputError, cannot_write
from envmap_inverse.images import display_exposure, encode_png, tonemap, write_image
from envmap_inverse.problem.numbers_posterior import NumbersPosterior
from envmap_inverse.problem.solution import Record
from envmap_inverse.solving import layout
from envmap_inverse.system.strict_json import to_json
from envmap_inverse.system.writing import write_bytes
from envmap_inverse.version import __version__

if TYPE_CHECKING:
    from envmap_inverse.solving.result import Estimate

__all__ = ["line_of", "save", "summary_of", "versions", "write_maps"]


def save(result: Estimate, folder: Path, *, overwrite: bool) -> None:
    """Write an estimate's files; see `Estimate.save`."""
    if (folder / layout.SETTINGS).exists():
        raise InputError(
            f"{folder}: holds a run of the command line ({layout.SETTINGS}); name another folder"
        )
    earlier = sorted(
        path.name for path in folder.glob("*") if layout.OWN_FILES.fullmatch(path.name)
    )
    if earlier and not overwrite:
        raise InputError(
            f"{folder}: has {earlier[0]} of an earlier result; name another folder, or set "
            "overwrite=True"
        )
    exposure = display_exposure(result.texels)
    summary = summary_of(result) | {
        "exposure": exposure,
        "seconds": {"total": result.seconds, **result.phases},
        "versions": versions(),
    }
    lines = "".join(f"{line_of(record)}\n" for record in result.history)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / layout.SUMMARY).unlink(missing_ok=True)
        write_maps(folder, result, exposure)
        write_bytes(folder / layout.HISTORY, lines.encode())
        write_bytes(folder / layout.SUMMARY, f"{to_json(summary, indent=2)}\n".encode())
    except OSError as error:
        raise cannot_write(str(folder), error) from None


def write_maps(folder: Path, result: Estimate, exposure: float, samples: int = 0) -> None:
    """Write `envmap.exr`, `envmap.png`, `coverage.exr` and `seen.exr`; `deviation.exr` if known.

    Args:
        folder: where; it exists.
        result: the estimate.
        exposure: factor on the map for the PNG.
        samples: how many maps to draw and write as `sample_000.exr` and so on.

    Raises:
        OSError: if a file cannot be written.
    """
    write_image(folder / layout.ENVMAP, result.texels)
    write_image(folder / layout.COVERAGE, result.coverage)
    write_image(folder / layout.SEEN, np.repeat(result.seen[:, :, None], 3, axis=2))
    if result.deviation is None:
        (folder / layout.DEVIATION).unlink(missing_ok=True)
    else:
        write_image(folder / layout.DEVIATION, result.deviation)
    for number, texels in enumerate(result.samples(samples) if samples else ()):
        write_image(folder / layout.sample(number), texels)
    write_bytes(folder / layout.ENVMAP_PNG, encode_png(tonemap(result.texels, exposure)))


def summary_of(result: Estimate) -> dict[str, Any]:
    """The entries of `summary.json` that follow from an estimate alone."""
    last = result.history[-1]
    return {
        "status": result.status,
        "iterations": len(result.history),
        "dropped_steps": result.num_dropped,
        "loss": last.loss,
        "error": last.error,
        "negative_share": float((result.texels < 0).mean()),
        "seen_share": float(np.any(result.coverage > 0, axis=2).mean()),
        "exposures": None if result.exposures is None else result.exposures.tolist(),
        "few_numbers": _few_numbers(result),
        **_refined(result),
        **({"workers": list(result.workers)} if result.workers else {}),
    }


def _few_numbers(result: Estimate) -> dict[str, Any] | None:
    """The numbers that the map follows from; None for texels."""
    if not isinstance(result.posterior, NumbersPosterior):
        return None
    return {"parameterization": result.parameterization, **result.posterior.described()}


def _refined(result: Estimate) -> dict[str, Any]:
    """The numbers of the scene that were refined, and the scene's parameters that they decide."""
    if result.refinement is None:
        return {}
    numbers = {name: asdict(number) for name, number in result.refined.items()}
    return {"refined": numbers, "refined_parameters": dict(result.refinement.values)}


def line_of(record: Record, metrics: Mapping[str, float] | None = None) -> str:
    """The line of `history.jsonl` of one iteration."""
    return to_json(record.as_dict() | dict(metrics or {}))


def versions() -> dict[str, str]:
    """Versions of what took part, and the variant."""
    found = {name: metadata.version(name) for name in ("mitsuba", "drjit", "numpy")}
    return {
        "envmap_inverse": __version__,
        **found,
        "python": platform.python_version(),
        "variant": str(mi.variant()),
    }
