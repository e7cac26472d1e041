"""Cost of a live view that somebody watches.

    python -m benchmarks.live [--quick]

The same estimate without a live view and with one, in turn in one process. Another process asks as
the page does: once a second for the state, and for the pictures whenever there are new ones. What a
browser on the same machine needs to show them is not counted.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import envmap_inverse as ei
from benchmarks.methods import Case, bundled_case
from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Spread, Table, print_table
from benchmarks.timing import interleaved
from envmap_inverse.problem.problem import Problem
from envmap_inverse.report.live import LiveView

ALONE, WATCHED = "alone", "watched"
ASK_EVERY = 1.0
"""Seconds, as in live.js."""


def live(settings: Settings) -> Table:
    """Seconds with and without a live view."""
    return Table(
        name="live",
        title="Live view",
        note="Seconds of `Adam()` alone and under a live view that somebody watches, the ratio of "
        "each turn's two, and the ratio of the processor seconds of all threads, which other work "
        "on the machine disturbs less. Then the processor time that the view itself takes, of one "
        "core, which is all that it can take from the run; and how often there were new pictures.",
        columns={
            "film": "",
            "iterations": "",
            "alone s": ".2f",
            "watched s": ".2f",
            "ratio": ".3f",
            "ratio of processor s": ".3f",
            "of a core": ".2%",
            "pictures": "",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    iterations = {256: settings.pick(100, 400), 512: settings.pick(50, 150)}
    for size, count in iterations.items():
        case = bundled_case(settings.film(size))
        meter = _Meter(case, ei.Adam(iterations=count))
        runs = interleaved({ALONE: meter.alone, WATCHED: meter.watched}, settings.repeats(2, 7))
        pairs = zip(meter.processor[WATCHED][1:], meter.processor[ALONE][1:], strict=True)
        yield (
            f"{settings.film(size)}^2",
            count,
            runs.spread(ALONE),
            runs.spread(WATCHED),
            runs.ratio(WATCHED, ALONE),
            Spread.of(a / b for a, b in pairs),
            Spread.of(meter.shares[1:]),
            runs.results[WATCHED],
        )


class _MeteredView(LiveView):
    """Counts the processor seconds of what it does in all threads."""

    used = 0.0

    def add(self, iteration: ei.Iteration) -> None:
        begun = time.thread_time()
        super().add(iteration)
        self.used += time.thread_time() - begun

    def answer(self, path: str, host: str) -> tuple[Any, str, bytes]:
        begun = time.thread_time()
        answer = super().answer(path, host)
        self.used += time.thread_time() - begun
        return answer


class _Meter:
    """Runs an estimate, and notes what each run took of the processors."""

    def __init__(self, case: Case, adam: ei.Adam) -> None:
        self.case, self.adam = case, adam
        self.processor: dict[str, list[float]] = {ALONE: [], WATCHED: []}
        self.shares: list[float] = []

    def alone(self) -> tuple[float, int]:
        return self._time(ALONE, None), 0

    def watched(self) -> tuple[float, int]:
        """Seconds, and how often the watcher got new pictures."""
        problem = Problem.create(self.case.scene, self.case.references, loss=ei.MSE())
        with _MeteredView(Path("run")) as view:
            view.plan(self.adam.iterations)
            view.begin(problem, ())
            command = [sys.executable, "-m", __spec__.name, "--watch", view.address]
            with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher:
                assert watcher.stdout is not None
                watcher.stdout.readline()  # it has begun to ask
                seconds = self._time(WATCHED, view)
                self.shares.append(view.used / seconds)
                view.end("done", None)
                pictures, _ = watcher.communicate()
        return seconds, int(pictures)

    def _time(self, name: str, view: LiveView | None) -> float:
        begun, used = time.perf_counter(), time.process_time()
        ei.estimate(
            self.case.scene,
            self.case.references[0],
            optimizer=self.adam,
            # Without a view somebody is told of each iteration, too, as on the command line.
            on_iteration=(lambda _: None) if view is None else view.add,
        )
        self.processor[name].append(time.process_time() - used)
        return time.perf_counter() - begun


def watch(address: str) -> None:
    """Ask as the page does until the run is over; prints how often there were new pictures."""
    count, shown, following = 0, -1, 0
    _read(address)
    sys.stdout.write("begun\n")
    sys.stdout.flush()
    while True:
        state = json.loads(_read(f"{address}state.json?after={following}"))
        following = state["next"]
        if state["shown"] != shown:
            shown = state["shown"]
            count += 1
            for name in ("image", "map"):
                _read(f"{address}{name}.jpg?{shown}")
        if state["status"] != "running":
            sys.stdout.write(f"{count}\n")
            return
        time.sleep(ASK_EVERY)


def _read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=30) as answer:
        return bytes(answer.read())


if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument(
        "--watch", metavar="ADDRESS", help="only ask a live view, as its page does"
    )
    arguments = options.parse_args()
    if arguments.watch is None:
        print_table(live(settings_of(arguments)), "python -m benchmarks.live")
    else:
        watch(arguments.watch)
