"""About how many files a plan becomes: every task writes each time folder of each topic by itself."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loader.values import OffsetRange, Split, TopicPartition

HOUR_MS = 3_600_000


@dataclass(frozen=True, slots=True)
class TimeSpan:
    """From when to when the records of a range were produced, both in ms since 1970, the last included.

    Between, offsets are taken to come at an even pace.
    """

    range: OffsetRange
    first_ms: int
    last_ms: int

    def at(self, offset: int) -> int:
        """About when a record of the range was produced."""
        steps = max(self.range.offset_count - 1, 1)
        whole_ms = max(self.last_ms - self.first_ms, 0)
        return self.first_ms + whole_ms * (offset - self.range.start_offset) // steps


def count_files(
    splits: Iterable[Split],
    spans: Mapping[TopicPartition, TimeSpan],
    folder_hours: Mapping[str, int | None],
    target_file_bytes: int,
) -> dict[str, int]:
    """By topic, about how many files the splits become.

    spans         of partitions of which it is known; the others are taken to fill one folder
    folder_hours  by topic, how many hours a time folder holds; None or missing where all rows are in one
    """
    counts: defaultdict[str, int] = defaultdict(int)
    for split in splits:
        offsets = sum(planned.offset_count for planned in split.ranges)
        by_topic: defaultdict[str, list[OffsetRange]] = defaultdict(list)
        for planned in split.ranges:
            by_topic[planned.topic].append(planned)
        for topic, ranges in by_topic.items():
            rows = sum(each.offset_count for each in ranges)
            size_bytes = split.estimated_bytes * rows // max(offsets, 1)
            folders = _folder_count(ranges, spans, folder_hours.get(topic))
            counts[topic] += min(max(folders, -(-size_bytes // target_file_bytes)), rows)
    return dict(counts)


def _folder_count(
    ranges: Iterable[OffsetRange], spans: Mapping[TopicPartition, TimeSpan], hours: int | None
) -> int:
    if hours is None:
        return 1
    width_ms = hours * HOUR_MS
    touched = []
    for each in ranges:
        span = spans.get(each.topic_partition)
        if span is not None:
            first, last = span.at(each.start_offset), span.at(each.end_offset - 1)
            touched.append((first // width_ms, last // width_ms))
    count, seen = 0, None
    for first_folder, last_folder in sorted(touched):
        begin = first_folder if seen is None else max(first_folder, seen + 1)
        count += max(last_folder - begin + 1, 0)
        seen = last_folder if seen is None else max(seen, last_folder)
    return max(count, 1)
