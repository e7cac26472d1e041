"""`envmap-inverse help`."""

from __future__ import annotations

from typing import Annotated

import typer

from envmap_inverse.console.help_pages import help_of
from envmap_inverse.console.output import say
from envmap_inverse.console.parsing import group_of

__all__ = ["help_"]


def help_(
    context: typer.Context,
    command: Annotated[
        str | None, typer.Argument(metavar="COMMAND", help="The command to explain.")
    ] = None,
) -> None:
    """Explain a command, or list all commands.

    Examples:
        envmap-inverse help
        envmap-inverse help estimate
    """
    program, group = context.find_root(), group_of(context)
    if command is None:
        say(program.get_help())
    elif command in group.commands:
        say(help_of(program, command, group.commands[command]))
    else:
        raise group.unknown(command)
