"""Counting what hostile cases did, and showing the faults."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from tests.attacks.worker import Answer, Worker

Question = tuple[str, str, list[str]]  # name of the case, command, words
SHOWN = 3  # cases shown of every kind of fault


@dataclass
class Tally:
    """Cases tried by group, and the faults among them."""

    tried: dict[str, int] = field(default_factory=dict)
    faults: dict[str, list[str]] = field(default_factory=dict)  # what was wrong -> the cases

    def add(self, group: str, name: str, fault: str, shown: str = "") -> None:
        """Count one case; `fault` is empty where it ended as it should."""
        self.tried[group] = self.tried.get(group, 0) + 1
        if fault:
            self.faults.setdefault(fault, []).append(f"{group}: {name[:90]!r} {shown[:200]!r}")

    @property
    def failed(self) -> int:
        """Number of cases with a fault."""
        return sum(map(len, self.faults.values()))

    def __str__(self) -> str:
        lines = [f"{group}: {count}" for group, count in self.tried.items()]
        for fault, cases in self.faults.items():
            lines += [f"FAULT {len(cases)}x {fault}", *(f"    {case}" for case in cases[:SHOWN])]
        return "\n".join([*lines, f"{sum(self.tried.values())} tried, {self.failed} failed"])


def ask(tally: Tally, worker: Worker, group: str, questions: Iterable[Question], *, codes: tuple[int, ...] = (0, 1, 2),
        seconds: float = 10, gib: float = 1) -> Iterator[Answer]:
    """Put every question to a child process and count its answer; the answers come back one by one."""
    for name, command, words in questions:
        found = worker.ask(command, words)
        tally.add(group, name, found.fault(codes, seconds, gib), found.error or found.output)
        yield found
