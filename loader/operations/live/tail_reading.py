"""Reading ranges of live topics, from their beginning or from their end, in the order of time."""

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace

import pyarrow as pa

from loader.kafka_source.reader import RangeReader
from loader.operations.live.log_parts import decoded_parts
from loader.operations.live.tail_records import RecordShaper, TailRecord
from loader.records.decoder import Isolation
from loader.values import LostOffsets, OffsetRange

GROWTH = 4
"""How much more is looked at where the newest offsets hold too few records: markers, aborted, compacted."""

SHAPED_ROWS = 500
"""Rows of a partition that are made records at once: each partition has some that wait for their turn."""


class TopicReading:
    """Reads ranges of several topics by one reader.

    topic_ids  by topic
    lost       is told of offsets that Kafka deleted before they could be read
    """

    def __init__(
        self,
        reader: RangeReader,
        topic_ids: dict[str, str],
        isolation: Isolation,
        shaper: RecordShaper,
        lost: Callable[[OffsetRange], None],
    ) -> None:
        self._reader = reader
        self._topic_ids = topic_ids
        self._isolation = isolation
        self._shaper = shaper
        self._lost = lost

    def merged(self, ranges: Iterable[OffsetRange]) -> Iterator[TailRecord]:
        """All records of these ranges: of a partition as they lie there, of several the oldest first."""
        return heapq.merge(*(self._records(each) for each in ranges), key=_time)

    def newest(self, ranges: Sequence[OffsetRange], count: int) -> list[TailRecord]:
        """The newest records of these ranges, `count` of each topic at most, in the order of time.

        Of a partition only its last `count` records are looked at: a topic's times need not rise.
        """
        kept: dict[str, list[TailRecord]] = {}
        for index, each in enumerate(ranges if count else ()):
            coming = [other for other in ranges[index + 1 :] if other.topic == each.topic]
            last = (
                record
                for rows in self._last_rows(each, count, coming)
                for record in self._shaper.records(rows)
            )
            # A sort keeps the order of equal times; what sorts last is the newest.
            kept[each.topic] = sorted([*kept.get(each.topic, ()), *last], key=_time)[-count:]
        return sorted((record for records in kept.values() for record in records), key=_time)

    def _records(self, wanted: OffsetRange) -> Iterator[TailRecord]:
        for rows in self._rows(wanted):
            for start in range(0, rows.num_rows, SHAPED_ROWS):
                yield from self._shaper.records(rows.slice(start, SHAPED_ROWS))

    def _last_rows(
        self, wanted: OffsetRange, count: int, coming: Sequence[OffsetRange]
    ) -> Iterator[pa.RecordBatch]:
        """The last `count` rows of a range: from its last offsets, and from further before where need be."""
        size = count
        end_offset = wanted.end_offset
        kept: deque[pa.RecordBatch] = deque()
        missing = count
        while missing > 0 and end_offset > wanted.start_offset:
            start_offset = max(wanted.start_offset, end_offset - size)
            stretch = replace(wanted, start_offset=start_offset, end_offset=end_offset)
            nexts = [
                replace(each, start_offset=max(each.start_offset, each.end_offset - count)) for each in coming
            ]
            found: deque[pa.RecordBatch] = deque()
            row_count = 0
            for rows in self._rows(stretch, nexts):
                found.append(rows)
                row_count += rows.num_rows
                while row_count - found[0].num_rows >= missing:
                    row_count -= found.popleft().num_rows
            kept.extendleft(reversed(found))
            missing -= row_count
            end_offset, size = start_offset, size * GROWTH
        if missing < 0:
            kept[0] = kept[0].slice(-missing)
        return iter(kept)

    def _rows(self, wanted: OffsetRange, coming: Sequence[OffsetRange] = ()) -> Iterator[pa.RecordBatch]:
        topic_id = self._topic_ids[wanted.topic]
        for part in decoded_parts(self._reader, wanted, topic_id, self._isolation, coming):
            if isinstance(part, LostOffsets):
                self._lost(part.range)
            elif part.rows.num_rows:
                yield part.rows


def _time(record: TailRecord) -> int:
    """A record without a time is as good as the oldest."""
    return -1 if record.timestamp_ms is None else record.timestamp_ms
