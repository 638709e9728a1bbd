"""What a stretch of commits did, added up: whatever is counted is counted once, and in its place."""

from collections.abc import Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.commits.record import Commit
from loader.operations.watch import topic_times
from loader.operations.watch.activity import Activity, PositionMove
from loader.operations.watch.time_grid import DAY_MS, HOUR_MS, TimeGrid, grid_over
from loader.operations.watch.topic_times import TopicTimes
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    SplitTiming,
    TopicPartition,
    TopicPosition,
)
from tests.commits.examples import a_commit

TIMES = st.integers(0, 4 * 10**12)


@given(TIMES, TIMES, st.integers(2, 100))
def test_a_grid_has_no_more_cells_than_asked_for_and_no_finer_one_would_do(
    one: int, other: int, most: int
) -> None:
    first, last = sorted((one, other))

    grid = grid_over(first, last, most)

    def cells(of: TimeGrid) -> int:
        return (of.start_of(last) - of.start_of(first)) // of.width_ms + 1

    assert cells(grid) <= most
    finer = TimeGrid(1000)
    while finer.width_ms < grid.width_ms:
        assert cells(finer) > most
        assert finer.coarser().width_ms % finer.width_ms == 0
        finer = finer.coarser()
    assert finer == grid


def file(name: str, row_count: int, topic: str = "orders", folder: str = "dt=2026-11-22/hour=10") -> DataFile:
    path = f"{topic}/{folder}/{name}.parquet" if folder else f"{topic}/{name}.parquet"
    return DataFile(
        path, f"{name}.parquet", 100, row_count, (OffsetRange(topic, 0, 0, 10),), 5 * HOUR_MS, None
    )


def add_all(activity: Activity, commits: Iterable[Commit]) -> Activity:
    """As a report does it: from the newest back."""
    ordered = list(commits)
    for number in range(len(ordered) - 1, -1, -1):
        activity.add(ordered[number], ordered[number - 1] if number else None)
    return activity


def test_rows_of_files_that_were_taken_away_do_not_count() -> None:
    compacted = file("c", 30)
    first = a_commit(1, files=(file("a", 10),))
    second = a_commit(2, files=(file("b", 20), file("b", 7, "other")))
    third = replace(
        a_commit(3, files=(compacted,)),
        operation="compact",
        ranges=(),
        removed_files=(file("a", 10).path, file("b", 20).path),
    )

    activity = add_all(Activity(TimeGrid(HOUR_MS)), [first, second, third])

    assert activity.times.totals == {"orders": 30, "other": 7}


def test_rows_lie_where_their_folders_say_and_else_where_their_first_record_does() -> None:
    times = TopicTimes()
    hour_ms = 1_795_341_600_000  # 2026-11-22 10:00 UTC
    for each in (
        file("a", 1),
        file("b", 2, folder="dt=2026-11-22"),
        file("c", 4, folder=""),
        replace(file("d", 8, folder="dt=__HIVE_DEFAULT_PARTITION__"), min_timestamp_ms=None),
    ):
        times.add(each)

    assert times.cells == {
        (hour_ms, "orders"): 1,
        (hour_ms - 10 * HOUR_MS, "orders"): 2,
        (5 * HOUR_MS, "orders"): 4,
    }
    assert (times.timeless_count, times.totals["orders"]) == (8, 15)


def test_a_stray_record_of_another_time_does_not_stretch_the_span() -> None:
    times = TopicTimes()
    for day in range(10, 15):
        times.add(file(f"f-{day}", 1000, folder=f"dt=2026-11-{day}/hour=00"))
    times.add(file("old", 1, folder="dt=1970-01-01/hour=00"))
    times.add(file("new", 1, folder="dt=9999-12-31/hour=23"))

    first_ms, last_ms = times.span() or (0, 0)

    assert (last_ms - first_ms) == 4 * DAY_MS


def test_hours_with_few_rows_beside_the_others_belong_to_the_span() -> None:
    times = TopicTimes()
    for hour in range(10):
        times.add(file(f"f-{hour}", 1 if hour in (0, 9) else 10_000, folder=f"dt=2026-11-22/hour={hour:02}"))

    first_ms, last_ms = times.span() or (0, 0)

    assert (last_ms - first_ms) == 9 * HOUR_MS


def test_many_cells_become_wider_ones_with_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_times, "MOST_CELLS", 30)
    times = TopicTimes()

    for day in range(1, 29):
        for hour in range(24):
            times.add(file(f"{day}-{hour}", 1, folder=f"dt=2026-11-{day:02}/hour={hour:02}"))

    assert times.grid == TimeGrid(DAY_MS)
    assert [*times.cells.values()] == [24] * 28


def test_what_waited_is_counted_once_for_a_partition_in_several_ranges() -> None:
    def loaded(start: int, end: int, log_end: int | None = 50) -> LoadedRange:
        counts = RangeCounts(row_count=end - start)
        return LoadedRange(OffsetRange("orders", 0, start, end), counts, 1, 9, log_end_offset=log_end)

    again = replace(loaded(0, 10), replaced=RangeCounts(row_count=10))
    commit = replace(a_commit(1), ranges=(again, loaded(10, 30)))

    activity = add_all(Activity(TimeGrid(HOUR_MS)), [commit])

    cell = TimeGrid(HOUR_MS).start_of(commit.committed_at_ms)
    assert activity.waiting == {(cell, "orders"): 50}
    assert activity.left == {cell: 20}
    unknown = replace(commit, ranges=(loaded(0, 10, None),))
    assert add_all(Activity(TimeGrid(HOUR_MS)), [unknown]).waiting == {}


def test_offsets_skipped_by_a_person_are_told_and_those_loaded_before_are_not() -> None:
    def standing(next_offset: int, reached: int | None) -> Position:
        return Position({"orders": TopicPosition("t", {0: PartitionPosition(next_offset, 1, reached)})})

    at_10 = replace(a_commit(1), position=standing(10, None))
    back = replace(a_commit(2), operation="set_position", ranges=(), position=standing(4, 10), reason="why")
    on = replace(a_commit(3), operation="set_position", ranges=(), position=standing(25, None), reason="on")

    activity = add_all(Activity(TimeGrid(HOUR_MS)), [at_10, back, on])

    place = TopicPartition("orders", 0)
    marks = [move.commit for move in activity.moves]
    assert activity.moves == [
        PositionMove(place, 4, 25, 15, marks[0]),
        PositionMove(place, 10, 4, 0, marks[1]),
    ]
    assert [(mark.version, mark.reason) for mark in marks] == [(3, "on"), (2, "why")]
    assert activity.skipped_count == 15


def test_losses_and_slow_splits_are_told_with_their_commit() -> None:
    lost = OffsetRange("orders", 0, 0, 3)
    loaded = LoadedRange(
        OffsetRange("orders", 0, 0, 10), RangeCounts(row_count=7, lost_count=3), 1, 9, 0, 0, (lost,)
    )
    timings = [SplitTiming((lost,), 1, ms, 1, 1, "h") for ms in range(20)]
    first = replace(a_commit(1), ranges=(loaded,), slowest_splits=tuple(timings[:10]))
    second = replace(a_commit(2), slowest_splits=tuple(timings[10:]))

    activity = add_all(Activity(TimeGrid(HOUR_MS)), [first, second])

    assert [(loss.range, loss.commit.version) for loss in activity.losses] == [(lost, 1)]
    assert [(slow.timing.duration_ms, slow.commit.version) for slow in activity.slowest] == [
        (ms, 2) for ms in range(19, 9, -1)
    ]
    assert activity.counts == {"orders": RangeCounts(row_count=17, lost_count=3)}
