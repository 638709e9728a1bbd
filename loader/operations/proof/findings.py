"""What looking at a job's ledger and files has brought to light."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from loader.errors import Choice

MOST_NAMED = 5
"""Offsets, or stretches of them, that one message names."""

RESTORE = Choice(
    "put back what is missing or damaged, from a backup or a snapshot of the file system",
    "kafka-loader verify CONFIG",
)
MOVE_AWAY = Choice(
    "move the file out of the destination, where all it holds is in others", "kafka-loader verify CONFIG"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that is not as the ledger, or Kafka, says.

    kind     a short word that stays the same, for programs
    message  all facts: which file, which offsets, what is there and what is expected
    path     of the file it is in, relative to the destination; None where it is in no single one
    choices  what a person can decide
    """

    kind: str
    message: str
    path: str | None = None
    choices: tuple[Choice, ...] = ()


@dataclass(slots=True)
class Findings:
    """Problems and notes, in the order in which they were met."""

    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def problem(
        self, kind: str, message: str, path: str | None = None, choices: Sequence[Choice] = (RESTORE,)
    ) -> None:
        """Something is wrong."""
        self.problems.append(Problem(kind, message, path, tuple(choices)))

    def note(self, message: str) -> None:
        """Something that a person may want to know, and that is in order."""
        self.notes.append(message)


@dataclass(slots=True)
class OffsetSample:
    """How many offsets of one kind were met, and the first of them."""

    count: int = 0
    first: list[int] = field(default_factory=list)

    def add(self, offsets: NDArray[np.int64]) -> None:
        """Some more, in the order in which they are to be named."""
        self.count += len(offsets)
        self.first += offsets[: MOST_NAMED - len(self.first)].tolist()

    def __str__(self) -> str:
        named = ", ".join(map(str, self.first))
        return f"offset{'' if self.count == 1 else 's'} {named}{' …' if self.count > len(self.first) else ''}"


def name_stretches(stretches: Iterable[tuple[int, int]]) -> str:
    """Stretches of offsets, each with its end exclusive, as a person names them: "3, 7-9"."""
    names = [str(start) if end == start + 1 else f"{start}-{end - 1}" for start, end in stretches]
    return ", ".join(names[:MOST_NAMED]) + (", …" if len(names) > MOST_NAMED else "")
