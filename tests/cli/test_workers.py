"""Workers of Ray: the same maps as without, whoever is killed."""

from __future__ import annotations

import importlib
import json
import os
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import pytest
from comparing import assert_bit_equal

import envmap_inverse as ei
from envmap_inverse.images import read_image

pytest.importorskip("ray", reason="needs the extra [ray]")

Start = Callable[..., subprocess.Popen[str]]

EIGHT_MILLION_PATHS = 2**17
"""Paths of each of 64 pixels: two shards."""


def command(inputs: Path, folder: Path, *options: Any) -> list[str]:
    files = [str(inputs / name) for name in ("scene.xml", "reference.exr")]
    settings = ["--no-report", "--trust-input", "--spp", str(EIGHT_MILLION_PATHS)]
    return ["estimate", *files, "-o", str(folder), *settings, *map(str, options)]


def descendants(process: int) -> dict[int, str]:
    """Names of the processes that a process has started, and of those that they have."""
    listed = subprocess.run(
        ["ps", "-eo", "pid=,ppid=,args="], capture_output=True, text=True, check=True
    )
    rows = [line.split(maxsplit=2) for line in listed.stdout.splitlines()]
    found, parents = dict[int, str](), {process}
    while new := {int(r[0]): r[2] for r in rows if int(r[1]) in parents and int(r[0]) not in found}:
        found |= new
        parents = set(new)
    return found


def workers_of(process: int) -> list[int]:
    return [pid for pid, name in descendants(process).items() if name.startswith("ray::_Actor")]


@pytest.fixture(scope="module")
def expected(call: Callable[..., Any], inputs: Path, tmp_path_factory: Any) -> Any:
    folder = tmp_path_factory.mktemp("without") / "run"
    assert call(*command(inputs, folder)).returncode == 0
    return read_image(folder / "envmap.exr")


def address_of(process: subprocess.Popen[str]) -> str:
    """Where the live view of a run is."""
    for line in process.stdout or ():
        if line.startswith("live view at "):
            return line.removeprefix("live view at ").strip()
    raise AssertionError("the run has ended")


def restarts_of(address: str) -> list[int]:
    """How often each worker was started again, as the live view of a run says."""
    try:
        with urlopen(f"{address}state.json", timeout=5) as answer:
            return [worker["restarts"] for worker in json.load(answer)["workers"]]
    except OSError:  # it has ended
        return []


def test_a_worker_that_is_killed_is_replaced_and_the_map_has_the_same_bits(
    start: Start, inputs: Path, tmp_path: Path, expected: Any
) -> None:
    seen: list[list[int]] = []
    with start(*command(inputs, tmp_path / "run", "--workers", 2, "--live")) as process:
        address, killed = address_of(process), set[int]()
        while process.poll() is None:
            found = workers_of(process.pid)
            if len(found) == 2 and len(killed) < 2:
                time.sleep(0.5)
                killed.add(found[len(killed)])
                os.kill(found[len(killed) - 1], signal.SIGKILL)
            seen.append(restarts_of(address))
            time.sleep(0.2)
        stdout, stderr = process.communicate()
    assert (process.returncode, stderr) == (0, "")
    assert len(killed) == 2
    np.testing.assert_array_equal(read_image(tmp_path / "run" / "envmap.exr"), expected)
    assert max(map(sum, seen)) == 2
    assert re.search(
        r"^Worker [12] was killed( twice)?: recording its shards again", stdout, re.MULTILINE
    )
    workers = json.loads((tmp_path / "run" / "summary.json").read_text())["workers"]
    assert [(each["worker"], each["shards"]) for each in workers] == [(1, 1), (2, 1)]
    assert sum(each["restarts"] for each in workers) == 2


def test_a_recording_of_workers_is_that_of_one_process_whatever_cluster_there_is(
    call: Callable[..., Any], inputs: Path, tmp_path: Path
) -> None:
    scene, found = str(inputs / "scene.xml"), []
    for name, options in (("one", ()), ("two", ("--workers", "2"))):
        file = tmp_path / f"{name}.npz"
        written = (scene, "-o", str(file), "--spp", "4")
        done = call("record", *written, *options, env={"RAY_ADDRESS": "127.0.0.1:1"})
        assert (done.returncode, done.stderr) == (0, "")
        found.append(ei.LightTransport.load(file))
    assert_bit_equal(*found)


def test_a_run_whose_process_is_killed_goes_on_with_other_workers(
    call: Callable[..., Any], start: Start, inputs: Path, tmp_path: Path, expected: Any
) -> None:
    folder = tmp_path / "run"
    options = ("--checkpoint-every", 0)
    with start(*command(inputs, folder, *options, "--workers", 2)) as process:
        while process.poll() is None and not [*folder.glob("checkpoint_*.npz")]:
            time.sleep(0.01)
        process.kill()
    done = call(*command(inputs, folder, *options, "--workers", 1, "--resume"))
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(read_image(folder / "envmap.exr"), expected)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Address of a Ray cluster of two machines of one core each, both of them this one."""
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    utils = importlib.import_module("ray.cluster_utils")
    options = {"num_cpus": 1, "node_ip_address": "127.0.0.1"}
    found = utils.Cluster(
        initialize_head=True, head_node_args={**options, "include_dashboard": False}
    )
    found.add_node(**options)
    yield found.address
    found.shutdown()


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
def test_machines_of_a_cluster_find_the_same_bits(
    call: Callable[..., Any], inputs: Path, tmp_path: Path, expected: Any, cluster: str
) -> None:
    done = call(*command(inputs, tmp_path / "run", "--ray", cluster))
    assert (done.returncode, done.stderr) == (0, "")
    np.testing.assert_array_equal(read_image(tmp_path / "run" / "envmap.exr"), expected)


def test_nothing_outside_the_machine_reaches_the_workers(
    start: Start, inputs: Path, tmp_path: Path
) -> None:
    with start(*command(inputs, tmp_path / "run", "--workers", 2)) as process:
        while process.poll() is None and not workers_of(process.pid):
            time.sleep(0.1)
        ports = _listening({process.pid, *descendants(process.pid)})
        process.terminate()
    assert ports
    assert {address for address in ports if address not in LOOPBACK} == set()


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def _listening(processes: set[int]) -> set[str]:
    """Hexadecimal addresses on which processes listen."""
    sockets = set()
    for process in processes:
        for link in Path(f"/proc/{process}/fd").glob("*"):
            try:
                sockets.add(str(link.readlink()))
            except OSError:  # it has ended, or closed the file
                continue
    found = set()
    for table in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in Path(table).read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and f"socket:[{fields[9]}]" in sockets:
                found.add(fields[1].partition(":")[0])
    return found
