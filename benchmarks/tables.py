"""Tables that are printed as they grow, and kept as Markdown and as data for JSON."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, is_dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """The median of repeated measurements, and the least and the greatest of them."""

    median: float
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float]) -> Spread:
        """The spread of some values."""
        values = list(values)
        return cls(statistics.median(values), min(values), max(values))

    def __format__(self, spec: str) -> str:
        """The median, and where it differs the range."""
        median, least, most = (format(x, spec) for x in (self.median, self.min, self.max))
        return median if least == most else f"{median} ({least} to {most})"


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table.

    Attributes:
        name: in the JSON file.
        title: heading.
        note: what one has to know to read it.
        columns: names, with the format of their values.
        rows: cells: text, numbers, `Spread`s or other dataclasses that can be formatted. A
            generator measures while the table is printed.
    """

    name: str
    title: str
    note: str
    columns: Mapping[str, str]
    rows: Iterable[Sequence[Any]]

    def to_json(self) -> dict[str, Any]:
        """Title, note and rows by column; NumPy's numbers become Python's."""
        rows = [
            {name: _plain(cell) for name, cell in zip(self.columns, row, strict=True)}
            for row in self.rows
        ]
        return {"title": self.title, "note": self.note, "rows": rows}


def print_table(table: Table, command: str) -> tuple[str, Table]:
    """Print a table row by row.

    Args:
        table: the table; its rows are taken one by one.
        command: what makes it, to stand beside the title.

    Returns:
        What was printed, and the table with all of its rows.
    """
    printed, rows = [], []

    def write(line: str) -> None:
        printed.append(f"{line}\n")
        sys.stdout.write(printed[-1])
        sys.stdout.flush()

    write(f"### {table.title}\n")
    write(f"`{command}`. {table.note}\n")
    write(f"| {' | '.join(table.columns)} |")
    write("|---" * len(table.columns) + "|")
    for row in table.rows:
        cells = map(format, row, table.columns.values())
        write(f"| {' | '.join(cells)} |")
        rows.append(row)
    write("")
    return "".join(printed), Table(**{**vars(table), "rows": rows})


def _plain(cell: Any) -> Any:
    if is_dataclass(cell) and not isinstance(cell, type):
        return asdict(cell)
    return cell.item() if hasattr(cell, "item") else cell
