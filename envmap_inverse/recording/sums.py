"""Sums whose bits do not depend on who adds what."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

__all__ = ["PartialSum", "partial_sums", "total_of"]


@dataclass(frozen=True)
class PartialSum:
    """The sum of some terms in a row.

    Attributes:
        start: number of the first.
        count: how many, a power of two that divides `start`.
        value: their sum.
    """

    start: int
    count: int
    value: Any


def partial_sums(terms: Iterable[PartialSum]) -> list[PartialSum]:
    """Add neighbours in pairs, pairs of pairs and so on, as far as they lie in one binary tree.

    The tree is that of all terms, of which these may be any run: whoever adds a part of them finds
    sums of the whole tree, and the bits of the total are the same however the terms are shared out.

    Args:
        terms: in order, without gaps.
    """
    found: list[PartialSum] = []
    for term in terms:
        found.append(term)
        while len(found) > 1 and _are_siblings(*found[-2:]):
            right, left = found.pop(), found.pop()
            found.append(PartialSum(left.start, 2 * left.count, left.value + right.value))
    return found


def total_of(terms: Iterable[PartialSum]) -> Any:
    """The sum of all terms, from the first on."""
    rest: Iterator[PartialSum] = reversed(partial_sums(terms))
    total = next(rest).value
    for part in rest:
        total = part.value + total
    return total


def _are_siblings(left: PartialSum, right: PartialSum) -> bool:
    return left.count == right.count and left.start % (2 * left.count) == 0
