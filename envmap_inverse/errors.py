"""The two errors that the package raises on purpose. Their messages are one line each."""

__all__ = ["BackendError", "InputError"]


class InputError(ValueError):
    """Something the caller gave cannot be used; the message says what, why, and the remedy."""


class BackendError(RuntimeError):
    """This machine cannot run Mitsuba as asked; the message says what to install."""
