"""The errors that the package raises on purpose. Their messages have one line for each fault."""

import difflib
import errno
import math
import numbers
import os
import re
import reprlib
import textwrap
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

__all__ = [
    "LARGEST",
    "SMALLEST",
    "BackendError",
    "CombinedInputError",
    "Faults",
    "InputError",
    "MissingFileError",
    "UnknownArgumentError",
    "cannot_write",
    "check_counts",
    "check_numbers",
    "check_path",
    "check_positive",
    "check_seed",
    "check_share",
    "counted",
    "did_you_mean",
    "in_one_line",
    "in_short",
    "is_auto",
    "is_out_of_memory",
    "nearest",
    "tells_of_memory",
]

_P = ParamSpec("_P")
_T = TypeVar("_T")

SMALLEST, LARGEST = 1e-15, 1e15
"""Bounds of positive numbers: their squares are far from those of float32."""

LEAST_SHARE = 1e-6
"""Of the light that a surface reflects, from which the light can be told."""

_OUT_OF_MEMORY = re.compile(
    "bad_alloc|out of memory|allocate|MemoryError|map segment|Resource temporarily unavailable",
    re.IGNORECASE,
)


class InputError(ValueError):
    """An input from the caller cannot be used; the message says which, why, and the remedy.

    Example:
        >>> try:
        ...     ei.render(scene, spp=0)
        ... except ei.InputError as error:
        ...     print(error)
        spp must be at least 1; found 0
    """


class MissingFileError(InputError, FileNotFoundError):
    """A file that the caller named does not exist."""


class UnknownArgumentError(InputError, TypeError):
    """A function or class has no argument of that name."""


class CombinedInputError(InputError):
    """Several faults of one input, a line each.

    Attributes:
        errors: the faults, in the order in which they were found.
    """

    def __init__(self, errors: Sequence[InputError]) -> None:
        """Args: errors: at least one."""
        super().__init__("\n".join(map(str, errors)))
        self.errors = tuple(errors)


class Faults:
    """Collects what is wrong with an input, so that all of it is reported at once.

    Example:
        >>> faults = Faults()
        >>> faults.attempt(check_positive, learning_rate=-1)
        >>> faults.attempt(check_positive, floor=0)
        >>> faults.report()
        Traceback (most recent call last):
        envmap_inverse.errors.CombinedInputError: learning_rate must be positive; found -1
        floor must be positive; found 0
    """

    def __init__(self) -> None:
        """Start without faults."""
        self._errors: list[InputError] = []

    def attempt(self, make: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T | None:
        """Call a function and return its result; if it meets a fault, keep that and return None."""
        try:
            return make(*args, **kwargs)
        except InputError as error:
            self.keep(error)
        return None

    def passes(self, make: Callable[_P, object], /, *args: _P.args, **kwargs: _P.kwargs) -> bool:
        """Call a function as `attempt` does, and return whether it met no fault."""
        before = len(self._errors)
        self.attempt(make, *args, **kwargs)
        return len(self._errors) == before

    def keep(self, error: InputError) -> None:
        """Keep a fault found elsewhere, or several that were reported together."""
        self._errors += error.errors if isinstance(error, CombinedInputError) else [error]

    def need(self, make: Callable[_P, _T], /, *args: _P.args, **kwargs: _P.kwargs) -> _T:
        """Call a function whose result all further checks need.

        Raises:
            InputError: if it meets a fault; the faults kept before are reported with it.
        """
        try:
            return make(*args, **kwargs)
        except InputError as error:
            self.keep(error)
            self.report()
            raise

    def report(self) -> None:
        """Raise the faults kept so far, those with the same words once.

        Raises:
            InputError: if there are any; several are raised as one `CombinedInputError`.
        """
        unlike = list({str(error): error for error in self._errors}.values())
        if len(unlike) == 1:
            raise unlike[0]
        if unlike:
            raise CombinedInputError(unlike)


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install.

    Example:
        >>> try:
        ...     scene = ei.load_scene("scene.xml")
        ... except ei.BackendError as error:
        ...     print(error)
    """


def is_auto(value: object) -> bool:
    """Whether a value is the word "auto"; arrays, of which == gives arrays, are not."""
    return isinstance(value, str) and value == "auto"


def check_numbers(*, least: float = -LARGEST, most: float = LARGEST, **values: Any) -> None:
    """Check numbers, given by name.

    Args:
        least: the smallest number allowed.
        most: the largest.
        **values: the numbers.

    Raises:
        InputError: if one is no number, or out of this range.
    """
    for name, value in values.items():
        if not isinstance(value, numbers.Real):
            raise InputError(f"{name} must be a number; found {in_short(value)}")
        if not bool(least <= value <= most):  # type: ignore[operator]
            raise InputError(
                f"{name} must lie between {least:g} and {most:g}; found {in_short(value)}"
            )


def check_positive(**values: float) -> None:
    """Check numbers, given by name.

    Raises:
        InputError: if one is not above 0, not a number, or so large or small that computing with
            it in float32 overflows.
    """
    for name, value in values.items():
        if isinstance(value, numbers.Real) and (not value > 0 or value == math.inf):
            raise InputError(f"{name} must be positive; found {value}")
        check_numbers(least=SMALLEST, most=LARGEST, **{name: value})


def check_share(**values: float) -> None:
    """Check shares of light that a surface reflects, given by name.

    Raises:
        InputError: if one is not from `LEAST_SHARE` to 1.
    """
    check_numbers(least=LEAST_SHARE, most=1, **values)


def check_counts(*, least: int = 1, most: int = 2**63 - 1, **values: int | None) -> None:
    """Check numbers of things, given by name; None is left alone.

    Args:
        least: the smallest number allowed.
        most: the largest.
        **values: the numbers.

    Raises:
        InputError: if one is not whole, or out of this range.
    """
    for name, value in values.items():
        if value is None:
            continue
        if not isinstance(value, numbers.Integral):
            raise InputError(f"{name} must be a whole number; found {in_short(value)}")
        if not least <= value <= most:
            bound = f"least {least}" if value < least else f"most {most}"
            raise InputError(f"{name} must be at {bound}; found {in_short(value)}")


def check_seed(seed: int) -> None:
    """Check that a seed can be used.

    Raises:
        InputError: if it is not whole, negative or needs more than 32 bits.
    """
    if not isinstance(seed, numbers.Integral):
        raise InputError(f"seed must be a whole number; found {in_short(seed)}")
    if not 0 <= seed < 2**32:
        raise InputError(f"seed must be from 0 to 2^32 - 1; found {seed}")


def in_short(value: object) -> str:
    """The `repr` of a value for a message: one line, without the middle of what is long."""
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple):
        return f"{type(value).__name__} of shape {shape}"
    return textwrap.shorten(reprlib.repr(value), 100, placeholder=" ...")


def check_path(path: object) -> Path:
    """Check that something can name a file, and return it as a `Path`.

    Raises:
        InputError: if it is neither text nor a path.
    """
    if not isinstance(path, str | os.PathLike):
        raise InputError(f"found {in_short(path)} where the name of a file is due")
    return Path(path)


def in_one_line(words: object) -> str:
    """What a library says, as one line; an error without a message gives its kind."""
    return " ".join(str(words).split()) or type(words).__name__


def counted(number: int, noun: str) -> str:
    """A number of things in words: "1 sensor", "2 sensors"."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def did_you_mean(name: str, names: Iterable[str]) -> str:
    """Suggest the nearest known name, as the end of a message about an unknown one.

    Args:
        name: the unknown name.
        names: the known names; case does not count.

    Returns:
        "; did you mean 'Huber'?", or "" if no name is near.
    """
    near = nearest(name, names)
    return "" if near is None else f"; did you mean {near!r}?"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that has an unknown one for its initials, or looks most like it.

    None if none does.

    Args:
        name: the unknown name.
        names: the known names; case does not count.
    """
    known = {candidate.lower(): candidate for candidate in names}
    word = name.lower().strip("-")
    short = [candidate for candidate in known if len(word) > 1 and _initials(candidate) == word]
    near = short or difflib.get_close_matches(name.lower(), known, n=1)
    return known[near[0]] if near else None


def _initials(name: str) -> str:
    return "".join(word[0] for word in re.findall(r"[^-_]+", name))


def cannot_write(name: str, error: OSError) -> Exception:
    """Make the error to raise if a file or folder that the caller named cannot be written.

    Args:
        name: the file or folder, as the caller named it.
        error: the cause. A full or broken disk stays an `OSError`; otherwise another name helps.
    """
    if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EIO}:
        return OSError(error.errno, error.strerror, name)
    return InputError(f"{name}: cannot be written: {error.strerror}")


def is_out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, is due to a lack of memory."""
    while error is not None:
        if isinstance(error, MemoryError) or tells_of_memory(str(error)):
            return True
        error = error.__cause__ or error.__context__
    return False


def tells_of_memory(words: str) -> bool:
    """Whether a library's message is about a lack of memory."""
    return _OUT_OF_MEMORY.search(words) is not None
