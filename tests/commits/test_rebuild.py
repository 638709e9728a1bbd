"""A rebuilt ledger says no more and no less than commits and files prove."""

import time
from dataclasses import dataclass, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.commits.evidence import Evidence, FoundShare
from loader.commits.rebuild import RebuiltLedger, rebuild
from loader.commits.record import Commit
from loader.errors import LedgerDamaged
from loader.records.schema import RAW_SCHEMA
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    TopicPartition,
    TopicPosition,
)
from loader.values.column_types import StructType, parse_type
from tests.commits.examples import a_commit


def span(start: int, end: int, partition: int = 0) -> OffsetRange:
    return OffsetRange("orders", partition, start, end)


def loaded(start: int, end: int, rows: int, partition: int = 0) -> LoadedRange:
    """The rows come first in it; behind them are markers."""
    return LoadedRange(
        span(start, end, partition), RangeCounts(row_count=rows, control_count=end - start - rows), 4, 9
    )


def file_of(run: int, start: int, end: int, partition: int = 0) -> DataFile:
    name = f"a{run}-0-{start}.parquet"
    rows = span(start, end, partition)
    return DataFile(f"orders/{name}", name, 1000, end - start, (rows,), 1, 2)


@dataclass(frozen=True)
class Run:
    """A commit with one range, whose rows are in files of at most five."""

    commit: Commit
    claim: LoadedRange

    @property
    def files(self) -> tuple[DataFile, ...]:
        return self.commit.files

    def share(self, files: tuple[DataFile, ...]) -> FoundShare:
        name = f"a{self.commit.version}-0"
        return FoundShare(self.commit.run_id, name, "orders", "t-1", (self.claim,), len(self.files), files)


def a_run(version: int, start: int, end: int, rows: int) -> Run:
    files = tuple(
        file_of(version, first, min(first + 5, start + rows)) for first in range(start, start + rows, 5)
    )
    claim = loaded(start, end, rows)
    commit = replace(
        a_commit(version, f"run-{version}", files),
        ranges=(claim,),
        position=Position({"orders": TopicPosition("t-1", {0: PartitionPosition(end, 4)})}),
    )
    return Run(commit, claim)


def rebuilt(evidence: Evidence) -> RebuiltLedger:
    """With the rows of doubtful ranges counted in the files that are there."""
    counts = dict.fromkeys(evidence.doubtful, RangeCounts())
    for wanted in counts:
        for file in evidence.files:
            if wanted.start_offset <= file.ranges[0].start_offset < wanted.end_offset:
                name = "quarantined_count" if file.is_quarantine else "row_count"
                counts[wanted] += RangeCounts(**{name: file.row_count})
    return rebuild(evidence, counts)


def test_what_good_commits_and_whole_shares_tell_is_taken_as_it_is() -> None:
    runs = [a_run(1, 0, 10, 8), a_run(2, 10, 20, 10), a_run(3, 20, 30, 3)]
    evidence = Evidence((runs[0].commit, runs[2].commit), (runs[1].share(runs[1].files),), ())

    ledger = rebuilt(evidence)

    assert ledger.ranges == (LoadedRange(span(0, 30), RangeCounts(row_count=21, control_count=9), 4, 27),)
    assert ledger.position == runs[2].commit.position
    assert {file.path for file in ledger.files} == {file.path for run in runs for file in run.files}


def columns(text: str) -> StructType:
    found = parse_type(text)
    assert isinstance(found, StructType)
    return found


def test_columns_are_those_of_the_newest_good_commit_grown_by_what_files_have() -> None:
    runs = [a_run(1, 0, 10, 8), a_run(2, 10, 20, 10), a_run(3, 20, 30, 3)]
    known = {"orders": columns("struct<id: int, price: float>"), "other": columns("struct<a: date>")}
    commit = replace(runs[0].commit, columns=known)
    shares = [
        replace(runs[1].share(runs[1].files), columns=columns("struct<id: long, name: string>")),
        replace(runs[2].share(runs[2].files), columns=columns("struct<id: int>")),
    ]

    ledger = rebuilt(Evidence((commit,), tuple(shares), ()))

    assert {topic: str(each) for topic, each in ledger.columns.items()} == {
        "orders": "struct<id: long, price: float, name: string>",
        "other": "struct<a: date>",
    }


def test_raw_files_add_their_columns_only_beside_typed_ones() -> None:
    runs = [a_run(1, 0, 10, 8), a_run(2, 10, 20, 10)]
    typed = replace(
        runs[0].share(runs[0].files), columns=columns("struct<id: int, kafka: struct<offset: long>>")
    )
    raw = runs[1].share(runs[1].files)
    quarantined = tuple(replace(file, path=f"_quarantine/{file.path}") for file in raw.files)

    def names(*shares: FoundShare) -> list[str]:
        found = rebuilt(Evidence((), shares, ())).columns
        return [name for name, _ in found["orders"].fields] if found else []

    assert names(typed, raw) == ["id", *RAW_SCHEMA.names, "kafka"]
    assert names(typed, replace(raw, files=quarantined)) == ["id", "kafka"]
    assert names(raw) == []


def test_offsets_between_that_nothing_tells_of_are_lost_and_behind_them_the_position_goes_back() -> None:
    runs = [a_run(1, 0, 10, 8), a_run(3, 20, 30, 3)]
    newest = a_run(4, 40, 40, 0)
    commits = (runs[0].commit, runs[1].commit, replace(newest.commit, ranges=()))

    ledger = rebuilt(Evidence(commits, (), ()))

    assert ledger.lost_ranges == (span(10, 20),)
    assert ledger.position.topics["orders"].partitions == {0: PartitionPosition(30, 4)}


def test_missing_rows_are_lost_within_the_offsets_of_their_files() -> None:
    runs = [a_run(1, 0, 20, 15), a_run(2, 20, 30, 10)]
    missing = runs[0].files[1]

    ledger = rebuilt(Evidence((runs[0].commit, runs[1].commit), (), (missing,)))

    assert ledger.counts == RangeCounts(row_count=20, control_count=5, lost_count=5)
    assert ledger.lost_ranges == (span(5, 10),)
    assert missing not in ledger.files


def test_a_last_range_without_any_of_its_rows_is_loaded_again() -> None:
    runs = [a_run(1, 0, 10, 8), a_run(2, 10, 20, 7)]

    ledger = rebuilt(Evidence((runs[0].commit, runs[1].commit), (), runs[1].files))

    assert ledger.counts.lost_count == 0
    assert ledger.position.topics["orders"].partitions == {0: PartitionPosition(10, 4)}


def test_files_whose_share_nobody_tells_are_taken_by_their_rows() -> None:
    run = a_run(1, 0, 20, 15)
    share = replace(run.share(run.files[:2]), ranges=(), file_count=0)

    ledger = rebuilt(Evidence((), (share,), ()))

    assert ledger.counts == RangeCounts(row_count=10)
    assert ledger.position.topics["orders"].partitions[0].next_offset == 10


def test_a_partition_that_was_met_and_not_loaded_keeps_its_beginning() -> None:
    commit = replace(
        a_commit(1), ranges=(), position=Position({"orders": TopicPosition("t-1", {3: PartitionPosition(7)})})
    )

    ledger = rebuilt(Evidence((commit,), (), ()))

    assert ledger.ranges == (LoadedRange(span(7, 7, 3), RangeCounts(), -1, 0),)
    assert ledger.position == commit.position


def test_ranges_that_overlap_are_refused() -> None:
    first, second = a_run(1, 0, 10, 10), a_run(2, 9, 20, 5)

    with pytest.raises(LedgerDamaged, match=r"orders-0\[0, 10\) and orders-0\[9, 20\) are both said"):
        rebuilt(Evidence((first.commit,), (second.share(second.files),), ()))


def test_two_topics_of_one_name_are_refused() -> None:
    first, second = a_run(1, 0, 10, 10), a_run(2, 10, 20, 5)
    other = replace(second.share(second.files), topic_id="t-2")

    with pytest.raises(LedgerDamaged, match="of 2 topics of that name: t-1, t-2"):
        rebuilt(Evidence((first.commit,), (other,), ()))


def test_more_rows_than_were_loaded_are_refused() -> None:
    run = a_run(1, 0, 20, 15)
    share = replace(run.share(run.files), files=(*run.files, run.files[0]))

    with pytest.raises(LedgerDamaged, match=r"hold 20 rows of orders-0\[0, 20\), of which 15 were loaded"):
        rebuilt(Evidence((), (share,), ()))


def test_quarantined_records_count_as_rows_do_and_are_lost_with_their_files() -> None:
    run = a_run(1, 0, 20, 12)
    counts = RangeCounts(row_count=12, quarantined_count=5, compacted_count=3)
    bad = [
        replace(file_of(1, first, end), path=f"_quarantine/orders/q{first}.parquet")
        for first, end in ((12, 15), (15, 17))
    ]
    commit = replace(run.commit, ranges=(replace(run.claim, counts=counts),), files=(*run.commit.files, *bad))

    whole = rebuilt(Evidence((commit,), (), ()))
    without_one = rebuilt(Evidence((commit,), (), (bad[1],)))
    with_nothing = rebuilt(Evidence((commit,), (), commit.files))

    assert whole.counts == counts
    assert without_one.counts == replace(counts, quarantined_count=3, lost_count=2)
    assert without_one.lost_ranges == (OffsetRange("orders", 0, 15, 17),)
    assert set(without_one.files) == {*run.commit.files, bad[0]}
    assert with_nothing.position.of(TopicPartition("orders", 0)) == PartitionPosition(0, -1)


def test_a_share_known_only_by_its_files_counts_its_quarantine_apart() -> None:
    run = a_run(1, 0, 10, 10)
    bad = replace(file_of(1, 5, 9), path="_quarantine/orders/q.parquet")
    share = replace(run.share((run.files[0],)), ranges=(), file_count=0, files=(run.files[0], bad))

    ledger = rebuilt(Evidence((), (share,), ()))

    assert ledger.counts == RangeCounts(row_count=5, quarantined_count=4)
    assert ledger.position.of(TopicPartition("orders", 0)) == PartitionPosition(9, -1)


def test_a_long_ledger_with_many_missing_files_is_rebuilt_in_time() -> None:
    runs = [a_run(version, 10 * version, 10 * version + 10, 10) for version in range(1, 4001)]
    shares = tuple(run.share(run.files[:1]) for run in runs[::2])
    commits = tuple(run.commit for run in runs[1::2])
    missing = tuple(run.files[0] for run in runs[1::2])
    evidence = Evidence(commits, shares, missing)
    began_s = time.process_time()

    ledger = rebuild(evidence, dict.fromkeys(evidence.doubtful, RangeCounts(row_count=5)))

    assert ledger.counts.lost_count == 20_000
    assert time.process_time() - began_s < 5


@st.composite
def evidence_of_a_harmed_job(draw: st.DrawFn) -> Evidence:
    """Some commits of a job are gone, and some files, of lost commits and of good ones."""
    start, runs = 0, []
    for version in range(1, draw(st.integers(1, 6)) + 1):
        count = draw(st.integers(1, 20))
        runs.append(a_run(version, start, start + count, draw(st.integers(0, count))))
        start += count
    good = draw(st.lists(st.sampled_from(runs), unique_by=lambda run: run.commit.version))
    good.sort(key=lambda run: run.commit.version)
    gone = {file.path for run in runs for file in run.files if draw(st.integers(0, 4)) == 0}
    left = [(run, tuple(file for file in run.files if file.path not in gone)) for run in runs]
    return Evidence(
        tuple(run.commit for run in good),
        tuple(run.share(files) for run, files in left if run not in good and files),
        tuple(file for run in good for file in run.files if file.path in gone),
    )


@given(evidence_of_a_harmed_job())
def test_a_rebuilt_ledger_is_one_that_a_job_can_go_on_with(evidence: Evidence) -> None:
    ledger = rebuilt(evidence)

    if not ledger.ranges:
        assert ledger.files == ()
        return
    (only,) = ledger.ranges  # of one partition, without a hole
    assert only.counts.explained_count == only.range.offset_count
    assert only.counts.row_count == sum(file.row_count for file in ledger.files)
    assert set(ledger.files) == set(evidence.files)
    last_row = max((file.ranges[0].end_offset for file in ledger.files), default=0)
    assert ledger.position.topics["orders"].partitions[0].next_offset == only.range.end_offset >= last_row
    lost_room = sum(lost.offset_count for lost in ledger.lost_ranges)
    assert only.counts.lost_count <= lost_room
    again = Position().advanced((only.range,), {"orders": "t-1"}, {})
    assert again.topics["orders"].partitions[0].next_offset == only.range.end_offset
