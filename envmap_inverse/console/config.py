"""The option --config."""

from __future__ import annotations

import tomllib
from pathlib import Path

import typer

from envmap_inverse.console.shots import flat_options
from envmap_inverse.errors import Faults, InputError, did_you_mean

__all__ = ["read_config"]


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Use a TOML file's values as defaults, which the command line overrides."""
    if path is None:
        return None
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"--config {path}: not TOML: {error}") from None
    if "view" in values:
        values |= flat_options(values.pop("view"), f"--config {path}")
    known = {parameter.name for parameter in context.command.params} - {"trust_input"}
    faults = Faults()
    for name in sorted(set(values) - known):
        near = did_you_mean(name, known)
        faults.keep(InputError(f"--config {path}: unknown option {name!r}{near}"))
        del values[name]
    context.default_map = {**(context.default_map or {}), **values}
    faults.report()
    return path
