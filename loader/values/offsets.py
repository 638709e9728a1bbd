"""Ranges of offsets: what a load reads, as plain values.

Half-open, [start, end): `end` is the next offset to read, so neighbours share a bound.

A range counts offsets, not records. Compaction, aborted transactions and control
markers leave holes, so a range is done when the reader's position reaches `end`;
counting records, or waiting to see offset end - 1, would wait for ever.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True, order=True)
class TopicPartition:
    """One partition of one topic."""

    topic: str
    partition: int

    def __post_init__(self) -> None:
        if not self.topic or self.partition < 0:
            raise ValueError(f"{self!r} is not a partition: needs a topic name and a number from 0")

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


@dataclass(frozen=True, slots=True, order=True)
class OffsetRange:
    """The offsets [start_offset, end_offset) of one partition."""

    topic: str
    partition: int
    start_offset: int
    end_offset: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_offset <= self.end_offset:
            raise ValueError(f"{self} is not a range: needs 0 <= start <= end")

    @property
    def topic_partition(self) -> TopicPartition:
        """The partition this range is of."""
        return TopicPartition(self.topic, self.partition)

    @property
    def offset_count(self) -> int:
        """How many offsets lie in the range; records may be fewer."""
        return self.end_offset - self.start_offset

    def overlaps(self, other: "OffsetRange") -> bool:
        """Whether the two have an offset in common."""
        return (self.topic, self.partition) == (other.topic, other.partition) and max(
            self.start_offset, other.start_offset
        ) < min(self.end_offset, other.end_offset)

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}[{self.start_offset}, {self.end_offset})"


def united(ranges: Iterable[OffsetRange]) -> list[OffsetRange]:
    """Ranges in order, those of a partition that are adjacent or overlap made one."""
    stretches: list[OffsetRange] = []
    for entry in sorted(ranges):
        last = stretches[-1] if stretches else None
        if last and last.topic_partition == entry.topic_partition and entry.start_offset <= last.end_offset:
            stretches[-1] = replace(last, end_offset=max(last.end_offset, entry.end_offset))
        else:
            stretches.append(entry)
    return stretches
