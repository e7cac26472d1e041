"""The command line."""

from __future__ import annotations

import errno
import io
import os
import signal
import sys
import traceback
import warnings
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer
from typer.exceptions import TyperException

from envmap_inverse.commands.ball import ball
from envmap_inverse.commands.choices import losses, materials, optimizers, parameterizations, priors
from envmap_inverse.commands.convert import convert, pattern
from envmap_inverse.commands.coverage import coverage
from envmap_inverse.commands.demo import demo
from envmap_inverse.commands.doctor import doctor
from envmap_inverse.commands.estimate import estimate
from envmap_inverse.commands.evaluate import evaluate
from envmap_inverse.commands.export import export
from envmap_inverse.commands.help import help_
from envmap_inverse.commands.record import record
from envmap_inverse.commands.report import report
from envmap_inverse.commands.scene import params, render
from envmap_inverse.console.logs import show_warning
from envmap_inverse.console.output import lost_output, say
from envmap_inverse.console.parsing import CheckingCommand, Command, Group
from envmap_inverse.console.running import fail
from envmap_inverse.errors import BackendError, InputError, in_one_line, is_out_of_memory
from envmap_inverse.system.pulse import beat
from envmap_inverse.version import __version__

app = typer.Typer(
    name="envmap-inverse",
    cls=Group,
    help="Recover the HDR environment map that lit a scene from pictures of it.",
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
    verbose: Annotated[  # noqa: ARG001 - see `Command.invoke`
        int, typer.Option("-v", "--verbose", count=True, help="Log what is done; -vv logs more.")
    ] = 0,
    quiet: Annotated[  # noqa: ARG001
        bool, typer.Option("-q", "--quiet", help="Show only warnings and errors of a run.")
    ] = False,
    log_file: Annotated[  # noqa: ARG001
        Path | None,
        typer.Option(help="Append everything that -vv shows to a file, with times."),
    ] = None,
    stall_limit: Annotated[  # noqa: ARG001
        float | None,
        typer.Option(
            min=0,
            metavar="MINUTES",
            help="End if nothing advances for so long, by default 120; 0 for never.",
        ),
    ] = None,
) -> None:
    if version:
        say(f"envmap-inverse {__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())


COMMANDS = (
    demo,
    estimate,
    ball,
    render,
    params,
    coverage,
    record,
    evaluate,
    report,
    export,
    convert,
    pattern,
    optimizers,
    losses,
    priors,
    parameterizations,
    materials,
    doctor,
)

CHECKING = {
    *(estimate, ball, render, params, coverage, record, evaluate, export, convert, pattern),
}
"""The commands whose functions begin with `faults_of`."""

for command in COMMANDS:
    app.command(cls=CheckingCommand if command in CHECKING else Command)(command)
app.command("help", cls=Command)(help_)


def main() -> None:
    """Run the command line; the exit status reports the outcome (see the README)."""
    _open_closed_streams()
    warnings.showwarning = show_warning
    guard = _SignalGuard()
    try:
        status = _run_command()
    except InputError as error:
        status = fail(str(error), 2)
    except TyperException as error:
        status = fail(getattr(error, "format_message", error.__str__)(), 2)
    except (KeyboardInterrupt, typer.Abort):
        status = fail("interrupted", 130)
    except BackendError as error:
        status = fail(str(error), 1)
    except Exception as error:  # noqa: BLE001 - the last resort
        if guard.number == signal.SIGTERM:
            sys.exit(128 + guard.number)
        # Dr.Jit wraps errors that pass through it.
        if guard.number is not None:
            status = fail("interrupted", 130)
        else:
            status = fail(_explained(error), _status(error))
    guard.ignore_signals()
    status = _flushed(status if isinstance(status, int) else 0)
    beat(status=status)
    sys.exit(status)


def _flushed(status: int) -> int:
    """Write what the streams hold back; a status of success is one only if nothing is lost."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # Python would end with a status of its own
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    reason = lost_output()
    if status == 0 and reason is not None:
        return fail(f"standard output cannot be written: {reason}", 1)
    return status


def _run_command() -> object:
    wish = os.environ.get("_ENVMAP_INVERSE_COMPLETE", "")
    if wish and not wish.startswith(("complete_", "source_")):
        raise InputError(f"_ENVMAP_INVERSE_COMPLETE={wish}: a shell's completion sets it; unset it")
    try:
        return app(prog_name="envmap-inverse", standalone_mode=False)
    except SystemExit as end:
        if isinstance(end.__context__, BrokenPipeError):
            return 0  # the reader of the help is gone
        raise
    except (KeyError, ValueError) as error:
        if "_ENVMAP_INVERSE_COMPLETE" not in os.environ or isinstance(error, InputError):
            raise
        raise InputError(
            "_ENVMAP_INVERSE_COMPLETE: a shell's completion sets it, with COMP_WORDS and "
            "COMP_CWORD; unset it"
        ) from None


def _open_closed_streams() -> None:
    """Point closed standard streams (`>&-`) at /dev/null, so that no file takes their numbers."""
    for name in ("stdin", "stdout", "stderr"):
        if getattr(sys, name) is None:
            descriptor = os.open(os.devnull, os.O_RDWR)
            setattr(sys, name, os.fdopen(descriptor, "r" if name == "stdin" else "w"))
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # names of files may be no UTF-8


class _SignalGuard:
    """Ends the process at SIGINT or SIGTERM, but lets it clean up.

    Attributes:
        number: number of the signal that arrived.
    """

    def __init__(self) -> None:
        """Start listening for signals."""
        self.number: int | None = None
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, self._end_at_once)

    def ignore_signals(self) -> None:
        """Ignore further signals, so that cleaning up can finish."""
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)

    def _end_at_once(self, number: int, _: FrameType | None) -> None:
        self.ignore_signals()
        self.number = number
        if number == signal.SIGINT:
            raise KeyboardInterrupt
        sys.exit(128 + number)


_OF_NAMES = {errno.ENAMETOOLONG, errno.ELOOP, errno.EISDIR, errno.ENOTDIR}


def _status(error: BaseException) -> int:
    """The exit status of a failure: names that cannot be those of a file are bad input."""
    is_name = isinstance(error, OSError) and error.errno in _OF_NAMES
    return 2 if is_name else 1


def _explained(error: BaseException) -> str:
    """Describe a failure that the input did not cause, in one line."""
    if os.environ.get("ENVMAP_INVERSE_DEBUG"):
        traceback.print_exception(error)
    if is_out_of_memory(error):
        return "out of memory; a smaller --size or --spp needs less"
    if isinstance(error, OSError) and error.filename:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in {errno.ENOSPC, errno.EBADF}:
        return f"standard output or another stream cannot be written: {error.strerror}"
    while error.__cause__ is not None:  # Dr.Jit's outer errors only say where they passed
        error = error.__cause__
    words = in_one_line(error)
    return f"{type(error).__name__}: {words} (ENVMAP_INVERSE_DEBUG=1 shows where)"
