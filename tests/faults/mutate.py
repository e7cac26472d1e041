"""Seeded mutations of files, of bytes and of words."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

import numpy as np

__all__ = ["mutated"]

Random = np.random.Generator

_NUMBERS = (0, 1, -1, 2, 3, 127, 128, 255, 256, 2**15, 2**16, 2**31 - 1, -(2**31), 2**32 - 1)
_FLOATS = (0.0, -1.0, 1e38, -1e38, 1e-45, float("inf"), float("nan"))
_WORDS = (
    *("0", "1", "-1", "3", "255", "4294967295", "4294967297", "1e38", "1e999", "nan", "-0.0", ""),
    *(
        "$",
        "$resolution",
        "&lt;",
        "\x00",
        "99999999999999999999",
        "true",
        "[[",
        '"',
        "=",
        "é",
        "../",
    ),
)
_WORD = re.compile(rb"[\w.+-]+")
_NUMBER = re.compile(rb"(?<![\w.])-?\d+\.?\d*(?:e[+-]?\d+)?(?![\w.])")


def mutated(data: bytes, random: Random, *, is_text: bool) -> bytes:
    """The data after random mutations, two on average.

    Args:
        data: of a valid file.
        random: where all choices come from.
        is_text: also change words and lines.
    """
    for _ in range(int(random.geometric(0.5))):
        kinds = _OF_TEXT if is_text and random.random() < 0.9 else _OF_BYTES
        data = kinds[random.integers(len(kinds))](data, random)
    return data


def _position(data: bytes, random: Random) -> int:
    """Anywhere, or sometimes in the first 400 bytes, where headers are."""
    end = max(len(data), 1)
    return int(random.integers(end if random.random() < 0.7 else min(end, 400)))


def _put(data: bytes, at: int, new: bytes) -> bytes:
    return data[:at] + new + data[at + len(new) :]


def _flip_bit(data: bytes, random: Random) -> bytes:
    at = _position(data, random)
    return _put(data, at, bytes([data[at] ^ 1 << int(random.integers(8))])) if data else data


def _set_byte(data: bytes, random: Random) -> bytes:
    return _put(data, _position(data, random), bytes([int(random.integers(256))]))


def _set_number(data: bytes, random: Random) -> bytes:
    number = int(random.choice(_NUMBERS))
    size = int(random.choice([1, 2, 4, 8]))
    order = "little" if random.random() < 0.8 else "big"
    bits = (number % 2 ** (8 * size)).to_bytes(size, order)
    return _put(data, _position(data, random), bits)


def _set_float(data: bytes, random: Random) -> bytes:
    return _put(data, _position(data, random), struct.pack("<f", random.choice(_FLOATS)))


def _truncate(data: bytes, random: Random) -> bytes:
    return data[: _position(data, random)]


def _remove(data: bytes, random: Random) -> bytes:
    at = _position(data, random)
    return data[:at] + data[at + int(random.integers(1, 32)) :]


def _repeat(data: bytes, random: Random) -> bytes:
    at = _position(data, random)
    piece = data[at : at + int(random.integers(1, 64))]
    return data[:at] + piece * int(random.integers(1, 20)) + data[at:]


def _insert(data: bytes, random: Random) -> bytes:
    at = _position(data, random)
    return data[:at] + random.bytes(int(random.integers(1, 16))) + data[at:]


def _change_word(data: bytes, random: Random) -> bytes:
    words = list(_WORD.finditer(data))
    if not words:
        return data
    word = words[random.integers(len(words))]
    new = words[random.integers(len(words))][0]
    if random.random() < 0.7:
        new = _WORDS[random.integers(len(_WORDS))].encode()
    return data[: word.start()] + new + data[word.end() :]


def _change_number(data: bytes, random: Random) -> bytes:
    numbers = list(_NUMBER.finditer(data))
    if not numbers:
        return data
    number = numbers[random.integers(len(numbers))]
    new = str(random.choice([*_NUMBERS, *_FLOATS, float(f"{random.normal():.3g}")]))
    return data[: number.start()] + new.encode() + data[number.end() :]


def _shuffle_lines(data: bytes, random: Random) -> bytes:
    lines = data.split(b"\n")
    source, target = random.integers(len(lines), size=2)
    if random.random() < 0.5:
        lines.insert(int(target), lines[source])
    else:
        lines[source], lines[target] = lines[target], lines[source]
    return b"\n".join(lines)


_Mutation = Callable[[bytes, Random], bytes]
_OF_BYTES: tuple[_Mutation, ...] = (
    _flip_bit,
    _set_byte,
    _set_number,
    _set_float,
    _truncate,
    _remove,
    _repeat,
    _insert,
)
_OF_TEXT: tuple[_Mutation, ...] = (_change_number, _change_number, _change_word, _shuffle_lines)
