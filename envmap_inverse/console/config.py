"""The option --config."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from envmap_inverse.console.shots import flat_options
from envmap_inverse.errors import Faults, InputError, did_you_mean
from envmap_inverse.system.structured import parse_toml

__all__ = ["read_config"]


def read_config(context: typer.Context, path: Path | None) -> Path | None:
    """Use a TOML file's values as defaults, which the command line overrides."""
    if path is None:
        return None
    values = _read(path)
    if "\\x00" in repr(values):
        raise InputError(f"--config {path}: a text has a NUL character; take it out")
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


def _read(path: Path) -> dict[str, Any]:
    try:
        if path.exists() and not path.is_file():
            raise InputError("is a folder or a device; name a TOML file")
        return parse_toml(path.read_bytes())
    except OSError as error:
        raise InputError(f"--config {path}: cannot be read: {error.strerror}") from None
    except InputError as error:
        raise InputError(f"--config {path}: {error}") from None
