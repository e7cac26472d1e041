"""How fast a live view answers while others misuse it.

    python -m benchmarks.live_attack [--quick]

A view answers one watcher, who asks for the state fifty times a second, while another process holds
200 connections: idle ones, such as read nothing of a report of 64 MB, such as ask under a wrong
host or with a wrong token, and such as send headers of 10 MB.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks.settings import Settings, parser, settings_of
from benchmarks.tables import Table, print_table
from envmap_inverse.problem.solution import Record
from envmap_inverse.report.live import LiveView

CONNECTIONS = 200
ASKS_PER_SECOND = 50
REPORT_BYTES = 64 * 10**6
HEADER_BYTES = 10**7


def live_attack(settings: Settings) -> Table:
    """Milliseconds until a watcher has its answer."""
    return Table(
        name="live-attack",
        title="Live view under attack",
        note="Milliseconds until a watcher has the state of a run of 1000 iterations, while "
        f"another process holds {CONNECTIONS} connections: median, 99th percentile, slowest.",
        columns={
            "connections": "",
            "asks": "",
            "median ms": ".1f",
            "99 % ms": ".1f",
            "slowest ms": ".1f",
        },
        rows=_rows(settings),
    )


def _rows(settings: Settings) -> Iterator[tuple[Any, ...]]:
    asks = settings.repeats(100, 500)
    with tempfile.TemporaryDirectory() as folder, LiveView(Path("run")) as view:
        report = Path(folder, "report.html")
        report.write_bytes(b" " * REPORT_BYTES)
        view._history = [_line(index) for index in range(1000)]  # no run is needed
        view.end("running", report)
        yield ("none", asks, *_times(view.address, asks))
        for kind in ATTACKS:
            command = [sys.executable, "-m", __spec__.name, "--attack", kind, view.address]
            with subprocess.Popen(command, stdout=subprocess.PIPE) as attacker:
                assert attacker.stdout is not None
                attacker.stdout.readline()  # all are connected
                yield (kind, asks, *_times(view.address, asks))
                attacker.kill()


def _line(index: int) -> dict[str, Any]:
    return Record(index=index, loss=0.5, error=None, seconds=0.1 * index).as_dict()


def _times(address: str, asks: int) -> tuple[float, float, float]:
    """What another process measures, as this one serves."""
    command = [sys.executable, "-m", __spec__.name, "--asks", str(asks), address]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)
    times = sorted(json.loads(done.stdout))
    return statistics.median(times), times[int(0.99 * len(times))], times[-1]


def ask(address: str, asks: int) -> None:
    """Ask for the state again and again; print the milliseconds of each as JSON."""
    times = []
    for _ in range(asks):
        begun = time.perf_counter()
        with urllib.request.urlopen(f"{address}state.json?after=900", timeout=60) as answer:
            answer.read()
        times.append(1000 * (time.perf_counter() - begun))
        time.sleep(1 / ASKS_PER_SECOND)
    sys.stdout.write(json.dumps(times))


async def attack(kind: str, address: str) -> None:
    """Hold connections, anew when they end, until this process is killed."""
    url = urlsplit(address)
    held = [asyncio.create_task(_hold(kind, url)) for _ in range(CONNECTIONS)]
    await asyncio.sleep(1)
    sys.stdout.write("connected\n")
    sys.stdout.flush()
    await asyncio.gather(*held)


async def _hold(kind: str, url: Any) -> None:
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection(url.hostname, url.port)
            with contextlib.suppress(asyncio.IncompleteReadError, OSError):
                await ATTACKS[kind](url, reader, writer)
            writer.close()
        await asyncio.sleep(0.1)


Reader, Writer = asyncio.StreamReader, asyncio.StreamWriter


async def _idle(_: Any, reader: Reader, __: Writer) -> None:
    await reader.read()


async def _slow(url: Any, reader: Reader, writer: Writer) -> None:
    writer.write(f"GET {url.path}report.html HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
    while await reader.read(1):
        await asyncio.sleep(1)


async def _wrong_host(url: Any, reader: Reader, writer: Writer) -> None:
    writer.write(f"GET {url.path} HTTP/1.0\r\nHost: elsewhere\r\n\r\n".encode())
    await reader.read()


async def _wrong_token(url: Any, reader: Reader, writer: Writer) -> None:
    writer.write(f"GET /{'x' * 22}/ HTTP/1.0\r\nHost: {url.netloc}\r\n\r\n".encode())
    await reader.read()


async def _long_header(url: Any, reader: Reader, writer: Writer) -> None:
    writer.write(f"GET {url.path} HTTP/1.0\r\nX: ".encode() + b"x" * HEADER_BYTES)
    await writer.drain()
    await reader.read()


ATTACKS: dict[str, Callable[[Any, Reader, Writer], Awaitable[None]]] = {
    "idle": _idle,
    "read one byte a second": _slow,
    "wrong host": _wrong_host,
    "wrong token": _wrong_token,
    "headers of 10 MB": _long_header,
}

if __name__ == "__main__":
    options = parser(__doc__)
    options.add_argument("--attack", choices=ATTACKS, help="only attack")
    options.add_argument("--asks", type=int, help="only ask so often")
    options.add_argument("address", nargs="?", help="of a live view")
    arguments = options.parse_args()
    if arguments.attack is not None:
        asyncio.run(attack(arguments.attack, arguments.address))
    elif arguments.asks is not None:
        ask(arguments.address, arguments.asks)
    else:
        print_table(live_attack(settings_of(arguments)), "python -m benchmarks.live_attack")
