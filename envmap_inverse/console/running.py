"""A run on the command line: shown while it goes, ended by signals, summed up in words."""

from __future__ import annotations

import contextlib
import re
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Protocol

import typer

from envmap_inverse.console.output import (
    WHY_ERRORS_DISAGREE,
    Errors,
    errors_disagree,
    phases_in_words,
    tell,
)
from envmap_inverse.console.progress import PlainProgress
from envmap_inverse.optimizers.protocol import Optimizer
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.refining.choices import Refine, Refined
from envmap_inverse.refining.search import Refinement, Refiner
from envmap_inverse.report import write_report
from envmap_inverse.report.live import LiveView
from envmap_inverse.report.shots import picture_names
from envmap_inverse.run import session
from envmap_inverse.run.checkpoints import fingerprints
from envmap_inverse.run.folder import RunFolder
from envmap_inverse.run.refined import kept_refinement
from envmap_inverse.run.summary import few_numbers_in_words, fit_in_words
from envmap_inverse.system.process import seconds_since_start
from envmap_inverse.system.progress import is_watched, stage, watched_by
from envmap_inverse.system.pulse import beat

__all__ = ["Watch", "command_to_resume", "fail", "run", "shown", "stop_at_signal"]

SAME_SIGNAL = 0.1
"""Seconds."""

_LONG_WORD = re.compile(r"(\S{60})\S{90,}(\S{30})")


def run(
    run_folder: RunFolder,
    problem: Problem,
    optimizer: Optimizer,
    *,
    starting: float,
    loading: float,
    notes: Sequence[str],
    report: bool,
    live: LiveView | None = None,
    checkpoint_every: float = session.CHECKPOINT_EVERY,
    threads: int | None = None,
    is_all: bool = True,
    refine: Refine | None = None,
    write_more: Callable[[dict[str, Any]], None] | None = None,
) -> dict[str, Any]:
    """Solve a problem, show it and write its files; exit with 130 or 143 if a signal ended it.

    A signal that arrives once the problem is solved ends nothing: all files are written.

    Args:
        run_folder: the folder for the files.
        problem: the problem to solve.
        optimizer: the optimizer to solve it with.
        starting: seconds from the start of the program to the start of the command.
        loading: seconds spent on reading the scene and the pictures.
        notes: warnings of this run, which may grow.
        report: whether to write the report.
        live: a live view that also shows the run.
        checkpoint_every: seconds between two checkpoints.
        threads: cores to render with.
        is_all: whether the run is all that the command does: then the command can be resumed, and
            how long it took is printed last.
        refine: numbers of the scene to find first.
        write_more: writes further files that the report shows, given the summary.

    Returns:
        The content of `summary.json`.
    """
    watch = _Watch(run_folder)
    followers = (watch,) if live is None else (live, watch)
    if live is not None:
        live.plan(optimizer.num_steps, command_to_resume(sys.argv[1:]) if is_all else "")
    refining = None
    if refine is not None:
        refining = partial(_refined, run_folder.path, problem, optimizer, refine, watch)
    beat(can_resume=is_all)
    with stop_at_signal(watch), shown():
        result, summary = session.run(
            run_folder,
            problem,
            optimizer,
            refining=refining,
            followers=followers,
            checkpoint_every=checkpoint_every,
            threads=threads,
            loading=loading,
            starting=starting,
            notes=notes,
        )
        status = result.status
        del result  # the report needs neither its recording nor its pixels
        beat(can_resume=is_all and status == "interrupted")
        seconds = dict(summary["seconds"])
        if write_more is not None:
            write_more(summary)
        page = _write_report(run_folder.path, seconds) if report else None
    _print_summary(run_folder.path, summary, seconds, watch.first)
    if status == "interrupted":
        _print_interruption(summary["iterations"], optimizer.num_steps, can_resume=is_all)
    if page is not None:
        tell(f"report in {page}")
    if live is not None:
        live.end(status, page)
    if is_all:
        tell(phases_in_words(seconds_since_start(), _phases(seconds)))
    _exit_if_ended_early(watch.signal, status)
    return summary


def _refined(
    folder: Path, problem: Problem, optimizer: Optimizer, refine: Refine, watch: _Watch
) -> Refinement:
    """Set the scene to the numbers that the run has found, or finds now.

    Raises:
        Exit: if a signal ends the search, which a resumed run begins again.
    """
    refiner = Refiner(problem, refine)
    marks = {**fingerprints(problem, optimizer), "what is refined": repr(refine)}

    def search() -> Refinement | None:
        found = refiner.search(is_stopped=lambda: watch.signal is not None)
        return None if watch.signal is not None else found

    refinement = kept_refinement(folder, refiner, marks, search)
    if refinement is None:
        tell("interrupted while the scene was refined; there is no map yet")
        raise typer.Exit(128 + (watch.signal or 0))
    return refinement


def shown() -> AbstractContextManager[None]:
    """Show the stages of a run as lines, unless a terminal shows them or the run is quiet."""
    return nullcontext() if is_watched() else watched_by(PlainProgress())


def _write_report(folder: Path, seconds: dict[str, float]) -> Path:
    """Write the report, and add the time it takes to the seconds by phase."""
    begun = time.perf_counter()
    with stage("Writing report.html"):
        page = write_report(folder)
    seconds["report"] = time.perf_counter() - begun
    seconds["total"] += seconds["report"]
    return page


def _print_interruption(done: int, total: int, *, can_resume: bool) -> None:
    """Print that a run was interrupted, and how to go on."""
    tell(f"interrupted after {done} of {total} iterations; the files show the map so far")
    if can_resume:
        tell(f"go on with: {command_to_resume(sys.argv[1:])}")


def command_to_resume(arguments: Sequence[str]) -> str:
    """The command line that resumes the run that another one began."""
    kept = [word for word in arguments if word not in {"--overwrite", "--resume"}]
    return shlex.join(["envmap-inverse", *kept, "--resume"])


def _exit_if_ended_early(number: int | None, status: str) -> None:
    if number is not None:
        raise typer.Exit(128 + number)
    if status != "done":
        raise typer.Exit(fail(status, 1))


class Watch(Protocol):
    """Notes that a signal asks a run to end.

    Attributes:
        signal: its number; None if there was none.
    """

    signal: int | None


class _Watch:
    """Follows a run for the command line.

    Attributes:
        first: the errors of the first map.
        signal: number of the signal that asked the run to end.
    """

    def __init__(self, run_folder: RunFolder) -> None:
        self._folder = run_folder
        self.first: Errors | None = None
        self.signal: int | None = None

    def begin(self, problem: Problem, earlier: Sequence[Record]) -> None:
        """See `Follower`."""

    def add(self, iteration: Iteration) -> bool:
        """See `Follower`."""
        if self.first is None:
            self.first = iteration.error, self._folder.metrics.get("log_rmse")
        return self.signal is not None


@contextmanager
def stop_at_signal(watch: Watch) -> Iterator[None]:
    """Note the first SIGINT or SIGTERM; a second one ends the process at once, as usual.

    Signals within a tenth of a second are one, as timeout(1) sends each twice.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in numbers}

    noted = 0.0
    is_listening = True

    def restore() -> None:
        nonlocal is_listening
        if is_listening:  # else a signal has, and more may have come since
            is_listening = False
            for number, handler in before.items():
                signal.signal(number, handler)

    def note(number: int, _: FrameType | None) -> None:
        nonlocal noted
        if watch.signal is None:
            watch.signal, noted = number, time.monotonic()
        elif time.monotonic() > noted + SAME_SIGNAL:
            restore()
            signal.raise_signal(number)

    for number in numbers:
        signal.signal(number, note)
    try:
        yield
    finally:
        restore()


def _print_summary(
    folder: Path,
    summary: Mapping[str, Any],
    seconds: Mapping[str, float],
    first: Errors | None,
) -> None:
    """Print how a run went; `first` has the two errors of its first map."""
    lines = [
        f"{summary['iterations']} iterations in {seconds['optimize']:.2f} s",
        f"final loss {_number(summary['loss'])}",
    ]
    lines += _errors_in_words(summary, first)
    if summary["dropped_steps"]:
        lines.append(f"{summary['dropped_steps']} steps met NaN or infinity and were dropped")
    names = picture_names(summary, len(summary["clipped_share"]))
    for name, clipped in zip(names, summary["clipped_share"], strict=True):
        if any(clipped.values()):
            lines.append(
                f"{name}: {100 * clipped['over']:.1f} % of its values are clipped at the "
                f"top, {100 * clipped['under']:.1f} % at the bottom"
            )
    if "auto" in str(summary["settings"].get("exposure")):
        for name, exposure in zip(names, summary["exposures"] or (), strict=False):
            values = ":".join(dict.fromkeys(f"{value:.4g}" for value in exposure))
            lines.append(f"{name}: exposure {values}")
    lines += few_numbers_in_words(summary)
    for name, number in summary.get("refined", {}).items():
        lines.append(f"refined: {name} {Refined(**number)}")
    if summary["fit"] is not None:
        where = "; residual.exr shows where" if summary["fit"]["verdict"] == "no" else ""
        lines.append(f"fit: {fit_in_words(summary['fit'])}{where}")
    lines.append(f"{100 * summary['seen_share']:.1f} % of the texels are seen by the pictures")
    lines.append(f"results in {folder}/ (envmap.exr is the map; look at envmap.png, render.png)")
    tell("\n".join(lines))


def _errors_in_words(summary: Mapping[str, Any], first: Errors | None) -> list[str]:
    """Report the errors of the map, if the truth is known, and why they may disagree."""
    if summary["error"] is None:
        return []
    lines = []
    last = summary["error"], summary["metrics"].get("log_rmse")
    lines.append(
        f"error of the map: sum of squared errors {_number(last[0])}, log RMSE {_number(last[1])}"
    )
    if first is not None and errors_disagree(first, last):
        moves = ("rose", "fell") if (last[0] or 0) > (first[0] or 0) else ("fell", "rose")
        lines.append(
            f"since the first iteration the sum of squared errors {moves[0]} and the log RMSE "
            f"{moves[1]}: {WHY_ERRORS_DISAGREE}"
        )
    return lines


def _phases(seconds: Mapping[str, float]) -> dict[str, float]:
    """The seconds of phases that do not overlap."""
    sums = {"total", "optimize"} if "solve" in seconds else {"total"}
    return {name: value for name, value in seconds.items() if name not in sums}


def _number(value: float | None) -> str:
    return "not finite" if value is None else f"{value:.6g}"


def fail(message: str, status: int) -> int:
    """Print an error with a line for each fault, and return the exit status."""
    lines = (_LONG_WORD.sub(r"\1...\2", line) for line in message.splitlines())
    with contextlib.suppress(OSError):  # the status says it, too
        sys.stderr.write("".join(f"error: {line}\n" for line in lines))
        sys.stderr.flush()
    return status
