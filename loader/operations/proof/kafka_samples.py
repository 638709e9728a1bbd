"""Some of the loaded offsets, compared byte by byte with what Kafka has of them, as long as it keeps them."""

import random
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa

from loader.errors import (
    COMPARE,
    AccessDenied,
    ClusterChanged,
    PathNotFound,
    PersonDecides,
    RunAgainLater,
    UnreadableFile,
)
from loader.formats.metadata import is_typed, metadata, metadata_type
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.watermarks import read_bounds
from loader.operations.job import Job
from loader.operations.live.log_parts import decoded_parts
from loader.operations.proof.file_proof import FileProof
from loader.operations.proof.findings import RESTORE, Findings
from loader.operations.proof.ledger import Ledger, LoadedPartition
from loader.planning.bounds import TopicBounds
from loader.planning.covered import cut
from loader.records.schema import RAW_SCHEMA
from loader.tables.opening import opened
from loader.tables.rows import read_rows
from loader.values import LostOffsets, OffsetRange, TopicPartition

PLACES = 3
"""Samples of each partition."""

SAMPLE_OFFSETS = 100
SAMPLE_BYTES = 16 << 20
"""Of rows in one sample, or one batch more: records may be large."""

COMPARED = ("key", "value", "headers", "timestamp", "timestampType")

Row = tuple[Any, ...]
"""The compared columns of one row."""

UNTOLD = object()
"""Stands for what a typed row does not hold as Kafka has it: its value became columns."""


@dataclass(slots=True)
class Sample:
    """Some offsets of one partition, and the files that hold their rows.

    is_readable  False where a file is missing or broken, which is told already
    """

    range: OffsetRange
    topic_id: str
    files: list[FileProof] = field(default_factory=list)
    is_readable: bool = True


@dataclass(slots=True)
class Compared:
    """What was compared.

    row_count   rows that Kafka and the files both were asked for, and Kafka has
    gone_count  rows of the files that Kafka no longer has, by compaction or retention
    """

    sample_count: int = 0
    row_count: int = 0
    gone_count: int = 0


@dataclass(slots=True)
class Samples:
    """The samples of a job, by partition, and the partitions that gave no answer, with the reason."""

    by_partition: dict[TopicPartition, list[Sample]] = field(default_factory=dict)
    unanswered: dict[TopicPartition, str] = field(default_factory=dict)

    def offer(self, proof: FileProof) -> None:
        """Note which samples have rows in a file; a replay's are compared where they were quarantined."""
        if proof.file.is_replay:
            return
        for part in proof.file.ranges:
            for sample in self.by_partition.get(part.topic_partition, ()):
                if not part.overlaps(sample.range):
                    continue
                if proof.path is None or not proof.is_counted:
                    sample.is_readable = False
                else:
                    sample.files.append(proof)


def choose_samples(job: Job, ledger: Ledger, rng: random.Random, findings: Findings) -> Samples:
    """Ask the brokers what they still have of the loaded offsets, and choose places in it.

    Raises BrokerUnavailable, AccessDenied, and ClusterChanged where another cluster answers.
    """
    samples = Samples()
    if ledger.newest is None:
        return samples
    with KafkaClient(job.kafka) as client:
        client.connect(job.kafka.request_timeout_ms)
        listing = read_listing(client, ledger.topic_ids, ())
        if listing.cluster_id != ledger.newest.cluster_id:
            raise ClusterChanged(ledger.newest.cluster_id, listing.cluster_id)
        deadline_s = time.monotonic() + job.kafka.request_timeout_ms / 1000
        bounds = read_bounds(client, listing, deadline_s)
    absent = _absent_topics(listing, ledger.topic_ids)
    for topic, why in sorted(absent.items()):
        findings.note(f"{topic} was not compared: {why}")
    for partition, loaded in sorted(ledger.partitions.items()):
        if partition.topic in absent or loaded.start_offset == loaded.end_offset:
            continue
        reason = bounds[partition.topic].unlisted.get(partition.partition)
        if reason is not None:
            samples.unanswered[partition] = reason
            continue
        kept = _kept(partition, loaded, bounds[partition.topic], job.kafka.isolation, findings)
        topic_id = ledger.topic_ids[partition.topic]
        if kept is not None:
            samples.by_partition[partition] = [
                Sample(part, topic_id)
                for each in _places(kept, rng)
                for part, is_loaded in cut(each, {partition: loaded.stretches})
                if is_loaded
            ]
    return samples


def compare_samples(job: Job, samples: Samples, findings: Findings) -> Compared:
    """Read every sample from Kafka and from the files; a row that differs is a problem."""
    compared = Compared()
    with KafkaClient(job.kafka) as client:
        client.connect(job.kafka.request_timeout_ms)
        reader = RangeReader(client, loss_allowed=True)  # what was deleted meanwhile is gone, no failure
        for partition, group in samples.by_partition.items():
            for sample in group:
                if not sample.is_readable:
                    continue
                try:
                    _compare(job, reader, sample, compared, findings)
                except RunAgainLater as error:
                    samples.unanswered[partition] = str(error)
                except (PersonDecides, AccessDenied) as error:  # of Kafka's side: nothing of ours is wrong
                    findings.note(f"{sample.range} was not compared: {error.args[0]}")
    return compared


def _absent_topics(listing: ClusterListing, topic_ids: Mapping[str, str]) -> dict[str, str]:
    """Topics that were loaded and cannot be compared, and why."""
    absent = dict.fromkeys(listing.denied, "this user may not describe it")
    for topic, topic_id in topic_ids.items():
        found = listing.topics.get(topic)
        if found is None:
            absent.setdefault(topic, "the cluster has no such topic any more")
        elif found.topic_id != topic_id:
            absent[topic] = f"it was created again, its topic id was {topic_id} and is {found.topic_id}"
    return absent


def _kept(
    partition: TopicPartition,
    loaded: LoadedPartition,
    bounds: TopicBounds,
    isolation: str,
    findings: Findings,
) -> OffsetRange | None:
    """The loaded offsets that Kafka still has."""
    known = bounds.partitions.get(partition.partition)
    if known is None:
        findings.note(f"{partition} was not compared: the topic has no such partition")
        return None
    if known.high_watermark < loaded.end_offset:
        findings.note(
            f"{partition}: loaded up to {loaded.end_offset}, but Kafka's log ends at {known.high_watermark}"
        )
    start = max(loaded.start_offset, known.log_start_offset)
    end = min(loaded.end_offset, known.end_offset(isolation))
    if start >= end:
        findings.note(f"{partition} was not compared: Kafka has none of the loaded offsets any more")
        return None
    return OffsetRange(partition.topic, partition.partition, start, end)


def _places(kept: OffsetRange, rng: random.Random) -> Iterator[OffsetRange]:
    """The newest offsets, which an unclean leader election rewrites first, and others by chance."""
    last = max(kept.start_offset, kept.end_offset - SAMPLE_OFFSETS)
    starts = {last, *(rng.randint(kept.start_offset, last) for _ in range(PLACES - 1))}
    for start in sorted(starts):
        end = min(start + SAMPLE_OFFSETS, kept.end_offset)
        yield OffsetRange(kept.topic, kept.partition, start, end)


def _compare(job: Job, reader: RangeReader, sample: Sample, compared: Compared, findings: Findings) -> None:
    in_kafka, read = _read_kafka(job, reader, sample)
    in_files: dict[int, tuple[Row, str]] = {}
    for proof in sample.files:
        path = proof.path or proof.file.path
        try:
            rows = _read_file(job, proof, read)
        except (UnreadableFile, PathNotFound) as error:
            findings.problem("file-broken", str(error), proof.file.path)
            return
        in_files |= {offset: (row, path) for offset, row in _rows(rows).items()}
    compared.sample_count += 1
    compared.row_count += len(in_kafka)
    compared.gone_count += len(in_files.keys() - in_kafka.keys())
    different = [
        offset
        for offset, row in in_kafka.items()
        if offset not in in_files or not _are_same(row, in_files[offset][0])
    ]
    if different:
        first = min(different)
        found = in_files.get(first)
        row, where = found or (None, None)
        said = _difference(in_kafka[first], row)
        more = f"; {len(different) - 1} more of {read} differ" if len(different) > 1 else ""
        file = f"{job.storage.url}/{where}: " if where else ""
        message = f"{file}{read.topic_partition} offset {first}: {said}{more}"
        findings.problem("payload", message, where, (RESTORE, COMPARE))


def _read_file(job: Job, proof: FileProof, wanted: OffsetRange) -> pa.Table:
    """The rows that a file has of some offsets; it may have been published since it was found staged."""
    try:
        with opened(job.storage, proof.path or proof.file.path) as parquet:
            return read_rows(parquet, wanted)
    except PathNotFound:
        with opened(job.storage, proof.file.path) as parquet:
            return read_rows(parquet, wanted)


def _read_kafka(job: Job, reader: RangeReader, sample: Sample) -> tuple[dict[int, Row], OffsetRange]:
    """The rows that Kafka has of a sample, and the offsets that were read: fewer where records are large."""
    wanted = sample.range
    rows: dict[int, Row] = {}
    position, size_bytes = wanted.start_offset, 0
    for part in decoded_parts(reader, wanted, sample.topic_id, job.kafka.isolation):
        if isinstance(part, LostOffsets):
            position = part.range.end_offset
            continue
        rows |= _rows(pa.Table.from_batches([part.rows], RAW_SCHEMA))
        position = part.next_offset
        size_bytes += part.rows.nbytes
        if size_bytes >= SAMPLE_BYTES:
            break
    return rows, OffsetRange(wanted.topic, wanted.partition, wanted.start_offset, position)


def _rows(table: pa.Table) -> dict[int, Row]:
    """By offset. Timestamps as numbers: some lie beyond what a datetime can hold."""
    columns = [_column(table, name) for name in COMPARED]
    return dict(zip(metadata(table, "offset").to_pylist(), zip(*columns, strict=True), strict=True))


def _column(table: pa.Table, name: str) -> list[Any]:
    found = metadata_type(table.schema, name)
    if is_typed(table.schema) and found != RAW_SCHEMA.field(name).type:
        return [UNTOLD] * table.num_rows
    column = pa.nulls(table.num_rows) if found is None else metadata(table, name)
    if pa.types.is_timestamp(column.type):
        column = column.cast(pa.int64())
    values: list[Any] = column.to_pylist()
    return values


def _are_same(in_kafka: Row, in_file: Row) -> bool:
    return all(ours is UNTOLD or theirs == ours for theirs, ours in zip(in_kafka, in_file, strict=True))


def _difference(expected: Row, found: Row | None) -> str:
    if found is None:
        return "Kafka has this record, but no file does"
    return "; ".join(
        f"{name} differs: {_short(theirs)} in Kafka, {_short(ours)} in the file"
        for name, theirs, ours in zip(COMPARED, expected, found, strict=True)
        if ours is not UNTOLD and theirs != ours
    )


def _short(value: Any) -> str:
    """Enough to look further: payloads may be large, and not for everyone's eyes."""
    if value is None:
        return "null"
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return f"{len(value)} headers" if isinstance(value, list) else str(value)
