"""The process that watches over the command, around small programs in place of the command."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time

import pytest

START = "import os, signal, sys, time, envmap_inverse_supervisor as s\n"

HEARS = """
heard = []
signal.signal({}, lambda *_: heard.append(1))
os.write(1, b"ready\\n")
begun = time.monotonic()
while not heard and time.monotonic() < begun + 15:
    time.sleep(0.05)
time.sleep(0.5)
print("heard", len(heard))
"""
"""Waits for a signal whose number is put in, then half a second for a second one."""


def start(program: str, **options: object) -> subprocess.Popen[str]:
    """A process that supervises a program, in which `pulse` is what it reports to."""
    code = f"{START}s.GRACE = 2\npulse = s.supervise()\n{textwrap.dedent(program)}"
    return subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,  # type: ignore[call-overload] - of Popen
    )


def run(program: str) -> tuple[int, str, str]:
    """Exit status, standard output and standard error."""
    with start(program) as process:
        stdout, stderr = process.communicate(timeout=20)
    return process.returncode, stdout, stderr


@pytest.mark.parametrize("status", [0, 1, 2, 130])
def test_the_exit_status_is_that_of_the_worker(status: int) -> None:
    assert run(f"print('done'); sys.exit({status})") == (status, "done\n", "")


@pytest.mark.parametrize("name", ["SIGSEGV", "SIGABRT", "SIGFPE"])
def test_a_crash_is_one_line_that_names_the_signal_and_the_stage(name: str) -> None:
    code, _, stderr = run(
        f"""
        pulse.beat(doing="Recording paths")
        os.write(2, b"words of a library")
        os.kill(os.getpid(), signal.{name})
        """
    )
    assert code == 1
    assert re.fullmatch(rf"error: .* \({name}\); .*; it was at: Recording paths\n", stderr)


def test_a_crash_of_a_run_names_resume() -> None:
    _, _, stderr = run("pulse.beat(can_resume=True); os.abort()")
    assert stderr.endswith("; the same command with --resume goes on from the last checkpoint\n")


def test_a_kill_by_the_system_is_taken_for_a_lack_of_memory() -> None:
    code, _, stderr = run("os.kill(os.getpid(), signal.SIGKILL)")
    assert code == 1
    assert "memory ran out" in stderr


def test_a_crash_of_a_library_that_found_no_memory_says_so() -> None:
    _, _, stderr = run("os.write(2, b'cannot allocate'); os.abort()")
    assert stderr == "error: out of memory: a library has ended the program (SIGABRT)\n"


def test_a_crash_while_python_ends_keeps_the_exit_status() -> None:
    assert run("pulse.beat(status=2); os.abort()") == (2, "", "")


def test_a_worker_that_stalls_is_ended() -> None:
    code, _, stderr = run("pulse.beat(doing='Solving', stall_limit=2); time.sleep(60)")
    assert code == 1
    assert stderr == "error: nothing has advanced for 2 s (--stall-limit); it was at: Solving\n"


def test_a_worker_that_gets_on_does_not_stall() -> None:
    program = (
        "for _ in range(8):\n    pulse.beat(stall_limit=2)\n    time.sleep(0.4)\nprint('done')"
    )
    assert run(program) == (0, "done\n", "")


def test_words_of_libraries_are_shown_if_all_went_well() -> None:
    program = "os.write(2, b'of a library\\n'); print('of Python', file=sys.stderr)"
    assert run(program) == (0, "", "of Python\nof a library\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_passed_on_once(number: signal.Signals) -> None:
    with start(HEARS.format(int(number))) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(number)
        stdout, stderr = process.communicate(timeout=20)
    assert (process.returncode, stdout, stderr) == (0, "heard 1\n", "")


def test_a_worker_that_does_not_hear_is_ended_after_a_second_signal() -> None:
    program = """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    print("ready", flush=True)
    time.sleep(60)
    """
    with start(program) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.terminate()
        time.sleep(0.2)
        process.terminate()
        _, stderr = process.communicate(timeout=20)
    assert (process.returncode, stderr) == (143, "")


def test_a_terminal_interrupts_the_worker_once() -> None:
    try:
        ours, theirs = os.openpty()
    except OSError:
        pytest.skip("the system has no terminals")
    command = f"import fcntl, termios; fcntl.ioctl({theirs}, termios.TIOCSCTTY, 0)\n"
    code = f"{command}{START}pulse = s.supervise()\n{HEARS.format(int(signal.SIGINT))}"
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        pass_fds=[theirs],
        start_new_session=True,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        os.write(ours, b"\x03")
        stdout, _ = process.communicate(timeout=20)
    os.close(ours)
    os.close(theirs)
    assert (process.returncode, stdout) == (0, "heard 1\n")


def test_the_worker_ends_with_its_parent() -> None:
    with start("print(os.getpid(), flush=True)\ntime.sleep(60)") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
        process.communicate(timeout=20)  # until the worker has closed its pipes, too


def test_nothing_is_supervised_for_debugging(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ENVMAP_INVERSE_DEBUG", "1")
    assert run("print(pulse)") == (0, "None\n", "")


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-"])
@pytest.mark.parametrize("program", ["os.abort()", "os.write(2, b'words')"])
def test_a_standard_error_that_cannot_be_written_keeps_the_status(
    redirection: str, program: str
) -> None:
    code = f"{START}s.supervise(); {program}"
    command = f'"$0" -c "$1" {redirection}'
    done = subprocess.run(["sh", "-c", command, sys.executable, code], check=False)
    assert done.returncode == ("abort" in program)


def test_timeout_asks_once_though_it_signals_the_group_too() -> None:
    program = """
    heard = []
    signal.signal(signal.SIGINT, lambda *_: heard.append(1))
    begun = time.monotonic()
    while time.monotonic() < begun + 1.5:
        time.sleep(0.1)
    os._exit(10 + len(heard))
    """
    code = f"{START}s.SAME_SIGNAL = 0.5\ns.supervise()\n{textwrap.dedent(program)}"
    command = ["timeout", "--preserve-status", "-s", "INT", "0.7", sys.executable, "-c", code]
    assert subprocess.run(command, check=False).returncode in {11, 12}  # one is the group's
