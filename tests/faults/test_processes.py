"""Full disks, signals, kills and caches, met by whole processes."""

from __future__ import annotations

import functools
import json
import os
import random
import re
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from messages import without_unfinished

from envmap_inverse.images import read_image

Start = Callable[..., subprocess.Popen[str]]
FILES = ("scene.xml", "reference.exr")
ESTIMATE = ("estimate", *FILES, "--optimizer", "adam", "--trust-input", "-o")
ENDLESS = ("--iterations", 1_000_000)


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[Path]:
    """A small file system of its own at a new folder; skips where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no file system can be mounted here")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


def fill(disk: Path, *, but: int) -> None:
    """Leave so many pages free."""
    with (disk / "filler").open("wb", buffering=0) as file:
        while (free := os.statvfs(disk).f_bavail - but) > 0:
            file.write(bytes(4096 * free))


def check_whole(folder: Path) -> None:
    """Every file that stands under its name can be read, and nothing else is there."""
    for path in folder.iterdir():
        assert not path.name.startswith("."), path
        if path.suffix in {".exr", ".png"}:
            read_image(path)
        elif path.suffix == ".json":
            json.loads(path.read_text())
        elif path.suffix == ".jsonl":
            text = path.read_text()
            assert text == "".join(
                f"{json.dumps(json.loads(line))}\n" for line in text.split("\n")[:-1]
            )


def wait_for(process: subprocess.Popen[str], beginning: str) -> None:
    """Read a process's output up to a line."""
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(beginning):
            return
    raise AssertionError(process.communicate())


# Disks


def test_a_disk_that_fills_up_ends_a_run_with_one_line_and_whole_files(
    start: Start, inputs: Path, tmp_path: Path, is_long: bool
) -> None:
    for free in range(0, 500, 5) if is_long else (1, 20):
        with mounted(tmp_path / str(free), "size=16m") as disk:
            options = ("--iterations", 200, "--frames")
            with start(*ESTIMATE, disk / "run", *options, cwd=inputs) as run:
                wait_for(run, "Iteration 000")
                fill(disk, but=free)
                _, stderr = run.communicate(timeout=120)
            check_whole(disk / "run")
            if run.returncode != 0 or free < 100:
                assert run.returncode == 1
                assert re.fullmatch(rf"error: {disk}/run/.*No space left.*\n", stderr), stderr


def test_a_read_only_disk_is_refused(start: Start, inputs: Path, tmp_path: Path) -> None:
    folder = tmp_path / "disk" / "run"
    with mounted(folder.parent, "ro"), start(*ESTIMATE, folder, cwd=inputs) as run:
        _, stderr = run.communicate(timeout=120)
    assert run.returncode == 2
    assert stderr == f"error: {folder}: cannot be written: Read-only file system\n"


# Signals and kills


def test_storms_of_signals_end_a_run_without_a_trace(
    start: Start, inputs: Path, tmp_path: Path, is_long: bool
) -> None:
    chance = random.Random(4)
    for number in range(50 if is_long else 2):
        folder = tmp_path / str(number)
        sent = signal.SIGTERM if chance.random() < 0.7 else signal.SIGINT
        with start(*ESTIMATE, folder, *ENDLESS, cwd=inputs) as run:
            wait_for(run, f"Iteration {chance.randrange(20):03d}")
            for _ in range(30):
                run.send_signal(sent)
                time.sleep(chance.choice([0, 0.001, 0.02]))
            _, stderr = run.communicate(timeout=60)
        assert run.returncode == 128 + sent
        assert without_unfinished(stderr) in {"", "error: interrupted\n"}
        check_whole(folder)


@pytest.mark.parametrize(
    ("first", "is_complete"),
    [
        ("log.txt", False),
        ("run/history.jsonl", False),
        ("run/out_003.png", False),
        ("run/envmap.exr", True),
        ("run/summary.json", True),
    ],
    ids=["loading", "beginning", "stepping", "writing", "reporting"],
)
@pytest.mark.parametrize("optimizer", ["adam", "transport"])
def test_a_signal_in_any_phase_ends_a_run_with_whole_files(
    start: Start, inputs: Path, tmp_path: Path, first: str, is_complete: bool, optimizer: str
) -> None:
    options = (tmp_path / "run", "--frames", "--optimizer", optimizer, "--iterations", 20)
    with start("--log-file", tmp_path / "log.txt", *ESTIMATE, *options, cwd=inputs) as run:
        while not (tmp_path / first).exists() and run.poll() is None:
            time.sleep(0.001)
        run.send_signal(signal.SIGTERM)
        _, stderr = run.communicate(timeout=60)
    assert (run.returncode, without_unfinished(stderr)) == (143, "")
    if (tmp_path / "run").exists():
        check_whole(tmp_path / "run")
    if is_complete:
        assert json.loads((tmp_path / "run" / "summary.json").read_text())["status"] == "done"
        assert (tmp_path / "run" / "report.html").exists()


def test_a_folder_has_one_writer_and_a_killed_one_is_no_obstacle(
    start: Start, inputs: Path, tmp_path: Path
) -> None:
    arguments = (*ESTIMATE, tmp_path / "run", "--overwrite")
    with start(*arguments, *ENDLESS, cwd=inputs) as first:
        wait_for(first, "Iteration 005")
        with start(*arguments, cwd=inputs) as second:
            _, stderr = second.communicate(timeout=60)
        assert second.returncode == 2
        assert re.fullmatch(r"error: .*/run: another run is writing into it; .*\n", stderr)
        first.kill()
    (tmp_path / "run" / ".envmap.exr.abcd1234").touch()  # as a kill in mid-write would leave
    with start(*arguments, "--iterations", 2, cwd=inputs) as third:
        third.communicate(timeout=60)
    assert third.returncode == 0
    check_whole(tmp_path / "run")


# Memory


@pytest.mark.parametrize("optimizer", ["adam", "transport"])
def test_a_limit_of_memory_ends_a_run_with_one_line(
    start: Start, inputs: Path, tmp_path: Path, optimizer: str, is_long: bool
) -> None:
    limit = resource.RLIMIT_DATA
    for mebibytes in range(10, 300, 10) if is_long else (20,):
        most = bytes_after_imports() + 2**20 * mebibytes
        with start(
            *(*ESTIMATE, tmp_path / "run", "--overwrite", "--optimizer", optimizer),
            *("--iterations", 5, "--spp", 4),
            cwd=inputs,
            preexec_fn=lambda: resource.setrlimit(limit, (most, most)),  # noqa: B023
        ) as run:
            _, stderr = run.communicate(timeout=120)
        assert run.returncode in {0, 1, 2}
        words = "memory|Resource temporarily unavailable"  # Mitsuba's where a thread cannot start
        assert re.fullmatch(rf"error: .*({words}).*\n" if run.returncode else "", stderr), stderr
        if (tmp_path / "run").exists():
            check_whole(tmp_path / "run")


@functools.cache
def bytes_after_imports() -> int:
    """Bytes that count towards the data limit in a process that has loaded the command line."""
    code = "import envmap_inverse.cli; print(open('/proc/self/status').read())"
    status = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    match = re.search(r"VmData:\s*(\d+) kB", status.stdout)
    assert match is not None
    return int(match[1]) * 1024


# Caches

KERNELS = """
from envmap_inverse.backend import dr, mi, select_variant
select_variant("llvm_ad_rgb")
number = dr.opaque(mi.Float, 1.5, 64)
for power in range(3):
    number = dr.sin(number) * power + dr.sqrt(dr.abs(number))
    dr.eval(number)
print(dr.sum(number)[0])
"""


def run_eight(cache: Path) -> set[str]:
    """Run eight processes that compile the same kernels at the same time; return their output."""
    environment = {k: v for k, v in os.environ.items() if k != "DRJIT_LIBLLVM_PATH"}
    environment["DRJIT_CACHE_DIR"] = str(cache)
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", KERNELS],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(8)
    ]
    outputs = [process.communicate(timeout=120) for process in processes]
    assert [process.returncode for process in processes] == [0] * 8, outputs
    assert {without_unfinished(stderr) for _, stderr in outputs} == {""}
    return {stdout for stdout, _ in outputs}


@pytest.mark.slow
def test_eight_processes_share_a_cold_and_then_a_corrupt_cache(
    tmp_path: Path, is_long: bool
) -> None:
    chance = random.Random(2)
    expected = run_eight(tmp_path)
    assert len(expected) == 1
    whole = {path: path.read_bytes() for path in tmp_path.glob("*.bin")}
    assert len(whole) >= 3
    for _ in range(20 if is_long else 1):
        for number, (path, data) in enumerate(whole.items()):
            damaged = bytearray(data)
            for _ in range(3):
                damaged[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
            path.write_bytes([b"", data[: len(data) // 2], damaged][number % 3])
        assert run_eight(tmp_path) == expected


@pytest.mark.parametrize("home", ["/proc", ""])
def test_a_home_that_cannot_be_written_is_no_obstacle(
    start: Start, inputs: Path, tmp_path: Path, home: str
) -> None:
    environment = {"HOME": home, "TMPDIR": str(tmp_path), "XDG_CACHE_HOME": "/proc/cache"}
    with start("params", "scene.xml", "--trust-input", cwd=inputs, env=environment) as run:
        _, stderr = run.communicate(timeout=60)
    assert (run.returncode, without_unfinished(stderr)) == (0, "")
    (folder,) = tmp_path.iterdir()
    assert (folder / "drjit").is_dir()
