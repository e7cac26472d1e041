"""The live view of a run: a page on a port of this machine that follows the run."""

from __future__ import annotations

import contextlib
import hmac
import ipaddress
import logging
import secrets
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import cached_property, partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from importlib import resources
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError
from envmap_inverse.images import display_exposure, encode_jpeg, shrink, tonemap
from envmap_inverse.problem.problem import Problem
from envmap_inverse.problem.solution import Iteration, Record
from envmap_inverse.report.figures import LINKED
from envmap_inverse.system.crew import present
from envmap_inverse.system.progress import innermost
from envmap_inverse.system.strict_json import to_json

__all__ = ["LOOPBACK", "LiveView"]

LOOPBACK = "127.0.0.1"
MAX_PIXELS = 512 * 512
MAX_STOPS = 8.0
"""Most stops that a picture is shown brighter or darker."""
MAX_LINES = 2000
"""Most lines of the history in one answer; a longer one is thinned evenly, keeping the last."""
PICTURES_EVERY = 1.0
"""Seconds between two pictures; the page asks at the same rate."""
WATCHED_FOR = 3.0
"""Seconds for which a request counts as somebody watching."""
FAREWELL = 2.5
"""Seconds that watchers have to fetch the end."""
SOCKET_TIMEOUT = 5.0
MAX_CONNECTIONS = 256
"""Connections that are open at a time; a browser takes six."""
REFUSAL_DELAY = 0.5
"""Seconds before a refusal, so that those who ask in vain ask seldom."""

HTML, CSS, JS, JPEG, JSON, BINARY = (
    *("text/html; charset=utf-8", "text/css; charset=utf-8", "text/javascript; charset=utf-8"),
    *("image/jpeg", "application/json", "application/octet-stream"),
)
PAGE_FILES = {
    "": ("live.html", HTML),
    "uPlot.css": ("vendor/uPlot.min.css", CSS),
    "page.css": ("page.css", CSS),
    "uPlot.js": ("vendor/uPlot.iife.min.js", JS),
    "rasters.js": ("rasters.js", JS),
    "curves.js": ("curves.js", JS),
    "theme.js": ("theme.js", JS),
    "live.js": ("live.js", JS),
}
"""File of this package and media type, by address below the token."""
POLICY = (
    "default-src 'none'; connect-src 'self'; img-src 'self' data:; script-src 'self'; "
    "style-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)

_LOGGER = logging.getLogger(__name__)


class LiveView(AbstractContextManager["LiveView"]):
    """Serves the current state of a run to those who know its address.

    The run's thread hands over iterations; only it touches the arrays of an iteration, and copies
    them only while somebody watches. The server's threads encode and send the copies.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str = LOOPBACK,
        port: int = 0,
    ) -> None:
        """Open the port; the context serves it.

        Args:
            folder: folder of the run, named on the page.
            host: name or address of the interface to serve on.
            port: the port; 0 for any free one.

        Raises:
            InputError: if the port cannot be opened.
        """
        self._token = secrets.token_urlsafe(16)
        self._folder, self._host = folder, host
        self._num_steps: int | None = None
        self._resume, self._counted = "", "iterations"
        self._exposure = 1.0
        self._pictures: dict[str, _Picture] = {}
        self._shown = -1  # iteration of the pictures
        self._history: list[dict[str, Any]] = []
        self._last: Iteration | None = None
        self._status = "running"
        self._report: bytes | None = None
        self._beside: Path | None = None  # folder of the files that the report has links to
        self._asked = self._copied = -np.inf
        try:
            self._server = _Server((host, port), partial(_Handler, self))
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or error
            raise InputError(
                f"--live-host {host}, --live-port {port}: cannot be opened: {reason}; "
                "leave out --live-port to take a free one"
            ) from None
        bound, self._port = self._server.server_address[:2]
        self.is_loopback = ipaddress.ip_address(str(bound)).is_loopback
        self.address = f"http://{host}:{self._port}/{self._token}/"

    def __enter__(self) -> LiveView:
        """Start serving."""
        threading.Thread(target=self._server.serve_forever, args=(0.1,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the port."""
        self._server.shutdown()
        self._server.server_close()

    def plan(self, num_steps: int | None, resume: str = "", counted: str = "iterations") -> None:
        """Take what is ahead.

        Args:
            num_steps: the largest number of iterations, or of frames; None if that is not known.
            resume: the command that resumes a stopped run.
            counted: what each step is, "iterations" or "frames" of a sequence.
        """
        self._num_steps, self._resume, self._counted = num_steps, resume, counted

    def begin(self, problem: Problem, earlier: Sequence[Record]) -> None:
        """Show the first reference, and the iterations of the run that this one continues.

        The radiance of the reference sets the exposure of all pictures.
        """
        reference = problem.views[0].image / problem.exposures[0]
        self._exposure = display_exposure(reference)
        name = "reference.jpg" if self._counted == "iterations" else "image.jpg"
        self._pictures[name] = _Picture(reference, self._exposure)
        self._history = [_line(record) for record in earlier]

    def add(self, iteration: Iteration) -> None:
        """Take the next iteration."""
        self._last = iteration
        self._history.append(_line(iteration))
        now = time.monotonic()
        if self._is_watched(now) and now - self._copied >= PICTURES_EVERY:
            self._copied = now
            self._copy(iteration)

    def end(self, status: str, report: Path | None) -> None:
        """Show the end, and wait long enough for watchers to see it.

        Args:
            status: status of the run.
            report: the finished report, if there is one.
        """
        if self._last is not None:
            self._copy(self._last)
        if report is not None:
            self._report, self._beside = report.read_bytes(), report.parent
        self._status = status
        if self._is_watched(time.monotonic()):
            time.sleep(FAREWELL)

    def answer(self, path: str, host: str) -> tuple[HTTPStatus, str, bytes]:
        """Answer a request with a status, media type and content.

        Args:
            path: path of the request, with its query.
            host: host that the request names. Names that an attacker's DNS server points at this
                machine are refused.
        """
        names = {f"{name}:{self._port}" for name in (LOOPBACK, "localhost", self._host)}
        if self.is_loopback and host not in names:
            return _refusal(HTTPStatus.MISDIRECTED_REQUEST)
        url = urlsplit(path)
        _, _, below = url.path.partition("/")
        token, slash, name = below.partition("/")
        if not slash or not hmac.compare_digest(token.encode(), self._token.encode()):
            return _refusal(HTTPStatus.NOT_FOUND)
        self._asked = time.monotonic()
        found = self._content(name, url.query)
        return _refusal(HTTPStatus.NOT_FOUND) if found is None else (HTTPStatus.OK, *found)

    def _content(self, name: str, query: str) -> tuple[str, bytes] | None:
        if name in {"", "report.html"} and self._report is not None and self._status == "done":
            return HTML, self._report  # a reload after the end finds the report
        if name in PAGE_FILES:
            file, kind = PAGE_FILES[name]
            return kind, resources.files(__package__).joinpath(file).read_bytes()
        if name == "state.json":
            after = parse_qs(query).get("after", ["0"])[0]
            return JSON, self._state(int(after) if after.isdecimal() else 0)
        if name == "report.html" and self._report is not None:
            return HTML, self._report
        if name in LINKED and self._beside is not None and (self._beside / name).is_file():
            return BINARY, (self._beside / name).read_bytes()
        picture = self._pictures.get(name)
        return None if picture is None else (JPEG, picture.jpeg(_stops(query)))

    def _state(self, after: int) -> bytes:
        """The current state as JSON, with the iterations from number `after` on."""
        status = self._status  # read before the lines, so that a final status has all lines
        end = len(self._history)
        step = max(1, -(-(end - after) // MAX_LINES))
        numbers = [*range(after, end, step)]
        if numbers and numbers[-1] != end - 1:
            numbers.append(end - 1)
        state = {
            "folder": str(self._folder),
            "status": status,
            "hasReport": self._report is not None,
            "doing": _doing(),
            "workers": _workers(),
            "counted": self._counted,
            "steps": self._num_steps,
            "pictures": list(self._pictures),
            "shown": self._shown,
            "next": end,
            "lines": [self._history[number] for number in numbers],
            "resume": self._resume,
            "files": [] if status == "running" else self._files(),
        }
        return to_json(state).encode()

    def _files(self) -> list[str]:
        return [name for name in LINKED if (self._folder / name).is_file()]

    def _is_watched(self, now: float) -> bool:
        return now - self._asked < WATCHED_FOR

    def _copy(self, iteration: Iteration) -> None:
        self._pictures |= {
            "image.jpg": _Picture(iteration.image, self._exposure),
            "map.jpg": _Picture(iteration.texels, self._exposure),
        }
        self._shown = iteration.index


class _Picture:
    """A picture that is encoded when first asked for, once for each exposure."""

    def __init__(self, image: NDArray[np.float32], exposure: float) -> None:
        self._image, self._exposure = image, exposure
        self._jpegs: dict[float, bytes] = {}

    @cached_property
    def _small(self) -> NDArray[np.float32]:
        return shrink(self._image, MAX_PIXELS)

    def jpeg(self, stops: float) -> bytes:
        """The picture, brighter by some stops."""
        if stops not in self._jpegs:
            self._jpegs[stops] = encode_jpeg(tonemap(self._small, self._exposure * 2**stops))
        return self._jpegs[stops]


class _Server(socketserver.ThreadingTCPServer):
    """Answers each request in a thread; no thread delays the end.

    Where too many connections are open, the oldest is dropped: whoever opens hundreds, sends
    slowly or does not read keeps nobody else waiting.
    """

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 2 * MAX_CONNECTIONS

    def __init__(self, *arguments: Any) -> None:
        self._open: dict[socket.socket, None] = {}  # the oldest first
        self._lock = threading.Lock()
        super().__init__(*arguments)

    def process_request(self, request: Any, client_address: Any) -> None:
        """Begin to answer a request, and drop the oldest of too many."""
        with self._lock:
            self._open[request] = None
            oldest = next(iter(self._open)) if len(self._open) > MAX_CONNECTIONS else None
            if oldest is not None:
                del self._open[oldest]
                with contextlib.suppress(OSError):  # it has just ended
                    oldest.shutdown(socket.SHUT_RDWR)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        """End a request that is answered."""
        with self._lock:
            self._open.pop(request, None)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base class's
        """Log the failure of a request, such as a dropped connection."""
        _LOGGER.debug("live view: %s: %r", client_address, sys.exception())


class _Handler(BaseHTTPRequestHandler):
    timeout = SOCKET_TIMEOUT

    def __init__(self, view: LiveView, *arguments: Any) -> None:
        self._view = view
        super().__init__(*arguments)

    def do_GET(self) -> None:
        status, kind, content = self._view.answer(self.path, self.headers.get("Host", ""))
        if status != HTTPStatus.OK:
            time.sleep(REFUSAL_DELAY)
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", "no-referrer")
        self.send_header("X-Content-Type-Options", "nosniff")
        if not urlsplit(self.path).path.endswith("/report.html"):  # the report brings its own
            self.send_header("Content-Security-Policy", POLICY)
        self.end_headers()
        self.wfile.write(content)

    def version_string(self) -> str:
        return "envmap-inverse"

    def log_message(self, format: str, *arguments: Any) -> None:
        """Log nothing: addresses of requests hold the token."""


def _stops(query: str) -> float:
    """The stops that a request names, to half a stop; 0 for what is no number."""
    try:
        named = float(parse_qs(query).get("stops", ["0"])[0])
    except ValueError:
        named = 0.0
    return round(2 * min(max(named, -MAX_STOPS), MAX_STOPS)) / 2 if np.isfinite(named) else 0.0


def _doing() -> dict[str, Any] | None:
    """What the program does now, how far it is, and for how long it has done so."""
    stage, crew = innermost(), present()
    if stage is None:
        return None
    share = stage.done / stage.total if stage.total else None
    is_listed = crew is not None and stage.detail == crew.in_words()  # the page has a list
    detail = "" if is_listed else stage.detail
    return {"name": stage.name, "share": share, "detail": detail, "seconds": stage.seconds}


def _workers() -> list[dict[str, Any]]:
    """What each worker does and has; empty where no workers record."""
    crew = present()
    return [] if crew is None else crew.as_it_is()


def _line(record: Record) -> dict[str, Any]:
    return record.as_dict()


def _refusal(status: HTTPStatus) -> tuple[HTTPStatus, str, bytes]:
    return status, "text/plain; charset=utf-8", f"{status.value} {status.phrase}\n".encode()
