"""The live view of a run, asked as a browser asks."""

from __future__ import annotations

import json
import re
import signal
import socket
import struct
import subprocess
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

JPEG_SIGNATURE = b"\xff\xd8\xff"
DEADLINE = 60.0


class LiveRun:
    """A run that goes on until it is ended, and what its live view answers."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        assert process.stdout is not None
        self.process, self.folder = process, folder
        self.address = next(
            found[1]
            for line in process.stdout
            if (found := re.fullmatch(r"live view at (http://127\.0\.0\.1:\d+/\S{22}/)\n", line))
        )
        self.port = urlsplit(self.address).port or 0

    def get(self, name: str, host: str | None = None) -> Any:
        headers = {} if host is None else {"Host": host}
        request = urllib.request.Request(self.address + name, headers=headers)
        return urllib.request.urlopen(request, timeout=DEADLINE)

    def read(self, name: str) -> bytes:
        with self.get(name) as answer:
            return bytes(answer.read())

    def state(self, after: int = 0) -> dict[str, Any]:
        return dict(json.loads(self.read(f"state.json?after={after}")))

    def state_when(self, is_so: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """The first state for which something is so."""
        end = time.monotonic() + DEADLINE
        while not is_so(state := self.state()):
            assert time.monotonic() < end
            time.sleep(0.05)
        return state


@pytest.fixture(scope="module")
def live_run(
    start: Callable[..., Any], inputs: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LiveRun]:
    """One run that several tests watch; its lines are shown to nobody."""
    folder = tmp_path_factory.mktemp("live") / "run"
    arguments = ("scene.xml", "reference.exr", "-o", folder, "--iterations", 1_000_000)
    arguments += ("--optimizer", "adam")
    quiet = ("--trust-input", "--live")
    with start("--quiet", "estimate", *arguments, *quiet, cwd=inputs) as process:
        yield LiveRun(process, folder)
        process.kill()


def refusal(live_run: LiveRun, name: str, **options: Any) -> int:
    with pytest.raises(urllib.error.HTTPError) as caught:
        live_run.get(name, **options)
    with caught.value:
        return caught.value.code


def test_the_state_grows(live_run: LiveRun) -> None:
    first = live_run.state_when(lambda state: len(state["lines"]) > 0)
    assert first["status"] == "running"
    assert first["lines"][0]["index"] == 0
    later = live_run.state_when(lambda state: state["next"] > first["next"])
    assert later["lines"][-1]["index"] > first["lines"][-1]["index"]


def test_only_iterations_that_are_not_known_yet_are_sent(live_run: LiveRun) -> None:
    known = live_run.state_when(lambda state: state["next"] > 3)["next"]
    assert all(line["index"] >= known for line in live_run.state(after=known)["lines"])


def test_pictures_of_an_iteration_are_sent(live_run: LiveRun) -> None:
    live_run.state_when(lambda state: state["shown"] >= 0)
    for name in ("reference.jpg", "image.jpg", "map.jpg"):
        assert live_run.read(name).startswith(JPEG_SIGNATURE)


def test_the_page_may_ask_only_its_own_server_and_is_not_kept(live_run: LiveRun) -> None:
    with live_run.get("") as answer:
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
        assert b"http" not in answer.read()


@pytest.mark.parametrize(
    "path",
    ["/", "/state.json", "/{wrong}/", "/{token}", "/{token}/run.toml", "/{token}/../run.toml"],
)
def test_what_is_not_below_the_token_or_not_known_is_not_found(
    live_run: LiveRun, path: str
) -> None:
    token = urlsplit(live_run.address).path.strip("/")
    named = path.format(token=token, wrong="x" + token[1:] if token[0] != "x" else "y" + token[1:])
    with socket.create_connection(("127.0.0.1", live_run.port)) as client:
        client.sendall(f"GET {named} HTTP/1.0\r\nHost: localhost:{live_run.port}\r\n\r\n".encode())
        assert client.recv(100).startswith(b"HTTP/1.0 404 ")


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:{port}", "127.0.0.1"])
def test_a_request_that_names_another_host_is_refused(live_run: LiveRun, host: str) -> None:
    assert refusal(live_run, "state.json", host=host.format(port=live_run.port)) == 421


def test_no_other_interface_is_served(live_run: LiveRun) -> None:
    # All of 127.0.0.0/8 is this machine, but only one address of it was asked for.
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", live_run.port), timeout=5)


def test_a_dropped_connection_does_no_harm(live_run: LiveRun) -> None:
    for request in (b"", b"GET /", f"GET {urlsplit(live_run.address).path} HTTP/1.0\r\n".encode()):
        client = socket.create_connection(("127.0.0.1", live_run.port))
        client.sendall(request)
        # Closed without a farewell, as by a cable that is pulled.
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.close()
    before = live_run.state()["next"]
    live_run.state_when(lambda state: state["next"] > before)
    assert live_run.process.poll() is None


def test_interrupting_the_run_ends_both_and_leaves_its_files(live_run: LiveRun) -> None:
    live_run.state_when(lambda state: state["next"] > 3)
    live_run.process.send_signal(signal.SIGINT)
    end = live_run.state_when(lambda state: state["status"] != "running")
    assert (end["status"], end["hasReport"]) == ("interrupted", True)
    report = live_run.read("report.html")
    _, stderr = live_run.process.communicate(timeout=DEADLINE)
    assert (live_run.process.returncode, stderr) == (130, "")
    assert report == (live_run.folder / "report.html").read_bytes()
    assert json.loads((live_run.folder / "summary.json").read_bytes())["status"] == "interrupted"
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", live_run.port), timeout=5)
    settings = tomllib.loads((live_run.folder / "run.toml").read_text())
    assert not [name for name in settings if name.startswith("live")]


def test_a_port_that_is_taken_is_refused_before_anything_is_written(
    call: Callable[..., Any], inputs: Path, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = ("scene.xml", "reference.exr", "-o", tmp_path / "run", "--trust-input")
        done = call("estimate", *arguments, "--live", "--live-port", port, cwd=inputs)
    assert done.returncode == 2
    assert f"--live-port {port}: cannot be opened: Address already in use" in done.stderr
    assert not (tmp_path / "run").exists()
