"""Run the command in a process of its own, and say in one line how it ended if it cannot.

Mitsuba, Dr.Jit, LLVM and the libraries that read files can end a process (SIGSEGV, SIGABRT), be
ended by the system when memory runs out (SIGKILL), or never return. The process that the user
started is therefore a thin parent: it forks before anything large is imported, passes signals on,
and waits.
"""

import contextlib
import mmap
import os
import re
import signal
import struct
import sys
import time
from typing import NoReturn

__all__ = ["Pulse", "supervise"]

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT)
"""Signals that are passed on to the worker."""

GRACE = 20
"""Seconds that a worker has after a second such signal; one inside a library never hears it."""

SAME_SIGNAL = 0.1
"""Seconds within which signals count as one: timeout(1) sends each twice."""

STALL_LIMIT = 120 * 60.0
"""Seconds without progress after which a worker is ended, unless the command sets others."""

_MEMORY = re.compile("map segment|alloc|out of memory|Resource temporarily")


class Pulse:
    """A page of memory that a worker writes and that outlives it."""

    _LAYOUT = struct.Struct("<Qdi?240s")

    def __init__(self) -> None:
        """Make the page, to be shared by a fork."""
        self._page = mmap.mmap(-1, self._LAYOUT.size)
        self.beats, self.status, self.can_resume, self.doing = 0, -1, False, ""
        self.stall_limit = STALL_LIMIT
        self.beat()

    def beat(
        self,
        *,
        doing: str | None = None,
        stall_limit: float | None = None,
        can_resume: bool | None = None,
        status: int | None = None,
    ) -> None:
        """Note that the worker has got on, and what has changed.

        Args:
            doing: what it does now.
            stall_limit: seconds after which it counts as stalled; 0 for never.
            can_resume: whether `--resume` goes on with the run.
            status: the exit status that it is about to end with.
        """
        self.beats += 1
        self.doing = self.doing if doing is None else doing
        self.stall_limit = self.stall_limit if stall_limit is None else stall_limit
        self.can_resume = self.can_resume if can_resume is None else can_resume
        self.status = self.status if status is None else status
        text = self.doing.encode(errors="backslashreplace")[:240]
        facts = (self.beats, self.stall_limit, self.status, self.can_resume, text)
        self._LAYOUT.pack_into(self._page, 0, *facts)

    def read(self) -> None:
        """Take over what the worker wrote last."""
        facts = self._LAYOUT.unpack_from(self._page)
        self.beats, self.stall_limit, self.status, self.can_resume, text = facts
        self.doing = text.rstrip(b"\0").decode(errors="replace")


def supervise() -> Pulse | None:
    """Go on in a new process, while this one waits and ends as that one does.

    With ENVMAP_INVERSE_DEBUG set, and where the system offers no such process, all stays in one.

    Returns:
        Where the new process reports what it is doing; None if all stays in one.
    """
    if "ENVMAP_INVERSE_DEBUG" in os.environ or not hasattr(os, "memfd_create"):
        return None
    try:
        noise, pulse = os.memfd_create("stderr"), Pulse()
    except OSError:
        return None
    heard = {*ENDING, signal.SIGCHLD}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, heard)
    parent = os.getpid()
    try:
        worker = os.fork()
    except OSError:  # no memory, or too many processes
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return None
    if worker != 0:
        _end_as(_Watch(worker, pulse).wait(heard), pulse, noise)
    _end_with(parent)
    _keep_noise(noise)
    signal.pthread_sigmask(signal.SIG_SETMASK, before)
    return pulse


def _end_with(parent: int) -> None:
    """Let the system kill this process when its parent dies."""
    import ctypes  # noqa: PLC0415 - NumPy imports it anyway, but the parent needs none of it

    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


def _keep_noise(file: int) -> None:
    """Keep what libraries write to descriptor 2 in a file; Python's own stream stays."""
    if sys.stderr is None:
        return
    stream = os.fdopen(
        os.dup(2), "w", buffering=1, encoding=sys.stderr.encoding, errors=sys.stderr.errors
    )
    os.dup2(file, 2)
    for name in ("stderr", "__stderr__"):
        setattr(sys, name, stream)


class _Watch:
    """Waits for a worker.

    Attributes:
        has_stalled: whether it was ended for that.
        asked: the last signal that asked it to end.
    """

    def __init__(self, worker: int, pulse: Pulse) -> None:
        self._worker, self._pulse = worker, pulse
        self._beats = self._num_asked = self._ticks = 0
        self._asked_at = 0.0
        self.has_stalled = False
        self.asked: int | None = None

    def wait(self, heard: set[signal.Signals]) -> "_Watch":
        """Wait for its end, with `heard` blocked; it is `code` then, as in `subprocess`."""
        while True:
            # Seconds of waiting, not of a clock: a program that is stopped (Ctrl-Z) does not stall.
            told = signal.sigtimedwait(heard, 1)
            if told is None:
                self._tick()
            elif told.si_signo != signal.SIGCHLD:
                self._pass_on(told)
            ended, status = os.waitpid(self._worker, os.WNOHANG)
            if ended:
                self.code = os.waitstatus_to_exitcode(status)
                return self

    def _pass_on(self, told: signal.struct_siginfo) -> None:
        now = time.monotonic()
        is_same, self._asked_at = now < self._asked_at + SAME_SIGNAL, now
        if is_same:
            return
        self.asked = told.si_signo
        self._num_asked += 1
        self._ticks = 0
        if told.si_code <= 0:  # from a process; a terminal's goes to the worker, too
            os.kill(self._worker, told.si_signo)

    def _tick(self) -> None:
        self._pulse.read()
        if self._pulse.beats != self._beats and self._num_asked < 2:
            self._beats, self._ticks = self._pulse.beats, 0
        self._ticks += 1
        if self._num_asked >= 2 and self._ticks >= GRACE:
            os.kill(self._worker, signal.SIGKILL)
        elif 0 < self._pulse.stall_limit <= self._ticks:
            self.has_stalled = True
            os.kill(self._worker, signal.SIGKILL)


def _end_as(watch: _Watch, pulse: Pulse, noise: int) -> NoReturn:
    """End as the worker did; explain a death in one line."""
    pulse.read()
    said = os.pread(noise, 2**16, 0)
    if watch.code == 0 and said:
        with contextlib.suppress(OSError):
            os.write(2, said)
    if watch.code >= 0:
        sys.exit(watch.code)
    if pulse.status >= 0:  # a library has failed while Python ended
        sys.exit(pulse.status)
    if watch.asked is not None or -watch.code in ENDING:
        sys.exit(128 + (watch.asked or -watch.code))
    if sys.stderr is not None:
        line = f"error: {_cause(watch, pulse, said.decode('latin-1'))}\n"
        with contextlib.suppress(OSError):  # a stream's buffer would fail again while Python ends
            os.write(2, line.encode(errors="backslashreplace"))
    sys.exit(1)


def _cause(watch: _Watch, pulse: Pulse, said: str) -> str:
    name = signal.Signals(-watch.code).name
    if watch.has_stalled:
        words = f"nothing has advanced for {pulse.stall_limit:.0f} s (--stall-limit)"
    elif -watch.code == signal.SIGKILL:
        words = "the system has killed the program (SIGKILL), probably as memory ran out"
    elif _MEMORY.search(said):
        words = f"out of memory: a library has ended the program ({name})"
    else:
        words = (
            f"Mitsuba or another library has crashed ({name}); ENVMAP_INVERSE_DEBUG=1 shows more"
        )
    words += f"; it was at: {pulse.doing}" if pulse.doing else ""
    again = "; the same command with --resume goes on from the last checkpoint"
    return words + (again if pulse.can_resume else "")
