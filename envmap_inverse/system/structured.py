"""Parse TOML and JSON of strangers; every failure is an `InputError` in plain words."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from envmap_inverse.errors import InputError, in_one_line

__all__ = ["parse_json", "parse_toml"]


def parse_toml(data: bytes) -> dict[str, Any]:
    """Parse a TOML document.

    Raises:
        InputError: if it is none; the message says why, after "not TOML: ".
    """
    with _refusing("TOML"):
        return tomllib.loads(data.decode("utf-8"))


def parse_json(data: bytes | str) -> Any:
    """Parse a JSON text.

    Raises:
        InputError: if it is none; the message says why, after "not JSON: ".
    """
    with _refusing("JSON"):
        return json.loads(data)


@contextmanager
def _refusing(kind: str) -> Iterator[None]:
    try:
        yield
    except RecursionError:
        raise InputError(f"not {kind}: its parts are nested too deep") from None
    except ValueError as error:
        reason = in_one_line(error)
        if "set_int_max_str_digits" in reason:
            reason = "a number has more than 4300 digits"
        raise InputError(f"not {kind}: {reason}") from None
