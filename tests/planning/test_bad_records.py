"""Quarantined records count as rows do; and too many of them stop their topic, and no other."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.errors import CoverageGap, TooManyBadRecords
from loader.planning.bad_records import is_beyond
from loader.planning.coverage import check_coverage
from loader.values import BadRecord, DataFile, LoadedRange, OffsetRange, RangeCounts, Split, SplitResult
from loader.values.bad_records import beginning_of

A0, A1, B0 = OffsetRange("a", 0, 0, 100), OffsetRange("a", 1, 0, 50), OffsetRange("b", 0, 0, 10)
PLAN = (Split(0, (A0, B0), 1), Split(1, (A1,), 1))
ZEROS = '"' + "\\u0000" * 33 + '\\u" …'


def a_file(name: str, row_count: int, *spans: OffsetRange, folder: str = "a/dt=2026-11-22") -> DataFile:
    return DataFile(f"{folder}/{name}.parquet", f"{name}.parquet", 9, row_count, spans, None, None)


def bad(partition: int, offset: int) -> BadRecord:
    return BadRecord("a", partition, offset, "json", "not-json", "no value (byte 0)", '"x"')


def results() -> list[SplitResult]:
    """Of a's 150 records 5 are bad, and all of b's good."""
    first = SplitResult(
        0,
        "attempt-0",
        (
            LoadedRange(A0, RangeCounts(row_count=97, quarantined_count=3), 0, 1),
            LoadedRange(B0, RangeCounts(row_count=10), 0, 1),
        ),
        (
            a_file("a-0", 97, A0),
            a_file("a-q0", 3, OffsetRange("a", 0, 7, 80), folder="_quarantine/a"),
            a_file("b-0", 10, B0, folder="b"),
        ),
        bad_records=(bad(0, 7), bad(0, 8), bad(0, 79)),
    )
    second = SplitResult(
        1,
        "attempt-1",
        (LoadedRange(A1, RangeCounts(row_count=48, quarantined_count=2), 0, 1),),
        (a_file("a-1", 48, A1), a_file("a-q1", 2, OffsetRange("a", 1, 0, 2), folder="_quarantine/a")),
        bad_records=(bad(1, 0), bad(1, 1)),
    )
    return [first, second]


@pytest.mark.parametrize("limit", [5, 6, 0.034, 0.99])
def test_as_many_bad_records_as_are_allowed_are_accepted_with_their_files(limit: float) -> None:
    load = check_coverage(PLAN, results(), max_bad_records={"a": limit})

    assert load.failures == {}
    assert load.counts == RangeCounts(row_count=155, quarantined_count=5)
    assert {file.path for file in load.files if file.is_quarantine} == {
        "_quarantine/a/a-q0.parquet",
        "_quarantine/a/a-q1.parquet",
    }


@pytest.mark.parametrize(
    ("limits", "allowed"),
    [({"a": 4}, "allows 4."), ({"a": 0}, "allows 0."), ({"a": 0.03}, "allows 3 %."), ({}, "allows 1 %.")],
)
def test_more_fail_the_whole_topic_and_no_other(limits: dict[str, float], allowed: str) -> None:
    reversed_ = list(reversed(results()))

    load = check_coverage(PLAN, reversed_, max_bad_records={"b": 0, **limits})

    (error,) = load.failures["a"]
    assert list(load.failures) == ["a"]
    assert isinstance(error, TooManyBadRecords)
    assert error.exit_status == 4
    assert str(error).startswith(f"a: 5 of 150 records cannot be decoded, and max_bad_records {allowed}")
    assert [line.strip() for line in str(error).splitlines() if "@" in line] == [
        f'a-0@{offset}: not-json: no value (byte 0); value begins "x"' for offset in (7, 8, 79)
    ]
    assert [entry.range for entry in load.loaded] == [B0]
    assert [file.staged_name for file in load.files] == ["b-0.parquet"]
    assert {file.staged_name for file in load.dropped_files} == {
        "a-0.parquet",
        "a-q0.parquet",
        "a-1.parquet",
        "a-q1.parquet",
    }


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(0, 20_000))
def test_a_number_allows_so_many_and_no_more(good: int, bad_count: int, limit: int) -> None:
    counts = RangeCounts(row_count=good, quarantined_count=bad_count, aborted_count=7)

    assert is_beyond(counts, max(limit, 1)) == (bad_count > max(limit, 1))
    assert is_beyond(counts, 0) == (bad_count > 0)


@given(st.integers(1, 10_000), st.floats(0, 1, exclude_max=True))
def test_where_all_records_are_bad_no_fraction_lets_them_pass(bad_count: int, limit: float) -> None:
    assert is_beyond(RangeCounts(quarantined_count=bad_count, control_count=5), limit)


Change = Callable[[list[SplitResult]], None]


def in_file(split: int, place: int, **changes: Any) -> Change:
    def change(answers: list[SplitResult]) -> None:
        files = list(answers[split].files)
        files[place] = replace(files[place], **changes)
        answers[split] = replace(answers[split], files=tuple(files))

    return change


def counted(quarantined: int, rows: int) -> Change:
    def change(answers: list[SplitResult]) -> None:
        first, *others = answers[0].loaded
        counts = RangeCounts(row_count=rows, quarantined_count=quarantined)
        answers[0] = replace(answers[0], loaded=(replace(first, counts=counts), *others))

    return change


def without_quarantine(answers: list[SplitResult]) -> None:
    first = answers[0]
    answers[0] = replace(first, files=tuple(file for file in first.files if not file.is_quarantine))


def crowded(answers: list[SplitResult]) -> None:
    """Counts and files agree, but rows and bad records share their offsets."""
    counts = RangeCounts(row_count=50, quarantined_count=50)
    files = (
        a_file("a-0", 50, OffsetRange("a", 0, 0, 60)),
        a_file("a-q0", 50, OffsetRange("a", 0, 0, 60), folder="_quarantine/a"),
        answers[0].files[2],
    )
    first, other = answers[0].loaded
    answers[0] = replace(answers[0], loaded=(replace(first, counts=counts), other), files=files)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without_quarantine, "a: 3 quarantined records counted, 0 in files"),
        (in_file(0, 1, row_count=4), "a: 3 quarantined records counted, 4 in files"),
        (in_file(0, 1, path="a/a-q0.parquet"), "a: 97 rows counted, 100 in files"),
        (in_file(0, 0, path="_quarantine/a/a-0.parquet"), "a: 97 rows counted, 0 in files"),
        (in_file(0, 1, path="_quarantine/b/a-q0.parquet"), "does not lie in the folder _quarantine/a"),
        (in_file(0, 1, path="_quarantine/a"), "does not lie in the folder _quarantine/a"),
        (in_file(0, 1, path="_quarantine/a/../b.parquet"), "does not lie in the folder _quarantine/a"),
        (counted(4, 96), "a: 96 rows counted, 97 in files"),
        (crowded, "100 rows and quarantined records counted, files hold"),
    ],
)
def test_nothing_passes_where_quarantine_and_counts_differ(change: Change, message: str) -> None:
    answers = results()
    change(answers)

    with pytest.raises(CoverageGap) as refused:
        check_coverage(PLAN, answers, max_bad_records={"a": 1000})

    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("data", "shown"),
    [
        (None, None),
        (b"", '""'),
        ("žluť".encode(), '"žluť"'),
        (b"a\xffb\0\n", '"a\\xffb\\u0000\\n"'),
        (b"x" * 300, f'"{"x" * 200}" …'),
        (b"\0" * 200, ZEROS),
    ],
)
def test_a_message_shows_how_a_value_begins_on_one_line(data: bytes | None, shown: str | None) -> None:
    assert beginning_of(data) == shown
