"""Give hostile input to the command line: it must end with status 0 or 2, and say why in one line.

`fuzz` starts workers. Each runs commands in its own process, as `main` does, with one guarded
reader for many mutants: starting Python for each would take most of the time. A worker that dies
is a finding, and another goes on after it.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import traceback
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from findings import Findings, Report
from generate import GENERATORS, Trial
from generate_options import option
from generate_runs import run
from mutate import mutated
from plugins import known_plugins, scene_of_plugin
from seeds import resuming, seal, write_seeds
from typer.main import get_command
from zygote import Zygote

from envmap_inverse import cli
from envmap_inverse.guard import reader as isolation
from envmap_inverse.guard.reader import Reader

__all__ = ["fuzz", "work"]

SHARES = {"exr": 25, "hdr": 10, "png": 15, "ply": 15, "obj": 10, "xml": 15, "toml": 10}
SHARES |= {
    "plugin": 10,
    "checkpoint": 12,
    "json": 5,
    "txt": 5,
    "bin": 4,
    "npy": 8,
    "jpg": 8,
    "tif": 8,
}
SHARES |= {"config": 20, "camera": 12, "name": 12, "environment": 3, "streams": 3}
SHARES |= {"option": 30, "run": 15}
TEXT = {"obj", "xml", "toml", "json", "txt"}
MAX_SECONDS = 20
"""Of the processor; the watchdog ends what waits."""
START_SECONDS = 600
"""For a worker to import Mitsuba, make its files and try the first, on a busy machine."""

MEMORY = 2**30
"""Bytes that the guarded reader may take, and this process besides what it starts with."""

MUTANTS_PER_READER = 500


def fuzz(numbers: range, seed: int, *, num_workers: int, folder: Path) -> Findings:
    """Try mutants.

    Args:
        numbers: of the mutants; a long run can be made in shares.
        seed: the same one gives the same mutants.
        num_workers: processes at a time.
        folder: where they work; mutants that failed are left there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    known_plugins(folder / "plugins.json")
    findings = Findings()
    parts = np.array_split(numbers, num_workers)
    threads = [
        threading.Thread(target=_follow, args=(range(p[0], p[-1] + 1), seed, folder, findings))
        for p in parts
        if len(p)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return findings


def _follow(numbers: range, seed: int, folder: Path, findings: Findings) -> None:
    """Let workers try a range of mutants, and note what they report."""
    while numbers:
        options = ("--first", numbers.start, "--mutants", len(numbers), "--seed", seed)
        worker = subprocess.Popen(
            [sys.executable, Path(__file__).parent, "--worker", *map(str, options), "-o", folder],
            env={**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
        )
        next_number = numbers.start
        with worker, _Watchdog(worker) as watchdog:
            for line in worker.stdout or ():
                report = Report(**json.loads(line))
                findings.add(report)
                next_number = report.number + 1
                watchdog.pat()
        if worker.returncode != 0:
            kind = _kind(_random(next_number, seed))
            findings.failures[next_number] = f"{kind}: ended the process: {worker.returncode}"
            next_number += 1
        numbers = range(next_number, numbers.stop)


class _Watchdog(contextlib.AbstractContextManager["_Watchdog"]):
    """Kills a worker that has not reported for long."""

    def __init__(self, worker: subprocess.Popen[bytes]) -> None:
        self._worker = worker
        self._timer = threading.Timer(0, lambda: None)

    def __enter__(self) -> _Watchdog:
        self._timer.start()
        self.pat(START_SECONDS)
        return self

    def pat(self, seconds: float = 5 * MAX_SECONDS) -> None:
        self._timer.cancel()
        self._timer = threading.Timer(seconds, self._worker.kill)
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()


def work(first: int, stop: int, seed: int, folder: Path) -> None:
    """Try mutants one after the other; writes a `Report` of each to standard output as JSON."""
    global _zygote  # noqa: PLW0603 - one for all mutants
    _zygote = Zygote()
    place = folder / f"worker-{first}"
    place.mkdir(parents=True)
    os.chdir(place)
    os.fsync = lambda _: None  # `test_writes` looks after it
    cli.app = get_command(cli.app)  # else made anew for each mutant
    seeds = write_seeds(place)
    reports = os.fdopen(os.dup(1), "w")
    with (place / "output.txt").open("w") as sink:  # what libraries in C write
        os.dup2(sink.fileno(), 1)
        os.dup2(sink.fileno(), 2)
    try:
        for number in range(first, stop):
            if (number - first) % MUTANTS_PER_READER == 0:
                _renew_reader()
            print(json.dumps(asdict(_try(number, seed, seeds))), file=reports, flush=True)
    except BaseException:  # noqa: BLE001 - for whoever reads the output
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def _random(number: int, seed: int) -> np.random.Generator:
    return np.random.default_rng([seed, number])


def _kind(random: np.random.Generator) -> str:
    if os.environ.get("FAULTS_ONLY"):
        return os.environ["FAULTS_ONLY"]
    shares = np.array(list(SHARES.values()))
    return str(random.choice(list(SHARES), p=shares / shares.sum()))


def _try(number: int, seed: int, seeds: dict[str, list[Path]]) -> Report:
    """Make a mutant and give it to a command; in the folder of the seeds."""
    random = _random(number, seed)
    kind = _kind(random)
    if kind == "plugin":
        Path("mutant.plugin").write_text(_scene_of_plugin(random))
        return _tried(number, random, kind, Path(), Path("mutant.plugin"))
    if kind == "option":
        commands: Any = cli.app
        return _followed(number, kind, option(random, commands.commands))
    if kind == "run":
        return _followed(number, kind, run(random))
    if kind in GENERATORS:
        more = [_options()] if kind == "config" else []
        return _followed(number, kind, GENERATORS[kind](random, *more))
    source = seeds[kind][random.integers(len(seeds[kind]))]
    is_colmap = kind in {"txt", "bin"}
    mutant = Path("colmap", source.name) if is_colmap else Path(f"mutant.{kind}")
    is_text = kind in TEXT or source.name == "text.ply"
    if is_colmap:
        shutil.rmtree(mutant.parent, ignore_errors=True)
        shutil.copytree(source.parent, mutant.parent)
    mutant.write_bytes(mutated(source.read_bytes(), random, is_text=is_text))
    if kind == "checkpoint" and random.random() < 0.7:
        seal(mutant)  # else the checksum tells at once
    return _tried(number, random, kind, source, mutant)


def _scene_of_plugin(random: np.random.Generator) -> str:
    plain = Path("plain.xml").read_text()
    return scene_of_plugin(random, plain, known_plugins(Path("..", "plugins.json")))


def _tried(
    number: int, random: np.random.Generator, kind: str, source: Path, mutant: Path
) -> Report:
    """Give a mutant to a command, twice if it is slow."""
    arguments = _command(kind, source.name, random)
    for _ in range(2):  # a busy machine is slow once
        _clear()
        if kind == "checkpoint":
            shutil.copytree(source.parent, "out")
            shutil.copy(mutant, Path("out", source.name))
        Path("/proc/self/clear_refs").write_text("5")  # the peak begins anew
        begun = time.process_time()
        status, said = _call(arguments)
        seconds, memory = time.process_time() - begun, _peak_memory()
        if seconds <= MAX_SECONDS:
            break
    failure = _failure(status, said, seconds, memory)
    if failure:
        kept = Path("..") / f"failed-{number}"
        kept.mkdir()
        shutil.copy(mutant, kept)
        (kept / "command.txt").write_text(f"{' '.join(arguments)}\n{failure}\n")
    return Report(number, kind, status, seconds, memory, failure)


def _clear() -> None:
    """Remove the output of the command before, which may be a file."""
    shutil.rmtree("out", ignore_errors=True)
    with contextlib.suppress(OSError):
        Path("out").unlink()


def _options() -> dict[str, str]:
    """The types of the options of `estimate`, by their names in a configuration."""
    command: Any = cli.app
    return {
        str(param.name): repr(param.type_descriptor.annotation).upper()
        for param in command.commands["estimate"].params
        if param.param_type_name == "option" and param.name not in {"config", "live"}
    }


def _followed(number: int, kind: str, trial: Trial) -> Report:
    """Run a generated command."""
    if trial.streams:
        _usual_status(trial.arguments)  # the first time it runs, and leaves an output
    _clear()
    begun = time.perf_counter()
    if trial.is_alone:
        assert _zygote is not None
        done = _zygote.call(*trial.arguments, env=trial.environment, streams=trial.streams)
        status, said = done.returncode, done.stderr
        failure = _failure_alone(trial, status, said)
        memory = 0
    else:
        Path("/proc/self/clear_refs").write_text("5")
        status, said = _call(list(trial.arguments))
        memory = _peak_memory()
        failure = _failure(status, said, 0, memory)
    seconds = time.perf_counter() - begun
    if seconds > 2 * MAX_SECONDS:
        failure += f"; took {seconds:.0f} s"
    if failure:
        kept = Path("..") / f"failed-{number}"
        kept.mkdir()
        for name in ("mutant.config", "mutant.json"):
            if name in trial.arguments:
                shutil.copy(name, kept)
        if "colmap" in trial.arguments:
            shutil.copytree("colmap", kept / "colmap")
        (kept / "command.txt").write_text(f"{trial!r}\n{failure}\n", errors="backslashreplace")
    return Report(number, kind, status, seconds, memory, failure)


def _failure_alone(trial: Trial, status: int, said: str) -> str:
    """Say what is wrong with how a command of its own process ended."""
    expected = {0, 1, 2} if trial.environment else {_usual_status(trial.arguments)}
    if trial.streams.get("1") in {"full", "read-only"} and expected == {0}:
        expected = {1}
    if trial.streams.get("2") in {None, "usual"}:
        errors = [line for line in said.splitlines() if not line.startswith("warning: ")]
        is_explained = bool(errors) and all(line.startswith("error: ") for line in errors)
        if is_explained != (status != 0):
            return f"status {status}, but it says {said[-500:]!r}"
    return "" if status in expected else f"status {status} instead of {expected}: {said[-500:]}"


@functools.cache
def _usual_status(arguments: tuple[str, ...]) -> int:
    """The exit status with usual streams."""
    assert _zygote is not None
    _clear()
    return _zygote.call(*arguments).returncode


_zygote: Zygote | None = None

_CHANCES = [0.25, 0.25, 0.15, 0.15, 0.1, 0.1]
_CHANCES_OF_NPY = [0.3, 0, 0.2, 0.2, 0.2, 0.1]
"""Of the commands that read an image; Mitsuba, which reads scenes, knows no NPY."""


def _command(kind: str, source: str, random: np.random.Generator) -> list[str]:
    """A command that reads the mutant."""
    mutant, scene = f"mutant.{kind}", f"with-{kind}.xml"
    estimate = ["estimate", "plain.xml", "-o", "out", "--iterations", "1"]
    estimate += ["--optimizer", "adam"]
    if random.random() < 0.7:
        estimate.append("--no-report")  # it takes as long as all else
    if kind == "plugin":
        render = ["render", mutant, "-o", "image.exr", "--spp", "1", "--overwrite"]
        solve = [
            "estimate",
            mutant,
            "reference.exr",
            "-o",
            "out",
            "--iterations",
            "1",
            "--spp",
            "1",
        ]
        adam, transport = ([*solve, "--optimizer", name] for name in ("adam", "transport"))
        return [render, [*adam, "--no-report"], [*transport, "--no-report"]][random.integers(3)]
    if kind == "toml":
        return [*estimate, "reference.exr", "--config", mutant]
    if kind == "checkpoint":
        return resuming(source)
    if kind in {"json", "txt", "bin"}:
        cameras = mutant if kind == "json" else "colmap"
        return [*estimate, "photo.png", "--cameras", cameras, "--spp", "1"]
    if kind == "xml" and source != "shapes.xml":
        scene = mutant
    if kind in {"ply", "obj", "xml"}:
        render = ["render", scene, "-o", "image.exr", "--spp", "1", "--size", "4", "--overwrite"]
        return render if random.random() < 0.2 else ["params", scene]
    return [
        ["render", "plain.xml", "-o", "image.exr", "--overwrite", "--spp", "1", "--envmap", mutant],
        ["params", scene],
        [*estimate, mutant, "--spp", "1"],
        [*estimate, mutant, "--optimizer", "transport", "--spp", "1"],
        [*estimate, "reference.exr", "--initial", mutant],
        [*estimate, "photo.png", "--spp", "1", "--cameras", f"of-{kind}.json"],
    ][random.choice(6, p=_CHANCES_OF_NPY if kind == "npy" else _CHANCES)]


def _call(arguments: list[str]) -> tuple[int, str]:
    """Run a command as `envmap-inverse` would; returns its status and standard error."""
    sys.argv = ["envmap-inverse", *arguments]
    said = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(said):
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0), said.getvalue()
    raise AssertionError("main() returned")


def _failure(status: int, said: str, seconds: float, memory: int) -> str:
    """Say what is wrong with how a command ended; empty if nothing is."""
    errors = [line for line in said.splitlines() if not line.startswith("warning: ")]
    is_explained = bool(errors) and all(line.startswith("error: ") for line in errors)
    is_useless = status == 1 and "explains the pictures no better than light" in said
    hidden = [path.name for path in Path("out").glob("**/.*")]
    findings = {
        f"status {status}: {said[-500:]}": status not in {0, 2} and not is_useless,
        f"status {status}, but it says {said[-500:]!r}": is_explained != (status != 0),
        f"took {seconds:.0f} s": seconds > MAX_SECONDS,
        f"took {memory / 2**20:.0f} MiB": memory > MEMORY,
        f"left {hidden}": bool(hidden),
    }
    return "; ".join(what for what, is_wrong in findings.items() if is_wrong)


def _peak_memory() -> int:
    match = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert match is not None
    return int(match[1]) * 1024


def _renew_reader() -> None:
    """Make the commands use one new guarded reader."""
    global _reader  # noqa: PLW0603 - the commands call a function without arguments of ours
    if _reader is not None:
        _reader.__exit__(None, None, None)
    _reader = Reader(memory=MEMORY, seconds=MAX_SECONDS / 2)
    isolation.Reader = lambda: contextlib.nullcontext(_reader)


_reader: Reader | None = None
