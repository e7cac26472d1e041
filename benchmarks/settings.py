"""How much a benchmark does, and the command line that all of them share."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """How much to do.

    Attributes:
        quick: fewer sizes and repeats.
        shrink: divides the side of every film, and shortens some runs; 16 shows in a minute or two
            that all parts run.
    """

    quick: bool = False
    shrink: int = 1

    def pick(self, quick: T, full: T) -> T:
        """One of two values."""
        return quick if self.quick else full

    def repeats(self, quick: int, full: int) -> int:
        """How often to measure: once where films are shrunk, so that only the parts are tried."""
        return 1 if self.shrink > 1 else self.pick(quick, full)

    def steps(self, trial: T, quick: T, full: T) -> T:
        """How long the runs are: as short as can be where films are shrunk."""
        return trial if self.shrink > 1 else self.pick(quick, full)

    def film(self, size: int) -> int:
        """Side of a film in pixels."""
        return max(4, size // self.shrink)


def parser(description: str | None) -> argparse.ArgumentParser:
    """A parser of the options that become `Settings`."""
    made = argparse.ArgumentParser(description=(description or "").partition("\n")[0])
    made.add_argument("--quick", action="store_true", help="fewer sizes and repeats")
    made.add_argument(
        "--shrink", type=_divisor, default=1, metavar="N", help="divide the side of every film by N"
    )
    return made


def settings_of(arguments: argparse.Namespace) -> Settings:
    """The settings among parsed arguments."""
    return Settings(quick=arguments.quick, shrink=arguments.shrink)


def _divisor(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError
    return number
