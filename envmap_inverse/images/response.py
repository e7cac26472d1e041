"""A camera's response: the curve from the values that it stores to the light that made them."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from envmap_inverse.errors import InputError, MissingFileError, check_path
from envmap_inverse.images.colour import LINEAR, SRGB, Curve, power

__all__ = ["AUTO", "EXIF_TOLERANCE", "Bracket", "Response", "as_response", "exif_tolerance"]

AUTO = "auto"
EXIF_TOLERANCE = 0.05
"""Standard deviation of EXIF's exposures as a share: cameras round times and f-numbers."""

EXACT_TOLERANCE = 0.02
"""The same if a time is on no dial, such as 1/205 s: phones write the times that they took."""

DIAL = (
    *(1, 1.3, 1.5, 1.6, 2, 2.5, 3, 4, 5, 6, 8, 10, 13, 15, 20, 25, 30, 40, 45, 50, 60, 80, 90),
    *(100, 125, 160, 180, 200, 250, 320, 350, 400, 500, 640, 750, 800, 1000, 1250, 1500, 1600),
    *(2000, 2500, 3000, 3200, 4000, 5000, 6000, 6400, 8000),
)
"""Parts of a second, by halves and thirds of a stop, as dials have them."""

SAME_TIME, LONG = 0.004, 0.8
"""Share by which times are the same, and seconds from which they are not looked at."""

CHOICES = "auto, srgb, linear, gamma:2.2 or a file"
MAX_BYTES = 10**7


@dataclass(frozen=True, kw_only=True, eq=False)
class Bracket:
    """Pictures of one place at several exposures, from which a response was found.

    Attributes:
        sharing: which values share a curve, in words; "sRGB" if that explains the pictures.
        exposures: of each picture, relative to the first.
        deviations: standard deviation of each, as a share of it.
        by_exif: exposures by EXIF, relative to the first; None if a picture has none.
    """

    sharing: str
    exposures: NDArray[np.float64]
    deviations: NDArray[np.float64]
    by_exif: NDArray[np.float64] | None

    @property
    def most_off(self) -> float | None:
        """Greatest difference of an exposure from EXIF's, as a share; None without EXIF."""
        if self.by_exif is None:
            return None
        return float(np.max(np.abs(self.exposures / self.by_exif - 1)))

    @property
    def agrees_with_exif(self) -> bool | None:
        """Whether all exposures are within twice EXIF's tolerance; None without EXIF."""
        return None if self.most_off is None else self.most_off < 2 * EXIF_TOLERANCE


def exif_tolerance(times: Iterable[float | None]) -> float:
    """Standard deviation of EXIF's exposures as a share.

    Args:
        times: of the pictures by one camera, in seconds; None for those that are not known.

    Example:
        >>> exif_tolerance([1 / 60, 1 / 250]), exif_tolerance([1 / 60, 1 / 205])
        (0.05, 0.02)
    """
    parts = [1 / time for time in times if time is not None and time < LONG]
    is_on_dial = all(min(abs(part / mark - 1) for mark in DIAL) < SAME_TIME for part in parts)
    return EXIF_TOLERANCE if is_on_dial else EXACT_TOLERANCE


@dataclass(frozen=True, kw_only=True, eq=False)
class Response:
    """A response curve.

    Attributes:
        name: what messages call it.
        curves: from stored values, as shares of the full range, to linear ones, 1 at 1; one curve
            for all channels, or one for each.
        bracket: what it was found from; None if it was given.

    Example:
        >>> response = as_response("gamma:2.2")
        >>> response
        <Response gamma 2.2>
        >>> response.table(3).round(3)
        array([[0.   , 0.218, 1.   ],
               [0.   , 0.218, 1.   ],
               [0.   , 0.218, 1.   ]])
    """

    name: str
    curves: tuple[Curve, ...]
    bracket: Bracket | None = None

    def __repr__(self) -> str:
        """The name."""
        return f"<Response {self.name}>"

    def table(self, count: int) -> NDArray[np.float64]:
        """Linear values of so many stored ones from 0 to 1, for each channel: (3, count)."""
        stored = np.linspace(0, 1, count)
        rows = [np.asarray(curve(stored), np.float64) for curve in self.curves]
        return np.stack(rows * (3 // len(rows)))

    def as_csv(self) -> str:
        """The table of 256 values that `as_response` reads."""
        rows = self.table(256).T
        lines = [
            f"{stored},{','.join(f'{value:.9g}' for value in row)}"
            for stored, row in enumerate(rows)
        ]
        return "\n".join(["value,red,green,blue", *lines, ""])


def as_response(choice: str | Path) -> Response:
    """Parse "srgb", "linear", "gamma:X" or the name of a file that has a curve.

    A file has lines of numbers, separated by spaces or commas: a stored value, and its linear
    value, or one for red, green and blue each. Both rise from line to line; stored values go up to
    1 or to 255. Lines that begin with # are skipped, and so is a first line of words. The curve is
    straight between the lines.

    Raises:
        InputError: if it is none of these.
        MissingFileError: if there is no such file.
    """
    text = str(check_path(choice))
    if text.lower() == "srgb":
        return Response(name="sRGB", curves=SRGB.curves)
    if text.lower() == "linear":
        return Response(name="linear", curves=LINEAR.curves)
    if text.startswith("gamma:"):
        return _power(text)
    return _from_file(Path(text))


def _power(text: str) -> Response:
    try:
        exponent = float(text.removeprefix("gamma:"))
    except ValueError:
        exponent = math.nan
    if not 0 < exponent < 100:
        raise InputError(f"response {text!r}: gamma must be a positive number, e.g. gamma:2.2")
    return Response(name=f"gamma {exponent:g}", curves=(power(exponent),))


def _from_file(path: Path) -> Response:
    """Read a table of a curve."""
    if not path.exists():
        raise MissingFileError(f"{path}: no such response; give {CHOICES}")
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        raise InputError(f"{path}: is no table of a response; give {CHOICES}")
    table = _numbers(path)
    stored, linear = table[:, 0], table[:, 1:]
    for name, column in {"stored": stored, "linear": linear}.items():
        is_rising = np.all(np.diff(column, axis=0) > 0, axis=tuple(range(1, column.ndim)))
        if not is_rising.all():
            row = int(np.argmin(is_rising)) + 1
            raise InputError(
                f"{path}: its {name} values must rise; number {row + 1} is {_word(column[row])} "
                f"after {_word(column[row - 1])}"
            )
    if stored[0] < 0 or linear.min() < 0 or stored[-1] > 255:
        raise InputError(f"{path}: values must lie from 0 to 1, or stored ones from 0 to 255")
    top = 1.0 if stored[-1] <= 1 else 255.0
    curves = [partial(_interpolated, stored / top, column / linear.max()) for column in linear.T]
    return Response(name=path.name, curves=tuple(curves))


def _numbers(path: Path) -> NDArray[np.float64]:
    """The numbers of a file, shape (lines, 2 or 4)."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        raise InputError(f"{path}: is no table of a response; give {CHOICES}") from None
    lines = [line.replace(",", " ").replace(";", " ").split() for line in text.splitlines()]
    lines = [words for words in lines if words and not words[0].startswith("#")]
    if lines and _floats(lines[0]) is None:
        lines = lines[1:]
    rows = [_floats(words) for words in lines]
    if len(rows) < 2 or None in rows or {len(row or ()) for row in rows} not in ({2}, {4}):
        raise InputError(
            f"{path}: is no table of a response; each line must have a stored value and its linear "
            "value, or three of them"
        )
    return np.array(rows)


def _floats(words: list[str]) -> list[float] | None:
    """The words as finite numbers; None if they are not."""
    try:
        numbers = [float(word) for word in words]
    except ValueError:
        return None
    return numbers if all(map(math.isfinite, numbers)) else None


def _word(values: Any) -> str:
    return " ".join(f"{value:g}" for value in np.ravel(values))


def _interpolated(
    stored: NDArray[np.float64], linear: NDArray[np.float64], values: NDArray[np.floating[Any]]
) -> NDArray[np.floating[Any]]:
    return np.asarray(np.interp(values, stored, linear))
