"""The command line."""

from __future__ import annotations

import os
import signal
import sys
import traceback
import warnings
from typing import Annotated

import typer
from typer.exceptions import TyperException

from envmap_inverse import __version__
from envmap_inverse.commands.convert import convert, pattern
from envmap_inverse.commands.coverage import coverage
from envmap_inverse.commands.demo import demo
from envmap_inverse.commands.doctor import doctor
from envmap_inverse.commands.estimate import estimate
from envmap_inverse.commands.evaluate import evaluate
from envmap_inverse.commands.report import report
from envmap_inverse.commands.running import fail, show_warning
from envmap_inverse.commands.scene import params, render
from envmap_inverse.console import say
from envmap_inverse.errors import BackendError, InputError

app = typer.Typer(
    name="envmap-inverse",
    help="Recover the HDR environment map that lit a scene from pictures of it.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback(invoke_without_command=True)
def _main(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        say(f"envmap-inverse {__version__}")
    elif context.invoked_subcommand is None:
        say(context.get_help())


COMMANDS = (
    demo,
    params,
    render,
    estimate,
    evaluate,
    report,
    convert,
    pattern,
    coverage,
    doctor,
)

for command in COMMANDS:
    app.command()(command)


def main() -> None:
    """Run the command line; the exit status tells how it went (see the README)."""
    warnings.showwarning = show_warning
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        status = app(prog_name="envmap-inverse", standalone_mode=False)
    except (InputError, FileNotFoundError) as error:
        status = fail(str(error), 2)
    except TyperException as error:
        status = fail(getattr(error, "format_message", error.__str__)(), 2)
    except (KeyboardInterrupt, typer.Abort):
        status = fail("interrupted", 130)
    except BackendError as error:
        status = fail(str(error), 1)
    except Exception as error:  # noqa: BLE001 - the last resort
        if os.environ.get("ENVMAP_INVERSE_DEBUG"):
            traceback.print_exc()
        words = " ".join(str(error).split())
        status = fail(f"{type(error).__name__}: {words} (ENVMAP_INVERSE_DEBUG=1 shows where)", 1)
    sys.exit(status if isinstance(status, int) else 0)
