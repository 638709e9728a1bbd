"""Batches as Kafka's Java client wrote them and a real broker sent them, against what Java's consumer read.

golden/generate.py makes the files; reading them needs neither Java nor a broker.
"""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from loader.records import layout
from loader.records.compilation import ensure_compiled
from loader.records.decoder import DecodedRecords, decode
from loader.records.limits import DecodeLimits
from loader.values import AbortedTransaction, FetchedRecords, OffsetRange, RangeCounts

from .plain_decoder import decode as decode_plainly

FOLDER = Path(__file__).parent / "golden"
TOPICS = sorted(path.stem for path in FOLDER.glob("*.batches"))


class Golden:
    """One topic: the response of its broker, and the rows of its consumer."""

    def __init__(self, topic: str) -> None:
        content = json.loads((FOLDER / f"{topic}.json").read_text())
        self.topic = topic
        self.response = (FOLDER / f"{topic}.batches").read_bytes()
        self.end_offset: int = content["end_offset"]
        self.aborted: list[tuple[int, int]] = [tuple(pair) for pair in content["aborted_transactions"]]
        self.rows: list[dict[str, Any]] = content["rows"]

    def decode(self, start: int = 0, **limits: int) -> list[DecodedRecords]:
        fetched = FetchedRecords(
            topic=self.topic,
            partition=0,
            fetch_offset=start,
            records=self.response,
            high_watermark=self.end_offset,
            last_stable_offset=self.end_offset,
            log_start_offset=0,
            node_id=1,
            aborted_transactions=tuple(AbortedTransaction(*pair) for pair in self.aborted),
        )
        wanted = OffsetRange(self.topic, 0, 0, self.end_offset)
        return list(decode(fetched, wanted, start, "read_committed", limits=DecodeLimits(**limits)))


@pytest.fixture(params=TOPICS)
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(request.param)


def quoted(octets: bytes | None) -> str | None:
    """Bytes as the generator prints them."""
    if octets is None:
        return None
    if len(octets) > 1000:
        return f"sha256 {hashlib.sha256(octets).hexdigest()} of {len(octets)}"
    return f"base64 {base64.b64encode(octets).decode()}"


def as_java_read_them(parts: list[DecodedRecords]) -> list[dict[str, Any]]:
    return [
        {
            "offset": row["offset"],
            "timestamp_ms": round(row["timestamp"].timestamp() * 1000),
            "timestamp_type": row["timestampType"],
            "key": quoted(row["key"]),
            "value": quoted(row["value"]),
            "headers": [
                [quoted(header["key"].encode()), quoted(header["value"])] for header in row["headers"] or ()
            ],
        }
        for part in parts
        for row in part.rows.to_pylist()
    ]


def test_the_golden_files_are_there() -> None:
    assert len(TOPICS) == 13


def test_rows_are_those_of_the_java_consumer(golden: Golden) -> None:
    parts = golden.decode()

    reached = parts[-1].next_offset
    assert as_java_read_them(parts) == [row for row in golden.rows if row["offset"] < reached]
    # A fetch does not read beyond a segment: of the compacted topic, the rest is in the next one.
    assert reached == golden.end_offset or golden.topic == "compacted"


def test_counts_are_those_of_the_plain_decoder(golden: Golden) -> None:
    expected = decode_plainly(golden.response, 0, golden.end_offset, golden.aborted)

    parts = golden.decode()

    counts = RangeCounts.total(part.counts for part in parts)
    assert counts == RangeCounts(
        row_count=len(expected.rows),
        aborted_count=expected.aborted_count,
        control_count=expected.control_count,
        compacted_count=expected.compacted_count,
    )
    assert counts.explained_count == parts[-1].next_offset == expected.next_offset


def test_a_read_from_any_offset_of_the_first_batch_gives_the_rows_from_there(golden: Golden) -> None:
    ensure_compiled()
    first = layout.scan(layout.as_octets(golden.response)).headers[0]

    for start in range(first.last_offset + 1):
        parts = golden.decode(start, chunk_rows=2)
        rows = [row for row in golden.rows if start <= row["offset"] < parts[-1].next_offset]
        assert as_java_read_them(parts) == rows


def test_the_topics_show_what_they_are_for() -> None:
    codecs = {
        layout.scan(layout.as_octets(Golden(f"codec-{name}").response)).headers[0].codec_id
        for name in ("none", "gzip", "snappy", "lz4", "zstd")
    }
    assert codecs == {0, 1, 2, 3, 4}

    def counts(topic: str) -> RangeCounts:
        return RangeCounts.total(part.counts for part in Golden(topic).decode())

    assert counts("transactions") == RangeCounts(row_count=6, aborted_count=4, control_count=4)
    assert counts("compacted").compacted_count > 30
    assert {row["timestamp_type"] for row in Golden("append-time").rows} == {1}
    assert Golden("large-zstd").rows[1]["value"].endswith(" of 1048576")
