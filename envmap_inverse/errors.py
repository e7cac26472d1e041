"""The two errors that the package raises on purpose. Their messages are one line each."""

import math

__all__ = ["BackendError", "InputError", "check_positive"]


class InputError(ValueError):
    """Something the caller gave cannot be used; the message says what, why, and the remedy."""


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install."""


def check_positive(**values: float) -> None:
    """Check numbers given by their names.

    Raises:
        InputError: if one is not above 0, or not finite.
    """
    for name, value in values.items():
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} must be positive; found {value}")
