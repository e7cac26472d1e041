"""Parse command lines, and report all faults of one in this program's own words."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from envmap_inverse.console.help_pages import (
    COMMON,
    long_name,
    placeholder,
    split_examples,
    summary,
    usage,
    write_panels,
)
from envmap_inverse.console.logs import start_logging
from envmap_inverse.console.progress import terminal_progress
from envmap_inverse.errors import Faults, InputError, did_you_mean, nearest
from envmap_inverse.system.progress import watched_by
from envmap_inverse.system.pulse import beat

__all__ = ["PANELS", "CheckingCommand", "Command", "Group", "faults_of", "report_if_incomplete"]

RUNS = ("demo", "estimate", "ball")
"""Commands that print themselves how long they took."""

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
        words = _read(self, ctx, args, faults)
        is_whole = words.is_whole
        for param in words.order:
            if is_whole or not _is_missing(ctx, param, words.values):
                passed = faults.passes(_take, ctx, param, words.values)
                is_whole &= passed or not param.is_eager  # --config says what others are
        if words.rest:
            faults.keep(InputError(f"too many arguments: {' '.join(words.rest)}; {_where(ctx)}"))
        self.end_parsing(ctx, faults, is_whole=is_whole)
        ctx.args = []
        return []

    def end_parsing(self, ctx: Any, faults: Faults, *, is_whole: bool) -> None:  # noqa: ARG002
        """Report the faults of the command line.

        Args:
            ctx: holds the values of the parameters without faults.
            faults: what is wrong.
            is_whole: whether it is clear which parameters are given.
        """
        faults.report()

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
        for limit in (program.get("stall_limit"), own.get("stall_limit")):
            beat(stall_limit=None if limit is None else 60 * limit)
        progress = None if is_quiet else terminal_progress()
        with watched_by(progress):
            result = super().invoke(ctx)
        if progress is not None and self.name not in RUNS:
            progress.show_wait()
        return result

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


class CheckingCommand(Command):
    """A command that goes on looking for faults if its command line has some.

    Its function begins with `faults_of`. Parameters with faults have their defaults, and None if
    they have none.
    """

    def end_parsing(self, ctx: Any, faults: Faults, *, is_whole: bool) -> None:
        """Leave the faults to the command's function."""
        needed = [param.name for param in self.params if param.required]
        is_complete = is_whole and all(name in ctx.params for name in needed)
        ctx.params = dict.fromkeys(needed) | ctx.params
        ctx.meta[__name__] = faults, is_complete


def faults_of(context: typer.Context) -> Faults:
    """The faults that a `CheckingCommand` has found so far, to which its function adds."""
    faults: Faults = context.meta[__name__][0]
    return faults


def report_if_incomplete(context: typer.Context) -> None:
    """Report the faults so far if a file or folder is missing that all further checks need.

    Raises:
        InputError: if one is missing.
    """
    faults, is_complete = context.meta[__name__]
    if not is_complete:
        faults.report()


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


class _Words(NamedTuple):
    """A command line, taken apart.

    Attributes:
        values: by the names of parameters.
        rest: words that are left over.
        order: the parameters without faults so far; those that may end a run early come first.
        is_whole: whether every word was understood.
    """

    values: dict[str, Any]
    rest: list[str]
    order: list[Any]
    is_whole: bool


def _read(command: Command, ctx: Any, args: list[str], faults: Faults) -> _Words:
    """Take a command line apart; a faulty option is dropped and the rest is read without it."""
    params = command.get_params(ctx)
    order = sorted(params, key=lambda param: (param.name != "help", not param.is_eager))
    wrong: set[str] = set()
    is_whole = True
    while True:
        try:
            values, rest, _ = command.make_parser(ctx).parse_args(args=list(args))
        except TyperException as error:
            faults.keep(_explained(error, command, ctx))
            option = getattr(error, "option_name", "")
            near = _nearest(option, params)
            shorter = _without(args, option, has_value=near is not None and _has_value(near))
            if len(shorter) == len(args):
                return _Words({}, [], [], is_whole=False)
            wrong.add(option)
            is_whole &= near is not None
            args = shorter
            continue
        order = [param for param in order if not wrong.intersection(param.opts)]
        return _Words(values, [] if wrong else rest, order, is_whole)


def _nearest(option: str, params: list[Any]) -> Any:
    """The parameter that an option, or a mistyped one, means; None if that is unclear."""
    known = {name: param for param in params for name in (*param.opts, *param.secondary_opts)}
    return known.get(option) or known.get(nearest(option, _long(known)) or "")


def _has_value(param: Any) -> bool:
    return param.param_type_name == "option" and not (param.is_flag or param.count)


def _without(args: list[str], option: str, *, has_value: bool) -> list[str]:
    """Remove the first word that holds an option from a command line, and its value if it has one.

    A value is joined to the option by "=", or is the next word.
    """
    for index, word in enumerate(args):
        is_cluster = word[:1] == "-" != word[1:2] and len(option) == 2 and option[1] in word
        if word.partition("=")[0] == option or is_cluster:
            end = index + 1 + (has_value and word == option)
            return args[:index] + args[end:]
    return args


def _is_missing(ctx: Any, param: Any, values: dict[str, Any]) -> bool:
    """Whether a parameter that a command needs is not given."""
    found = values.get(param.name) or ctx.lookup_default(param.name)
    return bool(param.required) and found in (None, (), [])


def _take(ctx: Any, param: Any, values: dict[str, Any]) -> None:
    """Put a parameter's value into the context."""
    try:
        param.handle_parse_result(ctx, values, [])
    except TyperException as error:
        given = values.get(param.name)
        found = ctx.lookup_default(param.name) if given is None else given
        fault = _fault(param, found, error)
        is_of_config = given is None and found is not None
        raise InputError(f"--config: {fault}") if is_of_config else fault from None


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
    near = did_you_mean(option, _long(options))
    return InputError(f"{option}: no such option{near or f'; {_where(ctx)}'}")


def _long(options: Iterable[str]) -> list[str]:
    return [name for name in options if name.startswith("--")]


def _where(ctx: Any) -> str:
    return f"'{ctx.command_path} --help' lists what there is"


def _listed(names: Any) -> str:
    return ", ".join(names)


def group_of(context: typer.Context) -> Group:
    """The program that a command belongs to."""
    group: Any = context.find_root().command
    assert isinstance(group, Group)
    return group
