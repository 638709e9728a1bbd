"""One split in one process: fetch, decode, format, write; then the manifest. Knows no engine.

Fetching, decoding and writing go on at the same time, each a response or a part of one ahead of the next:
kernels, codecs and the Parquet encoder run without the GIL. A topic that fails does not take the
other topics of the split with it; what it staged is removed, and its error comes back as a value.
"""

import itertools
import platform
import secrets
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from typing import NamedTuple

import pyarrow as pa

from loader import pipeline
from loader.commits.runs import require_ticket
from loader.config.output import WriteConfig
from loader.errors import LoaderError, StorageFull, StorageUnavailable
from loader.formats.protocol import NoSchemas, SchemaSource
from loader.formats.quarantine import QUARANTINE_SCHEMA, first_bad_records
from loader.formats.record_formatter import RecordFormatter
from loader.formats.topic_format import TopicFormat
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.records.decoder import DecodedRecords, decode
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink, close_together
from loader.storage.opening import open_storage
from loader.storage.protocol import Storage
from loader.values import (
    Advance,
    BadRecord,
    DataFile,
    FetchedRecords,
    LoadedRange,
    LostOffsets,
    OffsetRange,
    RangeCounts,
    Split,
    SplitResult,
    TopicFailure,
    layout,
)
from loader.values.bad_records import MOST_TOLD

DECODED_AHEAD_BYTES = 16 * 1024 * 1024
"""Of rows that wait to be written: while a row group is encoded, the next is decoded."""

QUARANTINE_ROW_GROUP_BYTES = 8 * 1024 * 1024
"""What waits for the quarantine waits beside the rows: so less of it, however many records are bad."""

RAW = TopicFormat()


class _Part(NamedTuple):
    """What was made of some records: what of them are rows, and those that could not be decoded, if any."""

    decoded: DecodedRecords
    bad: pa.RecordBatch | None


class _LoadedTopic(NamedTuple):
    loaded: list[LoadedRange]
    files: tuple[DataFile, ...]
    bad_records: list[BadRecord]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """What a worker needs to know to load any split of a run.

    topic_ids     of every topic in the plan: a topic of the same name created since answers none of them
    formats       of the topics whose rows are not left as they are
    schemas       where decoders learn of schema ids that the driver did not know
    loss_allowed  whether a person agreed to go on without offsets that were deleted from Kafka
    """

    job: str
    job_id: str
    cluster_id: str
    run_id: str
    destination: str
    kafka: KafkaSettings
    write: WriteConfig
    topic_ids: Mapping[str, str]
    formats: Mapping[str, TopicFormat] = field(default_factory=dict)
    schemas: SchemaSource = field(default_factory=NoSchemas)
    loss_allowed: bool = False

    def run(self, split: Split, on_advance: Callable[[Advance], None]) -> SplitResult:
        """Load a split and stage its files. Raises nothing that is a LoaderError: it is in the result."""
        # Arrow's own pools keep 50 MiB more of what is freed, and are no faster here.
        pa.set_memory_pool(pa.system_memory_pool())
        began_s = time.monotonic()
        attempt_id = secrets.token_hex(6)
        ranges = sorted(split.ranges)
        loaded: list[LoadedRange] = []
        files: list[DataFile] = []
        failures: list[TopicFailure] = []
        bad_records: list[BadRecord] = []
        by_topic = [(topic, list(group)) for topic, group in itertools.groupby(ranges, lambda r: r.topic)]
        try:
            storage = open_storage(self.destination)
            require_ticket(storage, self.job, self.run_id, platform.node())
            with KafkaClient(self.kafka) as client, closing(self.schemas):
                client.connect(round(self.kafka.stall_timeout_s * 1000))
                reader = RangeReader(client, loss_allowed=self.loss_allowed)
                for number, (topic, topic_ranges) in enumerate(by_topic):
                    try:
                        name_prefix = f"{attempt_id}-{number}"
                        done = self._load_topic(reader, storage, name_prefix, topic_ranges, on_advance)
                    except (StorageUnavailable, StorageFull):
                        raise  # the other topics would fail by it too
                    except LoaderError as error:
                        failures.append(TopicFailure(topic, error))
                    else:
                        loaded += done.loaded
                        files += done.files
                        bad_records += done.bad_records
        except LoaderError as error:
            ended = {loaded_range.range.topic for loaded_range in loaded} | {each.topic for each in failures}
            failures += [TopicFailure(topic, error) for topic, _ in by_topic if topic not in ended]
        return SplitResult(
            split.index,
            attempt_id,
            tuple(loaded),
            tuple(files),
            tuple(failures),
            tuple(bad_records),
            duration_ms=round((time.monotonic() - began_s) * 1000),
            host=platform.node(),
        )

    def _sinks(
        self, storage: Storage, topic: str, formatter: RecordFormatter | None, name_prefix: str
    ) -> list[TopicSink]:
        """One for rows; of a topic that can have bad records another for these."""
        if formatter is None:
            return [self._sink(storage, topic, RAW_SCHEMA, self.write, name_prefix)]
        row_group_bytes = min(self.write.row_group_bytes, QUARANTINE_ROW_GROUP_BYTES)
        smaller = self.write.model_copy(update={"row_group_bytes": row_group_bytes})
        return [
            self._sink(storage, topic, formatter.schema, self.write, name_prefix),
            self._sink(storage, topic, QUARANTINE_SCHEMA, smaller, name_prefix, is_quarantine=True),
        ]

    def _sink(
        self,
        storage: Storage,
        topic: str,
        schema: pa.Schema,
        write: WriteConfig,
        name_prefix: str,
        *,
        is_quarantine: bool = False,
    ) -> TopicSink:
        return TopicSink(
            storage,
            layout.run_folder(self.job, self.run_id),
            topic,
            schema,
            write,
            name_prefix,
            {
                "loader.job": self.job,
                "loader.job_id": self.job_id,
                "loader.cluster_id": self.cluster_id,
                "loader.run_id": self.run_id,
                "loader.topic": topic,
                "loader.topic_id": self.topic_ids[topic],
            },
            is_quarantine=is_quarantine,
            times=self.formats.get(topic, RAW).times,
        )

    def _formatter(self, topic: str) -> RecordFormatter | None:
        """None where rows are left as they are: then nothing is asked of them."""
        topic_format = self.formats.get(topic, RAW)
        if topic_format.takes_every_row:
            return None
        return RecordFormatter(topic, topic_format, self.schemas, self.run_id)

    def _load_topic(
        self,
        reader: RangeReader,
        storage: Storage,
        name_prefix: str,
        ranges: list[OffsetRange],
        on_advance: Callable[[Advance], None],
    ) -> _LoadedTopic:
        topic = ranges[0].topic
        formatter = self._formatter(topic)
        sinks = self._sinks(storage, topic, formatter, name_prefix)
        progress = {wanted: _Progress(wanted) for wanted in ranges}
        bad_records: list[BadRecord] = []
        with ExitStack() as stack:
            for sink in sinks:
                stack.enter_context(sink)
            fetches = stack.enter_context(pipeline.step("fetch", self._fetches(reader, ranges)))
            decoded = self._decoded(fetches, formatter)
            parts = stack.enter_context(pipeline.step("decode", decoded, DECODED_AHEAD_BYTES, _row_bytes))
            for wanted, part in parts:
                if isinstance(part, LostOffsets):
                    on_advance(progress[wanted].skip(part))
                    continue
                sinks[0].write(wanted, part.decoded.rows)
                if part.bad is not None:
                    sinks[1].write(wanted, part.bad)
                    bad_records += first_bad_records(part.bad, MOST_TOLD - len(bad_records))
                on_advance(progress[wanted].take(part.decoded))
            loaded = [each.finished() for each in progress.values()]
            return _LoadedTopic(loaded, close_together(sinks, loaded), bad_records)

    def _fetches(
        self, reader: RangeReader, ranges: list[OffsetRange]
    ) -> Iterator[tuple[OffsetRange, FetchedRecords | LostOffsets]]:
        for number, wanted in enumerate(ranges, start=1):
            for fetched in reader.fetches(wanted, self.topic_ids[wanted.topic], ranges[number:]):
                yield wanted, fetched

    def _decoded(
        self,
        fetches: Iterable[tuple[OffsetRange, FetchedRecords | LostOffsets]],
        formatter: RecordFormatter | None,
    ) -> Iterator[tuple[OffsetRange, _Part | LostOffsets]]:
        positions: dict[OffsetRange, int] = {}
        for wanted, fetched in fetches:
            if isinstance(fetched, LostOffsets):
                positions[wanted] = fetched.range.end_offset
                yield wanted, fetched
                continue
            position = positions.get(wanted, wanted.start_offset)
            for decoded in decode(fetched, wanted, position, self.kafka.isolation):
                positions[wanted] = decoded.next_offset
                yield wanted, _Part(decoded, None) if formatter is None else _formatted(decoded, formatter)


def _formatted(decoded: DecodedRecords, formatter: RecordFormatter) -> _Part:
    """Typed rows in the place of the raw ones; those that are bad are counted apart."""
    good, bad = formatter.format(decoded.rows)
    if bad is None:
        return _Part(replace(decoded, rows=good), None)
    counts = replace(decoded.counts, row_count=good.num_rows, quarantined_count=bad.num_rows)
    return _Part(replace(decoded, rows=good, counts=counts), bad)


def _row_bytes(item: tuple[OffsetRange, _Part | LostOffsets]) -> int:
    _, part = item
    if isinstance(part, LostOffsets):
        return 0
    bad_bytes = 0 if part.bad is None else part.bad.get_total_buffer_size()
    return int(part.decoded.rows.get_total_buffer_size() + bad_bytes)


class _Progress:
    """How far one range is loaded, and what its offsets turned out to be."""

    def __init__(self, wanted: OffsetRange) -> None:
        self._wanted = wanted
        self._position = wanted.start_offset
        self._counts = RangeCounts()
        self._leader_epoch = -1
        self._fetched_bytes = self._repaired_header_keys = self._unreadable_timestamps = 0
        self._lost: list[OffsetRange] = []

    def skip(self, part: LostOffsets) -> Advance:
        """Count offsets that are gone, in their place."""
        start_offset = self._position
        self._position = part.range.end_offset
        self._counts += RangeCounts(lost_count=part.range.offset_count)
        self._lost.append(part.range)
        return Advance(self._position - start_offset, 0, 0)

    def take(self, part: DecodedRecords) -> Advance:
        """Count one part of the range, the parts in their order."""
        start_offset = self._position
        self._position = part.next_offset
        self._counts += part.counts
        self._leader_epoch = part.leader_epoch
        self._fetched_bytes += part.fetched_bytes
        self._repaired_header_keys += part.repaired_header_keys
        self._unreadable_timestamps += part.unreadable_timestamps
        return Advance(self._position - start_offset, part.rows.num_rows, part.fetched_bytes)

    def finished(self) -> LoadedRange:
        """The range with its counts; the coverage gate judges whether they explain all of it."""
        return LoadedRange(
            self._wanted,
            self._counts,
            self._leader_epoch,
            self._fetched_bytes,
            self._repaired_header_keys,
            self._unreadable_timestamps,
            tuple(self._lost),
        )
