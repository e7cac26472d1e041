"""TOML and JSON of strangers."""

from __future__ import annotations

import pytest

from envmap_inverse.errors import InputError
from envmap_inverse.system.structured import parse_json, parse_toml


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("x = " + "[" * 5000 + "]" * 5000, "not TOML: its parts are nested too deep"),
        ("x = " + "9" * 5000, "not TOML: a number has more than 4300 digits"),
        ("x = \xff", "not TOML: 'utf-8' codec"),
        ("x =", "not TOML: Invalid value"),
    ],
    ids=["deep", "long number", "not UTF-8", "cut"],
)
def test_toml_that_cannot_be_read_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_toml(text.encode("latin-1"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[" * 100_000, "not JSON: its parts are nested too deep"),
        ("9" * 5000, "not JSON: a number has more than 4300 digits"),
        ("{", "not JSON: Expecting"),
    ],
    ids=["deep", "long number", "cut"],
)
def test_json_that_cannot_be_read_is_refused_in_plain_words(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        parse_json(text)
