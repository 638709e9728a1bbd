from loader.planning.file_counts import HOUR_MS, TimeSpan, count_files
from loader.values import OffsetRange, Split, TopicPartition

DAY_MS = 24 * HOUR_MS


def split(index: int, *ranges: OffsetRange, estimated_bytes: int = 1000) -> Split:
    return Split(index, ranges, estimated_bytes)


def span(wanted: OffsetRange, first_ms: int, last_ms: int) -> dict[TopicPartition, TimeSpan]:
    return {wanted.topic_partition: TimeSpan(wanted, first_ms, last_ms)}


def test_a_split_has_a_file_for_each_hour_that_its_records_touch() -> None:
    wanted = OffsetRange("t", 0, 100, 200)
    spans = span(wanted, HOUR_MS // 2, 3 * HOUR_MS + HOUR_MS // 2)

    assert count_files([split(0, wanted)], spans, {"t": 1}, 10**9) == {"t": 4}
    assert count_files([split(0, wanted)], spans, {"t": 24}, 10**9) == {"t": 1}
    assert count_files([split(0, wanted)], spans, {"t": None}, 10**9) == {"t": 1}


def test_each_split_of_a_partition_touches_its_own_part_of_the_hours() -> None:
    wanted = OffsetRange("t", 0, 0, 400)
    halves = OffsetRange("t", 0, 0, 200), OffsetRange("t", 0, 200, 400)

    counts = count_files(
        [split(number, half) for number, half in enumerate(halves)],
        span(wanted, 0, 4 * HOUR_MS - 1),
        {"t": 1},
        10**9,
    )

    assert counts == {"t": 4}


def test_partitions_of_one_split_share_the_files_of_an_hour() -> None:
    first, second, gap = (OffsetRange("t", number, 0, 10) for number in range(3))
    spans = (
        span(first, 0, 2 * HOUR_MS)
        | span(second, HOUR_MS, 3 * HOUR_MS)
        | span(gap, 30 * HOUR_MS, 30 * HOUR_MS)
    )

    assert count_files([split(0, first, second, gap)], spans, {"t": 1}, 10**9) == {"t": 5}


def test_topics_of_one_split_have_files_of_their_own() -> None:
    one, other = OffsetRange("one", 0, 0, 10), OffsetRange("other", 0, 0, 10)

    assert count_files([split(0, one, other)], {}, {"one": 1, "other": 1}, 10**9) == {"one": 1, "other": 1}


def test_large_files_are_rolled_and_no_row_is_in_two() -> None:
    many, few = OffsetRange("t", 0, 0, 1000), OffsetRange("t", 1, 0, 3)

    assert count_files([split(0, many, estimated_bytes=1000)], {}, {"t": 1}, 300) == {"t": 4}
    assert count_files([split(0, few)], span(few, 0, 50 * DAY_MS), {"t": 1}, 10**9) == {"t": 3}
