"""Numbers as text."""

from __future__ import annotations

from typing import Any

__all__ = ["number", "three_digits"]


def number(value: Any) -> str:
    """Format a number to four digits; return words unchanged."""
    if value is None:
        return "–"
    if isinstance(value, list):
        return ", ".join(map(number, value))
    if isinstance(value, bool) or not isinstance(value, int | float):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if 1 <= abs(value) < 1e9:
        digits = len(str(int(abs(value))))
        return f"{value:,.{max(4 - digits, 0)}f}"
    return f"{value:.4g}"


def three_digits(value: float) -> str:
    """Format a number to three digits, zeros included."""
    return f"{value:#.3g}".removesuffix(".")
