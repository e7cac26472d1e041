"""Lay out the output of `--help`: a docstring, its examples, and the options in panels."""

from __future__ import annotations

import enum
import inspect
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import typer

__all__ = ["long_name", "placeholder", "split_examples", "summary", "usage", "write_panels"]

COMMON = ("verbose", "quiet", "log_file", "stall_limit", "help")
"""Options that every command has."""

_EXAMPLES = "\n\nExamples:\n"


def split_examples(text: str) -> tuple[str, list[str]]:
    """Split a command's docstring into its text and the command lines under `Examples:`."""
    words, _, examples = inspect.cleandoc(text).partition(_EXAMPLES)
    return words, [line.strip() for line in examples.splitlines() if line.strip()]


def summary(text: str) -> str:
    """The first paragraph of a docstring in one line."""
    return " ".join(inspect.cleandoc(text).partition("\n\n")[0].split())


def usage(params: Sequence[Any]) -> list[str]:
    """The words after a command's name: its required parameters, and whether it has options."""
    words = [
        placeholder(param) if param.required else f"[{placeholder(param)}]"
        for param in params
        if param.param_type_name == "argument"
    ]
    needed = [param for param in params if param.param_type_name == "option" and param.required]
    words += [f"{min(param.opts, key=len)} {placeholder(param)}" for param in needed]
    return [*words, "[OPTIONS]"]


def write_panels(formatter: Any, params: Sequence[Any], titles: Sequence[str] = ()) -> None:
    """Write the arguments, then a list of options for each panel.

    Args:
        formatter: writes the lists.
        params: parameters of the command.
        titles: titles of the panels, in this order; none for a single panel.
    """
    arguments = [_row(param) for param in params if param.param_type_name == "argument"]
    if arguments:
        with formatter.section("Arguments"):
            formatter.write_dl(arguments)
    panels: dict[str, list[tuple[str, str]]] = {title: [] for title in ("Options", *titles)}
    for param in params:
        if param.param_type_name == "option" and not param.hidden:
            panel = param.rich_help_panel
            if panel is None:
                panel = "Running" if titles and param.name in COMMON else "Options"
            panels[panel].append(_row(param))
    for title, rows in panels.items():
        if rows:
            with formatter.section(title):
                formatter.write_dl(rows)


def long_name(param: Any) -> str:
    """A parameter's name in messages: its longest option, or an argument's placeholder."""
    if param.param_type_name == "argument":
        return placeholder(param).removesuffix("...")
    return str(max(param.opts, key=len))


def placeholder(param: Any) -> str:
    """Placeholder of a parameter's value: FILE, N, X, or its possible values."""
    if param.metavar is not None:
        return str(param.metavar)
    if param.param_type_name == "option" and (param.is_flag or param.count):
        return ""
    kind = param.type_descriptor.annotation
    if isinstance(kind, type) and issubclass(kind, enum.Enum):
        return "|".join(member.value for member in kind)
    return {int: "N", float: "X", Path: "FILE"}.get(kind, "TEXT")


def _row(param: Any) -> tuple[str, str]:
    """A parameter's names and help."""
    if param.param_type_name == "argument":
        return placeholder(param), _sentence(param)
    names = ", ".join(sorted(param.opts, key=len))
    if param.secondary_opts:
        names += f" / {', '.join(param.secondary_opts)}"
    return f"{names} {placeholder(param)}".rstrip(), _sentence(param)


def _sentence(param: Any) -> str:
    """A parameter's help, with its default if the help does not mention it."""
    value, words = param.default, param.help or ""
    if param.required:
        return words if param.param_type_name == "argument" else f"{words} [required]"
    if value is None or value is False or value == () or param.name == "help":
        return words
    if isinstance(value, bool):
        value = param.opts[0]
    elif isinstance(value, enum.Enum):
        value = value.value
    elif isinstance(value, float):
        value = f"{value:g}"
    elif param.param_type_name == "option" and param.count:
        return words
    return f"{words} [default: {value}]"


def help_of(context: Any, name: str, command: Any) -> str:
    """The help of one of a group's commands, without calling it."""
    with typer.Context(command, info_name=name, parent=context) as inner:
        return str(command.get_help(inner))
