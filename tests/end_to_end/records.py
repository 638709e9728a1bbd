"""Records as Kafka gives them, and how two sets of them are compared."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

CREATE_TIME, LOG_APPEND_TIME = 0, 1
"""As the column `timestampType` of Spark's Kafka source spells them."""

Headers = tuple[tuple[str, bytes | None], ...]


@dataclass(frozen=True, slots=True)
class Record:
    """One record, wherever it was read from.

    timestamp_ms  None for a record without one, which Kafka sends as -1
    headers       None where a client cannot read them: compared with anything
    """

    topic: str
    partition: int
    offset: int
    timestamp_ms: int | None
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Headers | None

    @property
    def place(self) -> tuple[str, int, int]:
        """What no two records share."""
        return self.topic, self.partition, self.offset


def assert_same_records(found: Iterable[Record], expected: Iterable[Record]) -> None:
    """The same records, byte for byte, each exactly once; names the first that differ."""
    found, expected = list(found), list(expected)
    doubled = [place for place, count in Counter(record.place for record in found).items() if count > 1]
    assert not doubled, f"{len(doubled)} records are there twice: {doubled[:5]}"
    by_place, wanted = _by_place(found), _by_place(expected)
    missing, surplus = sorted(wanted.keys() - by_place.keys()), sorted(by_place.keys() - wanted.keys())
    assert not missing, f"{len(missing)} records are missing: {missing[:5]}"
    assert not surplus, f"{len(surplus)} records should not be there: {surplus[:5]}"
    different = [place for place, record in wanted.items() if not _same(by_place[place], record)]
    # In words of our own: of a megabyte nobody reads a diff.
    first = [f"\n{_short(records[different[0]])}" for records in (by_place, wanted) if different]
    assert not different, f"{len(different)} records differ, first:{''.join(first)}"


def offsets_of(records: Iterable[Record], topic: str | None = None, partition: int = 0) -> list[int]:
    """The offsets of one partition, in the order of the records."""
    return [
        record.offset for record in records if topic in (None, record.topic) and record.partition == partition
    ]


def _by_place(records: Sequence[Record]) -> dict[tuple[str, int, int], Record]:
    return {record.place: record for record in records}


def _same(found: Record, expected: Record) -> bool:
    if found.headers is None or expected.headers is None:
        return replace(found, headers=None) == replace(expected, headers=None)
    return found == expected


def _short(record: Record) -> str:
    def cut(value: bytes | None) -> bytes | None:
        return value if value is None or len(value) <= 100 else value[:100] + b"..."

    return str(replace(record, key=cut(record.key), value=cut(record.value)))
