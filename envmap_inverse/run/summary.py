"""The content of a run's `summary.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from envmap_inverse.metrics import compare_maps
from envmap_inverse.problem.brackets import response_summary
from envmap_inverse.problem.problem import Problem
from envmap_inverse.solving.estimate import Estimate
from envmap_inverse.solving.fit import Fit
from envmap_inverse.solving.outliers import outlier_shares
from envmap_inverse.solving.saving import summary_of, versions

__all__ = ["few_numbers_in_words", "fit_in_words", "summary_of_run"]


def summary_of_run(
    result: Estimate,
    problem: Problem,
    fit: Fit,
    *,
    exposure: float,
    seconds: Mapping[str, float],
    settings: Mapping[str, Any],
    notes: Sequence[str],
) -> dict[str, Any]:
    """Sum up a run.

    Args:
        result: what was found.
        problem: what was solved.
        fit: how the pictures compare with renderings under the result.
        exposure: of the pictures that the run wrote; see `tonemap`.
        seconds: by phase, and "total".
        settings: every option of the run, by its name on the command line.
        notes: warnings that the run met.
    """
    truth = problem.ground_truth
    return summary_of(result) | {
        "metrics": {} if truth is None else compare_maps(result.texels, truth, result.coverage),
        "clipped_share": [view.clipped_share for view in problem.views],
        "crops": [view.crop for view in problem.views],
        "distance": str(problem.scene.surroundings or "infinite"),
        "exposure": exposure,
        "fit": fit.as_dict(),
        "response": response_summary(problem.views),
        "noise": [asdict(view.noise_model) for view in problem.views],
        "outlier_share": _outlier_shares(result, problem),
        "seconds": dict(seconds),
        "settings": dict(settings),
        "shifts": [view.shift for view in problem.views],
        "versions": versions(),
        "warnings": list(notes),
        "windows": [view.window and list(view.window.place) for view in problem.views],
    }


def _outlier_shares(result: Estimate, problem: Problem) -> list[float] | None:
    return None if result.outliers is None else outlier_shares(problem.views, result.outliers)


def fit_in_words(fit: Mapping[str, Any]) -> str:
    """Report the verdict on a fit with its numbers, and the reason.

    Args:
        fit: as `summary.json` has it.
    """
    words = {
        "within noise": "the scene and the map explain the pictures",
        "partly": "the scene and the map explain the pictures, but for small errors",
        "no": "the scene does not explain the pictures",
    }[fit["verdict"]]
    numbers = "chi2 not finite" if fit["chi2"] is None else f"chi2 {fit['chi2']:.3g}"
    if (held_out := fit.get("held_out")) and held_out["chi2"] is not None:
        numbers += (
            f", and {held_out['chi2']:.3g} for {held_out['pixels']} pixels held out, where up to "
            f"1 +- {held_out['spread']:.2g} is expected"
        )
    reason = f": {fit['reason']}" if fit["reason"] else ""
    return f"{words} ({numbers}){reason}"


def few_numbers_in_words(summary: Mapping[str, Any]) -> list[str]:
    """Report which few numbers were solved for in place of texels, and those of sun and sky.

    Args:
        summary: as `summary.json` has it.
    """
    found = summary.get("few_numbers")
    if not found:
        return []
    lines = [f"solved for the {found['numbers']} numbers of {found['parameterization']}"]
    if "turbidity" in found:
        x, y, z = found["sun_direction"]
        turns = [math.degrees(each) for each in found["sun_direction_deviation"]]
        lines.append(
            f"turbidity {found['turbidity']:.2f} +- {found['turbidity_deviation']:.2g}, sun at "
            f"{x:.3f}, {y:.3f}, {z:.3f} +- {turns[0]:.2g} x {turns[1]:.2g} degrees, sun_scale "
            f"{found['sun_scale']:.3g} +- {found['sun_scale_deviation']:.2g}, sky_scale "
            f"{found['sky_scale']:.3g} +- {found['sky_scale_deviation']:.2g}"
        )
    return lines
