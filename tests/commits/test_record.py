"""A commit's document: it comes back as it was written, or it is refused."""

import contextlib
import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loader.commits.record import Commit, decode_commit, encode_commit
from loader.errors import LedgerDamaged
from loader.values import (
    DataFile,
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    RangeCounts,
    SplitTiming,
    TopicPosition,
)
from loader.values.column_types import ListType, Primitive, StructType, TimestampType
from tests.commits.examples import a_commit, a_file

Harm = Callable[[dict[str, Any]], object]

OFFSETS = st.integers(0, 2**63 - 1)
TEXTS = st.text(max_size=20)
TOPICS = st.text("abc._-", min_size=1, max_size=20)
PLACES = st.builds(PartitionPosition, OFFSETS, st.integers(-1, 2**31 - 1))
POSITIONS = st.builds(
    Position,
    st.dictionaries(TOPICS, st.builds(TopicPosition, TEXTS, st.dictionaries(st.integers(0, 9999), PLACES))),
)


@st.composite
def ranges(draw: st.DrawFn, topic: str | None = None) -> OffsetRange:
    start, end = sorted((draw(OFFSETS), draw(OFFSETS)))
    return OffsetRange(topic or draw(TOPICS), draw(st.integers(0, 9999)), start, end)


@st.composite
def files(draw: st.DrawFn) -> DataFile:
    topic = draw(TOPICS)
    return DataFile(
        path=draw(TEXTS),
        staged_name=draw(TEXTS),
        size_bytes=draw(OFFSETS),
        row_count=draw(OFFSETS),
        ranges=tuple(draw(st.lists(ranges(topic), min_size=1, max_size=3))),
        min_timestamp_ms=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
        max_timestamp_ms=draw(st.none() | st.integers(-(2**63), 2**63 - 1)),
    )


COLUMNS = st.builds(
    StructType,
    st.lists(
        st.tuples(
            TEXTS, st.sampled_from([Primitive("long"), ListType(TimestampType()), Primitive("string")])
        ),
        min_size=1,
        max_size=3,
        unique_by=lambda column: column[0],
    ).map(tuple),
)
COMMITS = st.builds(
    Commit,
    version=st.integers(1, 10**20 - 1),
    run_id=TEXTS,
    job_id=TEXTS,
    operation=st.just("load"),
    committed_at_ms=OFFSETS,
    committed_by=TEXTS,
    loader_version=TEXTS,
    cluster_id=TEXTS,
    position=POSITIONS,
    ranges=st.lists(
        st.builds(
            LoadedRange,
            ranges(),
            st.builds(RangeCounts, *[OFFSETS] * 6),
            OFFSETS,
            OFFSETS,
            log_end_offset=st.none() | OFFSETS,
        ),
        max_size=3,
    ).map(tuple),
    files=st.lists(files(), max_size=3).map(tuple),
    removed_files=st.lists(TEXTS, max_size=3).map(tuple),
    columns=st.dictionaries(TOPICS, COLUMNS, max_size=3),
    started_at_ms=st.none() | OFFSETS,
    slowest_splits=st.lists(
        st.builds(SplitTiming, st.lists(ranges(), max_size=3).map(tuple), *[OFFSETS] * 4, TEXTS),
        max_size=2,
    ).map(tuple),
)


@given(COMMITS)
def test_a_commit_comes_back_as_it_was_written(commit: Commit) -> None:
    assert decode_commit(encode_commit(commit), "1.json") == commit


def test_a_document_may_be_laid_out_anew() -> None:
    commit = a_commit(files=(a_file(),))

    pretty = json.dumps(json.loads(encode_commit(commit)), indent=4).encode()

    assert decode_commit(pretty, "1.json") == commit


def flip_each_bit(octet: int) -> list[int]:
    return [octet ^ (1 << bit) for bit in range(8)]


def lose_it(_: int) -> list[int]:
    return [0]


@pytest.mark.parametrize("damage", [flip_each_bit, lose_it])
def test_a_changed_byte_is_found_or_changes_nothing(damage: Callable[[int], list[int]]) -> None:
    commit = a_commit(files=(a_file(),))
    document = encode_commit(commit)

    for at, octet in enumerate(document):
        for other in damage(octet):
            changed = document[:at] + bytes([other]) + document[at + 1 :]
            with contextlib.suppress(LedgerDamaged):
                assert decode_commit(changed, "1.json") == commit, f"byte {at} became {other}"


def test_a_truncated_document_is_found_at_every_length() -> None:
    document = encode_commit(a_commit(files=(a_file(),)))
    whole = document.rstrip(b"\n")

    for length in range(len(whole)):
        with pytest.raises(LedgerDamaged, match=f"{length} bytes"):
            decode_commit(document[:length], "1.json")


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b"null", b"\xff\xfe", b"[" * 100, b'{"commit": 1}'])
def test_what_is_no_commit_is_refused_with_its_path_and_what_to_do(document: bytes) -> None:
    with pytest.raises(LedgerDamaged, match=r"hdfs://nn/7\.json .*Nothing was read.*[Rr]estore"):
        decode_commit(document, "hdfs://nn/7.json")


def test_a_commit_of_a_newer_program_says_which_program_to_use() -> None:
    # As a newer program would write it: its own format version, and a checksum that is right.
    from loader.commits import record

    body = json.loads(encode_commit(a_commit()))["commit"] | {"format_version": 2, "new": "thing"}
    checksum = record._checksum(record._canonical(body))
    document = json.dumps({"checksum": checksum, "commit": body}).encode()

    with pytest.raises(LedgerDamaged, match=r"format version 2.*newer kafka-loader"):
        decode_commit(document, "1.json")


def test_the_document_can_be_read_by_a_person() -> None:
    body = json.loads(encode_commit(a_commit(files=(a_file("b"),))))["commit"]

    assert body["position"] == {
        "orders": {"topic_id": "t-1", "partitions": {"0": {"next_offset": 10, "leader_epoch": 4}}}
    }
    assert re.fullmatch(r"orders/dt=.*/b\.parquet", body["files"][0]["path"])
    assert body["files"][0]["ranges"] == [[0, 0, 10]]


def test_a_commit_of_a_job_without_typed_rows_says_nothing_of_columns() -> None:
    body = json.loads(encode_commit(a_commit()))["commit"]

    assert "columns" not in body


def test_a_commit_of_before_splits_were_timed_tells_of_none() -> None:
    body = json.loads(encode_commit(a_commit()))["commit"]

    assert "slowest_splits" not in body
    assert decode_commit(encode_commit(a_commit()), "1.json").slowest_splits == ()


def test_lost_offsets_come_back_with_their_ranges() -> None:
    whole = OffsetRange("orders", 0, 0, 10)
    lost = (OffsetRange("orders", 0, 0, 2), OffsetRange("orders", 0, 5, 6))
    loaded = LoadedRange(whole, RangeCounts(row_count=7, lost_count=3), 4, 512, lost_ranges=lost)
    commit = replace(a_commit(), ranges=(loaded,))

    assert decode_commit(encode_commit(commit), "1.json") == commit


@pytest.mark.parametrize(
    "harm",
    [
        lambda body: body.pop("position"),
        lambda body: body["position"]["orders"]["partitions"].update({"0": {"next_offset": -5}}),
        lambda body: body["ranges"][0].update(start_offset=99),
        lambda body: body.update(files=[{}]),
        lambda body: body.update(position=[]),
        lambda body: body.update(columns={"orders": "struct<a: whole>"}),
        lambda body: body.update(columns={"orders": "long"}),
    ],
)
def test_a_document_of_right_checksum_that_says_what_cannot_be_is_damaged(harm: Harm) -> None:
    body = json.loads(encode_commit(a_commit()))["commit"]
    harm(body)
    canonical = json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    checksum = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()

    with pytest.raises(LedgerDamaged, match=r"1\.json says what cannot be"):
        decode_commit(json.dumps({"checksum": checksum, "commit": body}).encode(), "1.json")
