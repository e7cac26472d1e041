"""Run a problem: show it, write its files, end well at a signal."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import typer

from envmap_inverse.backend import limited_threads
from envmap_inverse.console.logs import MET_WARNINGS
from envmap_inverse.console.output import ProgressDisplay, say, tell
from envmap_inverse.errors import InputError
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Iteration, Problem, start_exposures
from envmap_inverse.report import write_report
from envmap_inverse.report.live import LiveView
from envmap_inverse.run.checkpoints import Checkpoints, fingerprints
from envmap_inverse.run.folder import MAX_PICTURES, RunFolder, bytes_of_run
from envmap_inverse.solving.estimate import solve
from envmap_inverse.system.memory import check_disk, check_memory

CHECKPOINT_EVERY = 30.0

__all__ = ["check_room", "fail", "run"]


def check_room(problem: Problem, optimizer: Optimizer, folder: Path, *, frames: bool) -> None:
    """Refuse a run for which memory, the disk or Mitsuba's numbers are too small.

    Raises:
        InputError: if one is.
    """
    num_pixels = [view.image.size // 3 for view in problem.views]
    num_texels = problem.initial.size // 3
    check_memory(sum(num_pixels), num_texels)
    num_frames = optimizer.num_steps if frames else 0
    num_others = sum(num_pixels[1:MAX_PICTURES])
    check_disk(folder, bytes_of_run(num_pixels[0], num_texels, num_frames, num_others))
    num_paths = max(num_pixels) * (getattr(optimizer, "spp", None) or 1)
    if num_paths >= 2**32:
        raise InputError(
            f"--spp: {num_paths} paths in one picture are more than Mitsuba can count; lower it"
        )


def run(
    run_folder: RunFolder,
    problem: Problem,
    optimizer: Optimizer,
    *,
    loading: float,
    report: bool,
    live: LiveView | None = None,
    checkpoint_every: float = CHECKPOINT_EVERY,
    threads: int | None = None,
) -> dict[str, Any]:
    """Solve a problem, showing it and writing its files; exits 130 or 143 if a signal ended it.

    A signal that comes when the problem is solved ends nothing: all files are written.
    """
    checkpoints = Checkpoints(
        run_folder.path,
        fingerprints(problem, optimizer),
        every=checkpoint_every,
        before=run_folder.flush,
    )
    with _stop_at_signal() as stop, run_folder:
        earlier, _ = checkpoints.restore() or ([], {})
        run_folder.begin(
            problem.views[0].image,
            problem.ground_truth,
            exposure=start_exposures(problem.views)[0][0],
            earlier=earlier,
        )
        if live is not None:
            live.begin(earlier)
            say(f"live view at {live.address}")

        def on_iteration(iteration: Iteration) -> bool:
            run_folder.add(iteration)
            display.show(iteration)
            if live is not None:
                live.show(iteration)
            return stop.number is not None

        with ProgressDisplay(optimizer.num_steps) as display, limited_threads(threads):
            result = solve(problem, optimizer, on_iteration, checkpoints)
        run_folder.close()
        summary = run_folder.finish(result, problem, loading=loading, notes=MET_WARNINGS)
        if result.status == "done":
            checkpoints.remove()
        _print_summary(run_folder.path, summary)
        page = write_report(run_folder.path) if report else None
    if page is not None:
        tell(f"report in {page}")
    if live is not None:
        live.end(result.status, page)
    _exit_if_ended_early(stop, result.status)
    return summary


def _exit_if_ended_early(stop: _Stop, status: str) -> None:
    if stop.number is not None:
        raise typer.Exit(128 + stop.number)
    if status != "done":
        raise typer.Exit(fail(status, 1))


class _Stop:
    """Which signal asked the run to end."""

    number: int | None = None


@contextmanager
def _stop_at_signal() -> Iterator[_Stop]:
    """Note the first SIGINT or SIGTERM; a second one acts at once, as without this."""
    stop, numbers = _Stop(), (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        stop.number = number
        restore()

    for number in numbers:
        signal.signal(number, note)
    try:
        yield stop
    finally:
        if stop.number is None:  # else it has been done, and more signals may have come
            restore()


def _print_summary(folder: Path, summary: Mapping[str, Any]) -> None:
    seconds = summary["seconds"]
    lines = [
        f"{summary['iterations']} iterations in {seconds['optimize']:.2f} s, "
        f"{seconds['total']:.1f} s in total",
        f"final loss {_number(summary['loss'])}",
    ]
    if summary["error"] is not None:
        lines.append(f"sum of squared errors of the map {_number(summary['error'])}")
    if summary["dropped_steps"]:
        lines.append(f"{summary['dropped_steps']} steps met NaN or infinity and were dropped")
    for number, clipped in enumerate(summary["clipped_share"]):
        if any(clipped.values()):
            lines.append(
                f"picture {number}: {100 * clipped['over']:.1f} % of its values are clipped at the "
                f"top, {100 * clipped['under']:.1f} % at the bottom"
            )
    if "auto" in str(summary["settings"].get("exposure")):
        for number, exposure in enumerate(summary["exposures"] or ()):
            values = ":".join(dict.fromkeys(f"{value:.4g}" for value in exposure))
            lines.append(f"picture {number}: exposure {values}")
    lines.append(f"{100 * summary['seen_share']:.1f} % of the texels are seen by the pictures")
    lines.append(f"results in {folder}/ (envmap.exr is the map; look at envmap.png, render.png)")
    tell("\n".join(lines))


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"


def fail(message: str, status: int) -> int:
    """Write an error as one line; returns the exit status."""
    sys.stderr.write(f"error: {message}\n")
    return status
