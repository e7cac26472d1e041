"""What came of hostile input."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field

__all__ = ["Findings", "Report"]


@dataclass(frozen=True)
class Report:
    """The result for one mutant.

    Attributes:
        number: of the mutant.
        kind: of the file.
        status: exit status.
        seconds: that the command took.
        memory: peak bytes of the process.
        failure: what is wrong; empty if nothing is.
    """

    number: int
    kind: str
    status: int
    seconds: float
    memory: int
    failure: str


@dataclass
class Findings:
    """The results for all mutants.

    Attributes:
        statuses: how many of a kind ended with each status.
        spent: seconds that each kind took.
        slowest: report of the slowest.
        memory: peak bytes of the largest worker.
        failures: what is wrong, by the number of the mutant.
    """

    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    spent: defaultdict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: float = 0.0
    memory: int = 0
    failures: dict[int, str] = field(default_factory=dict)

    def add(self, report: Report) -> None:
        """Count one."""
        self.statuses[report.kind, report.status] += 1
        self.spent[report.kind] += report.seconds
        self.seconds = max(self.seconds, report.seconds)
        self.memory = max(self.memory, report.memory)
        if report.failure:
            self.failures[report.number] = f"{report.kind}: {report.failure}"

    def __str__(self) -> str:
        """A table and the failures."""
        kinds = sorted({kind for kind, _ in self.statuses})
        lines = [
            f"{kind:11}"
            + ", ".join(
                f"{count} ended with {status}"
                for (name, status), count in sorted(self.statuses.items())
                if name == kind
            )
            + f", in {self.spent[kind]:.0f} s"
            for kind in kinds
        ]
        lines.append(f"slowest {self.seconds:.1f} s, largest {self.memory / 2**20:.0f} MiB")
        lines += [f"FAILED {number} {what}" for number, what in sorted(self.failures.items())]
        return "\n".join(lines)
