"""Parse command lines, and report all faults of one in this program's own words."""

from __future__ import annotations

import enum
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from envmap_inverse.console.help_pages import (
    long_name,
    placeholder,
    split_examples,
    summary,
    usage,
    write_panels,
)
from envmap_inverse.console.logs import start_logging
from envmap_inverse.console.progress import terminal_progress
from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.system.progress import watched_by

__all__ = ["PANELS", "Command", "Group"]

COMMON = ("verbose", "quiet", "log_file")
"""Options of the program that every command also takes."""

PANELS = ("Scene", "Pictures", "Light", "Optimizer", "Loss and priors", "Output", "Running")
"""Titles of the panels of options, in the order of the help."""


class Command(TyperCommand):
    """A command whose docstring is its help, and that also takes the program's options."""

    def get_params(self, ctx: Any) -> list[Any]:
        """The command's own parameters, the program's, and --help."""
        params = super().get_params(ctx)
        if ctx.parent is None:
            return params
        common = [param for param in ctx.parent.command.params if param.name in COMMON]
        return [*self.params, *common, *params[len(self.params) :]]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse a command line.

        Raises:
            InputError: if anything is wrong with it; reports all faults.
        """
        if ctx.resilient_parsing:  # for a shell's completion
            return super().parse_args(ctx, args)
        faults = Faults()
        values, rest, order = _read(self, ctx, args, faults)
        for param in order:
            if param.is_eager:  # such as --config, which says what others are
                faults.need(_take, ctx, param, values)
            else:
                faults.attempt(_take, ctx, param, values)
        if rest:
            faults.keep(InputError(f"too many arguments: {' '.join(rest)}; {_where(ctx)}"))
        faults.report()
        ctx.args = []
        return []

    def invoke(self, ctx: Any) -> Any:
        """Call the command, with logging and progress as the options ask."""
        if ctx.parent is None:  # called by a program, which has its own log and display
            return super().invoke(ctx)
        own = {name: ctx.params.pop(name) for name in COMMON if name in ctx.params}
        program = ctx.find_root().params
        is_quiet = bool(own.get("quiet") or program.get("quiet"))
        start_logging(
            own.get("verbose", 0) + program.get("verbose", 0),
            quiet=is_quiet,
            log_file=own.get("log_file") or program.get("log_file"),
        )
        with watched_by(None if is_quiet else terminal_progress()):
            return super().invoke(ctx)

    def collect_usage_pieces(self, ctx: Any) -> list[str]:
        """The words after the command's name."""
        return usage(self.get_params(ctx))

    def get_short_help_str(self, limit: int = 45) -> str:  # noqa: ARG002 - is never cut
        """The first sentence of the help."""
        return summary(self.help or "")

    def format_help_text(self, ctx: Any, formatter: Any) -> None:  # noqa: ARG002
        """Write the docstring without its examples."""
        formatter.write_paragraph()
        with formatter.indentation():
            formatter.write_text(split_examples(self.help or "")[0])

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the options, in panels if they have any, and the examples."""
        params = self.get_params(ctx)
        has_panels = any(getattr(param, "rich_help_panel", None) for param in self.params)
        write_panels(formatter, params, PANELS if has_panels else ())
        _, examples = split_examples(self.help or "")
        if examples:
            with formatter.section("Examples"):
                for line in examples:
                    formatter.write(f"{'':{formatter.current_indent}}{line}\n")


class Group(TyperGroup):
    """The program itself."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the options before the command."""
        try:
            return super().parse_args(ctx, args)
        except TyperException as error:
            raise _explained(error, self, ctx) from None

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that is named.

        Raises:
            InputError: if there is no command of that name.
        """
        if args[0] not in self.commands and not ctx.resilient_parsing:
            raise self.unknown(args[0])
        return super().resolve_command(ctx, args)

    def unknown(self, name: str) -> InputError:
        """Make the error to raise for the name of no command."""
        near = did_you_mean(name, self.commands)
        return InputError(f"{name}: no such command{near or f'; use {_listed(self.commands)}'}")

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """Write the commands, and the options of all of them."""
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, command.get_short_help_str()) for name, command in self.commands.items()]
            )
        write_panels(formatter, self.get_params(ctx))

    def collect_usage_pieces(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """The words after the program's name."""
        return ["[OPTIONS]", "COMMAND ..."]


def _read(
    command: Command, ctx: Any, args: list[str], faults: Faults
) -> tuple[dict[str, Any], list[str], list[Any]]:
    """Read values by name, left-over words, and parameters, with those that end a run early first.

    A faulty option is dropped and the rest is read without it.
    """
    params = command.get_params(ctx)
    order = sorted(params, key=lambda param: (param.name != "help", not param.is_eager))
    wrong: set[str] = set()
    while True:
        try:
            values, rest, _ = command.make_parser(ctx).parse_args(args=list(args))
        except TyperException as error:
            faults.keep(_explained(error, command, ctx))
            option = getattr(error, "option_name", "")
            shorter = _without(args, option)
            if len(shorter) == len(args):
                return {}, [], []
            wrong.add(option)
            args = shorter
            continue
        order = [param for param in order if not wrong.intersection(param.opts)]
        return values, [] if wrong else rest, order


def _without(args: list[str], option: str) -> list[str]:
    """Remove the first word that holds an option from a command line."""
    for index, word in enumerate(args):
        is_cluster = word[:1] == "-" != word[1:2] and len(option) == 2 and option[1] in word
        if word.partition("=")[0] == option or is_cluster:
            return args[:index] + args[index + 1 :]
    return args


def _take(ctx: Any, param: Any, values: dict[str, Any]) -> None:
    """Put a parameter's value into the context."""
    try:
        param.handle_parse_result(ctx, values, [])
    except TyperException as error:
        given = values.get(param.name)
        found = ctx.lookup_default(param.name) if given is None else given
        raise _fault(param, found, error) from None


def _fault(param: Any, value: Any, error: TyperException) -> InputError:
    """Explain what is wrong with a parameter's value, and what is allowed."""
    name = long_name(param)
    if value in (None, (), []):
        return InputError(f"{name} is missing: {(param.help or placeholder(param)).rstrip('.')}")
    choices = param.type_descriptor.choices
    if choices is not None:
        return _no_choice(name, value, [_text(choice) for choice in choices])
    allowed = {int: "a whole number", float: "a number", bool: "true or false"}.get(
        param.type_descriptor.annotation
    )
    if allowed is None:
        return InputError(f"{name} {value}: {error.message}")
    return InputError(f"{name} {value}: give {allowed}{_range(param)}")


def _no_choice(name: str, value: Any, choices: list[str]) -> InputError:
    words = [_text(word) for word in (value if isinstance(value, list | tuple) else [value])]
    wrong = next((word for word in words if word not in choices), words[0])
    near = did_you_mean(wrong, choices)
    return InputError(f"{name} {wrong!r}: unknown; choose one of {', '.join(choices)}{near}")


def _text(choice: Any) -> str:
    return str(choice.value if isinstance(choice, enum.Enum) else choice)


def _range(param: Any) -> str:
    if param.min is not None and param.max is not None:
        return f" from {param.min:g} to {param.max:g}"
    if param.min is not None:
        return f" of at least {param.min:g}"
    return "" if param.max is None else f" of at most {param.max:g}"


def _explained(error: TyperException, command: Any, ctx: Any) -> InputError:
    """Explain what is wrong with an option itself."""
    option = getattr(error, "option_name", None)
    if option is None:
        return InputError(error.message)
    known = {name: param for param in command.get_params(ctx) for name in param.opts}
    if option in known:
        if error.message.endswith("does not take a value."):
            return InputError(f"{option}: takes no value")
        return InputError(f"{option}: its value is missing; give {placeholder(known[option])}")
    options = [*known, *(name for p in command.get_params(ctx) for name in p.secondary_opts)]
    near = did_you_mean(option, [name for name in options if name.startswith("--")])
    return InputError(f"{option}: no such option{near or f'; {_where(ctx)}'}")


def _where(ctx: Any) -> str:
    return f"'{ctx.command_path} --help' lists what there is"


def _listed(names: Any) -> str:
    return ", ".join(names)


def group_of(context: typer.Context) -> Group:
    """The program that a command belongs to."""
    group: Any = context.find_root().command
    assert isinstance(group, Group)
    return group
