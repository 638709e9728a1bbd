from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from loader.errors import CoverageGap, FetchStalled
from loader.planning.coverage import AcceptedLoad, check_coverage
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    RangeCounts,
    Split,
    SplitResult,
    SplitTiming,
    TopicFailure,
)

A0 = OffsetRange("a", 0, 10, 30)
A0_REST = OffsetRange("a", 0, 30, 50)
A1 = OffsetRange("a", 1, 0, 7)
B0 = OffsetRange("b", 0, 5, 6)
LOST = OffsetRange("a", 1, 0, 1)
PLAN = (Split(0, (A0, A1), 100), Split(1, (A0_REST, B0), 100))


def data_file(name: str, row_count: int, *spans: OffsetRange) -> DataFile:
    return DataFile(
        path=f"{spans[0].topic}/dt=2026-11-22/hour=10/{name}.parquet",
        staged_name=f"{name}.parquet",
        size_bytes=1000,
        row_count=row_count,
        ranges=spans,
        min_timestamp_ms=5,
        max_timestamp_ms=9,
    )


def good_results() -> list[SplitResult]:
    """Split 0: two hours of topic a, with holes. Split 1: the rest of a, and a marker of b, so no file."""
    first = SplitResult(
        0,
        "attempt-0",
        (
            LoadedRange(A0, RangeCounts(row_count=15, aborted_count=3, compacted_count=2), 4, 500),
            LoadedRange(A1, RangeCounts(row_count=6, control_count=1), 4, 200),
        ),
        (
            data_file("a-10", 13, OffsetRange("a", 0, 10, 28), OffsetRange("a", 1, 0, 3)),
            data_file("a-11", 8, OffsetRange("a", 0, 14, 29), OffsetRange("a", 1, 3, 6)),
        ),
    )
    second = SplitResult(
        1,
        "attempt-1",
        (
            LoadedRange(A0_REST, RangeCounts(row_count=20), 4, 900),
            LoadedRange(B0, RangeCounts(control_count=1), -1, 80),
        ),
        (data_file("a-12", 20, A0_REST),),
    )
    return [first, second]


def failed(result: SplitResult, topic: str) -> SplitResult:
    """The same answer with one topic failed: its ranges and files are missing."""
    return replace(
        result,
        loaded=tuple(entry for entry in result.loaded if entry.range.topic != topic),
        files=tuple(file for file in result.files if file.ranges[0].topic != topic),
        failures=(TopicFailure(topic, FetchStalled(A0, 120, "waited for broker 1")),),
    )


def test_an_answer_that_explains_every_offset_is_accepted() -> None:
    load = check_coverage(PLAN, good_results())

    assert [entry.range for entry in load.loaded] == [A0, A0_REST, A1, B0]
    assert [file.staged_name for file in load.files] == ["a-10.parquet", "a-11.parquet", "a-12.parquet"]
    assert load.counts == RangeCounts(row_count=41, aborted_count=3, control_count=2, compacted_count=2)
    assert (load.failures, load.rejected, load.dropped_files) == ({}, (), ())


def test_the_order_of_arrival_changes_nothing() -> None:
    assert check_coverage(PLAN, reversed(good_results())) == check_coverage(PLAN, good_results())


def test_an_empty_plan_is_covered() -> None:
    assert check_coverage((), ()) == AcceptedLoad((), (), {}, (), ())


def test_the_splits_that_took_longest_are_told_without_what_failed() -> None:
    results = [
        replace(each, duration_ms=ms, host=f"host-{ms}")
        for each, ms in zip(good_results(), (7, 9), strict=True)
    ]
    first = SplitTiming((A0, A1), 2, 7, 700, 21, "host-7")

    assert check_coverage(PLAN, results).slowest == (
        SplitTiming((A0_REST, B0), 2, 9, 980, 20, "host-9"),
        first,
    )
    without_b = check_coverage(PLAN, [results[0], failed(results[1], "b")])
    assert without_b.slowest == (SplitTiming((A0_REST,), 1, 9, 900, 20, "host-9"), first)
    without_a = check_coverage(PLAN, [failed(results[0], "a"), results[1]])
    assert without_a.slowest == (SplitTiming((B0,), 1, 9, 80, 0, "host-9"),)
    assert check_coverage(PLAN, [results[0], good_results()[1]]).slowest == (first,)


def test_of_many_slow_splits_and_ranges_a_few_are_told() -> None:
    splits, results = [], []
    for index in range(7):
        loaded = [OffsetRange(f"t{index}", number, 0, 10 + number) for number in range(4)]
        splits.append(Split(index, tuple(loaded), 0))
        entries = tuple(
            LoadedRange(each, RangeCounts(aborted_count=each.offset_count), 1, 9) for each in loaded
        )
        results.append(SplitResult(index, f"attempt-{index}", entries, (), duration_ms=index))

    slowest = check_coverage(splits, results).slowest

    assert [timing.duration_ms for timing in slowest] == [6, 5, 4, 3, 2]
    assert slowest[0].range_count == 4
    assert slowest[0].ranges == tuple(OffsetRange("t6", number, 0, 10 + number) for number in (3, 2, 1))


# Of several attempts at one split


def second_attempt() -> SplitResult:
    first = good_results()[0]
    files = tuple(replace(file, staged_name=f"again-{file.staged_name}") for file in first.files)
    return replace(first, attempt_id="attempt-2", files=files)


def test_the_first_attempt_of_a_split_counts_and_the_files_of_others_are_dropped() -> None:
    late = second_attempt()

    load = check_coverage(PLAN, [*good_results(), late])

    assert load.files == check_coverage(PLAN, good_results()).files
    assert load.rejected == (late,)
    assert load.dropped_files == late.files


def test_a_rejected_attempt_may_say_anything() -> None:
    late = replace(second_attempt(), loaded=(), failures=(TopicFailure("x", ValueError()),))

    load = check_coverage(PLAN, [*good_results(), late])

    assert load.failures == {}


def test_one_answer_delivered_twice_keeps_its_files() -> None:
    first, second = good_results()

    load = check_coverage(PLAN, [first, second, replace(first)])

    assert (load.rejected, load.dropped_files) == ((), ())


def test_two_answers_of_one_attempt_are_refused() -> None:
    first, second = good_results()

    with pytest.raises(CoverageGap, match="attempt attempt-0 gave two answers"):
        check_coverage(PLAN, [first, second, replace(second_attempt(), attempt_id="attempt-0")])


def test_one_attempt_cannot_answer_for_two_splits() -> None:
    first, second = good_results()

    with pytest.raises(CoverageGap, match="attempt attempt-0 gave two answers, one for split 0"):
        check_coverage(PLAN, [first, replace(second, attempt_id="attempt-0")])


def test_a_rejected_file_under_the_name_of_an_accepted_one_is_refused() -> None:
    with pytest.raises(CoverageGap, match=r"a-10\.parquet is to be kept and to be dropped"):
        check_coverage(PLAN, [*good_results(), replace(good_results()[0], attempt_id="attempt-2")])


# Of topics that failed


def test_a_topic_that_failed_in_one_split_is_left_out_of_all() -> None:
    first, second = good_results()
    broken = failed(first, "a")

    load = check_coverage(PLAN, [broken, second])

    assert [entry.range for entry in load.loaded] == [B0]
    assert load.files == ()
    assert load.dropped_files == second.files
    assert load.failures == {"a": (broken.failures[0].error,)}


def test_the_errors_of_all_splits_are_kept() -> None:
    broken = [failed(result, "a") for result in good_results()]

    load = check_coverage(PLAN, broken)

    assert load.failures == {"a": tuple(result.failures[0].error for result in broken)}


def test_what_a_failed_topic_left_in_its_answer_is_dropped() -> None:
    first, second = good_results()
    half = replace(failed(first, "a"), loaded=first.loaded[:1], files=first.files[:1])

    load = check_coverage(PLAN, [half, second])

    assert [entry.range for entry in load.loaded] == [B0]
    assert load.dropped_files == (first.files[0], *second.files)


def test_a_failure_of_one_topic_does_not_excuse_another() -> None:
    first, second = good_results()

    with pytest.raises(CoverageGap, match=r"split 1: did not load a-0\[30, 50\)"):
        check_coverage(PLAN, [first, failed(failed(second, "a"), "b")])


def test_a_failure_of_a_topic_that_was_not_planned_is_refused() -> None:
    first, second = good_results()

    with pytest.raises(CoverageGap, match="split 0: reports a failure of b, not a topic of it"):
        check_coverage(PLAN, [failed(first, "b"), second])


# Of plans


def test_a_plan_with_an_offset_in_two_splits_is_refused() -> None:
    plan = (Split(0, (A0,), 0), Split(1, (OffsetRange("a", 0, 29, 50),), 0))

    with pytest.raises(CoverageGap, match=r"plan: a-0\[10, 30\) is followed by a-0\[29, 50\)"):
        check_coverage(plan, ())


def test_a_plan_that_lost_a_piece_between_two_splits_is_refused() -> None:
    plan = (Split(0, (A0,), 0), Split(1, (OffsetRange("a", 0, 31, 50),), 0))

    with pytest.raises(CoverageGap, match=r"plan: a-0\[10, 30\) is followed by a-0\[31, 50\)"):
        check_coverage(plan, ())


def test_a_plan_with_two_splits_of_one_number_is_refused() -> None:
    with pytest.raises(CoverageGap, match="plan: two splits have the same index"):
        check_coverage((PLAN[0], replace(PLAN[1], index=0)), good_results())


# Of numbers that do not add up: each changes one thing in a good answer

Change = Callable[[list[SplitResult]], list[SplitResult]]


def in_loaded(split: int, place: int, **changes: Any) -> Change:
    def change(results: list[SplitResult]) -> list[SplitResult]:
        loaded = list(results[split].loaded)
        loaded[place] = replace(loaded[place], **changes)
        results[split] = replace(results[split], loaded=tuple(loaded))
        return results

    return change


def in_file(split: int, place: int, **changes: Any) -> Change:
    def change(results: list[SplitResult]) -> list[SplitResult]:
        files = list(results[split].files)
        files[place] = replace(files[place], **changes)
        results[split] = replace(results[split], files=tuple(files))
        return results

    return change


def both(*changes: Change) -> Change:
    def change(results: list[SplitResult]) -> list[SplitResult]:
        for each in changes:
            results = each(results)
        return results

    return change


def in_result(split: int, **changes: Any) -> Change:
    return lambda results: [
        replace(result, **changes) if result.split_index == split else result for result in results
    ]


GOOD = good_results()
WRONG: dict[str, tuple[Change, str]] = {
    "a split without an answer": (
        lambda results: results[:1],
        r"split 1: gave no result for a-0\[30, 50\), b-0",
    ),
    "an answer to another run": (
        lambda results: [*results, replace(results[0], split_index=2)],
        "split 2: gave a result, but was not planned",
    ),
    "no attempt id": (in_result(0, attempt_id=""), "split 0: gave a result of no attempt"),
    "a range left out": (in_result(1, loaded=GOOD[1].loaded[:1]), r"split 1: did not load b-0\[5, 6\)"),
    "a range twice": (
        in_result(1, loaded=(*GOOD[1].loaded, GOOD[1].loaded[1])),
        r"split 1: loaded b-0\[5, 6\), which was not asked of it",
    ),
    "a range of another split": (
        in_result(1, loaded=(*GOOD[1].loaded, GOOD[0].loaded[1])),
        r"split 1: loaded a-1\[0, 7\), which was not asked of it",
    ),
    "a topic that nobody planned": (
        in_result(1, loaded=(*GOOD[1].loaded, LoadedRange(OffsetRange("c", 0, 0, 0), RangeCounts(), -1, 0))),
        r"split 1: loaded c-0\[0, 0\), which was not asked of it",
    ),
    "an end one short": (
        in_loaded(0, 1, range=OffsetRange("a", 1, 0, 6), counts=RangeCounts(row_count=6)),
        r"split 0: did not load a-1\[0, 7\)",
    ),
    "an offset unexplained": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6)),
        r"split 0: a-1\[0, 7\) has 7 offsets, but 6 are explained: RangeCounts\(row_count=6,",
    ),
    "an offset explained twice": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6, control_count=2)),
        r"split 0: a-1\[0, 7\) has 7 offsets, but 8 are explained",
    ),
    "a negative count that makes up for another": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6, control_count=2, compacted_count=-1)),
        "split 0: a number that cannot be in",
    ),
    "negative bytes": (in_loaded(0, 1, fetched_bytes=-1), "a number that cannot be"),
    "an epoch below none": (in_loaded(0, 1, leader_epoch=-2), "a number that cannot be"),
    "offsets lost": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6, lost_count=1), lost_ranges=(LOST,)),
        r"a-1\[0, 7\) lost 1 offsets, and nobody allowed it",
    ),
    "offsets lost that are not named": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6, lost_count=1)),
        r"a-1\[0, 7\) counts 1 lost offsets, but names no offsets",
    ),
    "lost offsets of elsewhere": (
        in_loaded(
            0, 1, counts=RangeCounts(row_count=6, lost_count=1), lost_ranges=(OffsetRange("a", 1, 7, 8),)
        ),
        r"a-1\[0, 7\) counts 1 lost offsets, but names a-1\[7, 8\)",
    ),
    "records quarantined nowhere": (
        in_loaded(0, 1, counts=RangeCounts(row_count=6, quarantined_count=1)),
        "a: 1 quarantined records counted, 0 in files",
    ),
    "a file left out": (in_result(0, files=GOOD[0].files[:1]), "split 0: a: 21 rows counted, 13 in files"),
    "a file that another split's rows make up for": (
        both(in_file(0, 1, row_count=9), in_file(1, 0, row_count=19)),
        "split 0: a: 21 rows counted, 22 in files",
    ),
    "a row not written": (in_file(0, 1, row_count=7), "split 0: a: 21 rows counted, 20 in files"),
    "a file with more rows than offsets": (
        in_file(1, 0, row_count=21),
        r"split 1: a/.*a-12.parquet has 21 rows in a-0\[30, 50\)",
    ),
    "a file with fewer rows than ends": (
        both(in_file(0, 0, row_count=19), in_file(0, 1, row_count=2)),
        "a-11.parquet has 2 rows in",
    ),
    "an empty file": (in_result(1, files=(*GOOD[1].files, data_file("x", 0, B0))), "x.parquet has 0 rows"),
    "rows of a partition without rows": (
        both(
            in_loaded(0, 0, counts=RangeCounts(row_count=20)),
            in_loaded(0, 1, counts=RangeCounts(control_count=7)),
            in_file(0, 0, ranges=(A0, OffsetRange("a", 1, 0, 3))),
            in_file(0, 1, row_count=7),
        ),
        "split 0: a-1: 0 rows counted, files hold",
    ),
    "a partition with rows in no file": (
        both(
            in_file(0, 0, ranges=(OffsetRange("a", 0, 10, 28),)),
            in_file(0, 1, ranges=(OffsetRange("a", 0, 14, 29),)),
        ),
        "split 0: a-1: 6 rows counted, files hold no offsets",
    ),
    "more rows of a partition than offsets in its files": (
        both(
            in_file(0, 0, ranges=(OffsetRange("a", 0, 14, 28), OffsetRange("a", 1, 0, 3))),
            in_file(0, 1, ranges=(OffsetRange("a", 0, 15, 28), OffsetRange("a", 1, 3, 6))),
        ),
        r"split 0: a-0: 15 rows counted, files hold a-0\[14, 28\), a-0\[15, 28\)",
    ),
    "a file that begins before its range": (
        in_file(1, 0, ranges=(OffsetRange("a", 0, 29, 50),)),
        r"a-12.parquet has rows of a-0\[29, 50\), which was not loaded",
    ),
    "a file that ends behind its range": (
        in_file(1, 0, ranges=(OffsetRange("a", 0, 30, 51),)),
        r"a-12.parquet has rows of a-0\[30, 51\), which was not loaded",
    ),
    "a file of a partition that was not asked for": (
        in_file(1, 0, ranges=(OffsetRange("a", 2, 30, 50),)),
        r"a-12.parquet has rows of a-2\[30, 50\), which was not loaded",
    ),
    "a file with a range of no offsets": (
        in_file(1, 0, ranges=(OffsetRange("a", 0, 30, 30),)),
        "a-12.parquet has 20 rows in",
    ),
    "a file of no topic": (in_file(1, 0, ranges=()), "has rows of 0 topics, must be one"),
    "a file of two topics": (in_file(1, 0, ranges=(A0_REST, B0)), "has rows of 2 topics, must be one"),
    "a file that names a partition twice": (
        in_file(1, 0, ranges=(OffsetRange("a", 0, 30, 40), OffsetRange("a", 0, 40, 50))),
        "names a partition twice",
    ),
    "a file of no size": (in_file(1, 0, size_bytes=0), "a-12.parquet has 0 bytes"),
    "a file without a staged name": (in_file(1, 0, staged_name=""), "a-12.parquet has 1000 bytes as ''"),
    "a file in the folder of another topic": (
        in_file(1, 0, path="b/dt=2026-11-22/a-12.parquet"),
        "'b/dt=2026-11-22/a-12.parquet' does not lie in the folder a",
    ),
    "a file outside the destination": (
        in_file(1, 0, path="a/../../a-12.parquet"),
        "does not lie in the folder a",
    ),
    "a file that is a folder": (in_file(1, 0, path="a"), "does not lie in the folder a"),
    "times that run backwards": (in_file(1, 0, min_timestamp_ms=10), "has rows from 10 to 9 ms"),
    "half a time span": (in_file(1, 0, min_timestamp_ms=None), "has rows from None to 9 ms"),
    "two files of one path": (
        in_file(1, 0, path=GOOD[0].files[0].path),
        "files: two files are a/dt=2026-11-22/hour=10/a-10.parquet",
    ),
    "two files of one staged name": (
        in_file(1, 0, staged_name=GOOD[0].files[0].staged_name),
        "files: two files are .*, staged as a-10.parquet",
    ),
}


@pytest.mark.parametrize(("change", "message"), WRONG.values(), ids=list(WRONG))
def test_nothing_passes_with(change: Change, message: str) -> None:
    with pytest.raises(CoverageGap, match=message) as refused:
        check_coverage(PLAN, change(good_results()))

    assert "Nothing was committed" in str(refused.value)


def test_lost_offsets_pass_when_a_person_allowed_them() -> None:
    lossy = in_loaded(0, 1, counts=RangeCounts(row_count=6, lost_count=1), lost_ranges=(LOST,))(
        good_results()
    )

    assert check_coverage(PLAN, lossy, loss_allowed=True).counts.lost_count == 1


def test_a_file_may_span_two_adjacent_ranges_of_its_split() -> None:
    plan = (Split(0, (A0, A0_REST), 0),)
    loaded = tuple(LoadedRange(entry, RangeCounts(row_count=20), 1, 9) for entry in (A0, A0_REST))
    file = data_file("a", 40, OffsetRange("a", 0, 10, 50))

    load = check_coverage(plan, [SplitResult(0, "x", loaded, (file,))])

    assert load.files == (file,)


def test_rows_without_a_timestamp_have_no_time_span() -> None:
    timeless = in_file(1, 0, min_timestamp_ms=None, max_timestamp_ms=None)(good_results())

    assert len(check_coverage(PLAN, timeless).files) == 3


# The same by chance: any plan, answered truly, passes; with any number of the answer changed, it does not


@st.composite
def plans_and_answers(draw: st.DrawFn) -> tuple[tuple[Split, ...], list[SplitResult]]:
    splits, results = [], []
    next_offset: dict[tuple[str, int], int] = {}
    for index in range(draw(st.integers(1, 4))):
        keys = draw(st.lists(st.tuples(st.sampled_from("ab"), st.integers(0, 2)), unique=True, min_size=1))
        loaded = []
        rows: dict[tuple[str, int], list[tuple[int, int]]] = {}
        for topic, partition in sorted(keys):
            start = next_offset.get((topic, partition), partition * 1000)
            # What became of each offset: 0 to 2 a row of that hour, 3 aborted, 4 control, 5 compacted.
            fates = draw(st.lists(st.integers(0, 5), min_size=1, max_size=8))
            next_offset[topic, partition] = start + len(fates)
            for offset, fate in enumerate(fates, start):
                if fate < 3:
                    rows.setdefault((topic, fate), []).append((partition, offset))
            counts = RangeCounts(
                row_count=sum(fate < 3 for fate in fates),
                aborted_count=fates.count(3),
                control_count=fates.count(4),
                compacted_count=fates.count(5),
            )
            planned = OffsetRange(topic, partition, start, start + len(fates))
            loaded.append(LoadedRange(planned, counts, draw(st.integers(-1, 3)), draw(st.integers(0, 99))))
        files = []
        for (topic, hour), places in rows.items():
            spans = []
            for partition in sorted({place[0] for place in places}):
                offsets = [place[1] for place in places if place[0] == partition]
                spans.append(OffsetRange(topic, partition, min(offsets), max(offsets) + 1))
            files.append(data_file(f"{index}-{topic}-{hour}", len(places), *spans))
        splits.append(Split(index, tuple(entry.range for entry in loaded), 0))
        results.append(SplitResult(index, f"attempt-{index}", tuple(loaded), tuple(files)))
    return tuple(splits), results


@given(plans_and_answers())
def test_any_true_answer_is_accepted(case: tuple[tuple[Split, ...], list[SplitResult]]) -> None:
    splits, results = case

    load = check_coverage(splits, results)

    assert sorted(entry.range for entry in load.loaded) == sorted(
        planned for split in splits for planned in split.ranges
    )
    assert load.counts.row_count == sum(file.row_count for file in load.files)


@given(plans_and_answers(), st.data())
def test_any_answer_with_one_number_changed_is_refused(
    case: tuple[tuple[Split, ...], list[SplitResult]], data: st.DataObject
) -> None:
    splits, results = case
    index = data.draw(st.sampled_from(range(len(results))))
    result = results[index]
    delta = data.draw(st.integers(-10, 10).filter(bool))
    if data.draw(st.booleans()) and result.files:
        files = list(result.files)
        place = data.draw(st.sampled_from(range(len(files))))
        files[place] = replace(files[place], row_count=files[place].row_count + delta)
        results[index] = replace(result, files=tuple(files))
    else:
        loaded = list(result.loaded)
        place = data.draw(st.sampled_from(range(len(loaded))))
        entry = loaded[place]
        field = data.draw(
            st.sampled_from(
                ["row_count", "aborted_count", "control_count", "compacted_count", "start", "end"]
            )
        )
        if field == "start" or field == "end":
            start = entry.range.start_offset + (delta if field == "start" else 0)
            end = entry.range.end_offset + (delta if field == "end" else 0)
            assume(0 <= start <= end)
            changed = replace(entry, range=OffsetRange(entry.range.topic, entry.range.partition, start, end))
        else:
            count = getattr(entry.counts, field) + delta
            changed = replace(entry, counts=replace(entry.counts, **{field: count}))
        loaded[place] = changed
        results[index] = replace(result, loaded=tuple(loaded))

    with pytest.raises(CoverageGap):
        check_coverage(splits, results)


@given(plans_and_answers(), st.data())
def test_any_answer_with_something_missing_or_doubled_is_refused(
    case: tuple[tuple[Split, ...], list[SplitResult]], data: st.DataObject
) -> None:
    splits, results = case
    index = data.draw(st.sampled_from(range(len(results))))
    result = results[index]
    what = data.draw(st.sampled_from(["result", "loaded", "files"]))
    if what == "result":
        del results[index]
    else:
        entries = list(getattr(result, what))
        assume(entries)
        place = data.draw(st.sampled_from(range(len(entries))))
        if data.draw(st.booleans()):
            entries.append(entries[place])
        else:
            del entries[place]
        changes: dict[str, Any] = {what: tuple(entries)}
        results[index] = replace(result, **changes)

    with pytest.raises(CoverageGap):
        check_coverage(splits, results)
