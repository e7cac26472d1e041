"""Priors: what is known about environment maps before a picture is seen."""

from __future__ import annotations

from typing import Protocol

__all__: list[str] = []


class Prior(Protocol):
    """What an optimizer needs of a prior."""
