"""One split in one process: fetch, decode, write; then the manifest. Knows no engine.

Fetching, decoding and writing go on at the same time, each a response or a part of one ahead of the next:
kernels, codecs and the Parquet encoder run without the GIL. A topic that fails does not take the
other topics of the split with it; what it staged is removed, and its error comes back as a value.
"""

import itertools
import platform
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from loader import pipeline
from loader.commits.runs import require_ticket
from loader.config.output import WriteConfig
from loader.errors import LoaderError, StorageFull, StorageUnavailable
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.reader import RangeReader
from loader.kafka_source.settings import KafkaSettings
from loader.records.decoder import DecodedRecords, decode
from loader.records.schema import RAW_SCHEMA
from loader.sink.topic_sink import TopicSink
from loader.storage.opening import open_storage
from loader.storage.protocol import Storage
from loader.values import (
    Advance,
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

DECODED_AHEAD_BYTES = 48 * 1024 * 1024
"""Of rows that wait to be written: while a row group is encoded, the next is decoded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadTask:
    """What a worker needs to know to load any split of a run.

    topic_ids     of every topic in the plan: a topic of the same name created since answers none of them
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
    loss_allowed: bool = False

    def run(self, split: Split, on_advance: Callable[[Advance], None]) -> SplitResult:
        """Load a split and stage its files. Raises nothing that is a LoaderError: it is in the result."""
        attempt_id = secrets.token_hex(6)
        ranges = sorted(split.ranges)
        loaded: list[LoadedRange] = []
        files: list[DataFile] = []
        failures: list[TopicFailure] = []
        by_topic = [(topic, list(group)) for topic, group in itertools.groupby(ranges, lambda r: r.topic)]
        try:
            storage = open_storage(self.destination)
            require_ticket(storage, self.job, self.run_id, platform.node())
            with KafkaClient(self.kafka) as client:
                client.connect(round(self.kafka.stall_timeout_s * 1000))
                reader = RangeReader(client, loss_allowed=self.loss_allowed)
                for number, (topic, topic_ranges) in enumerate(by_topic):
                    try:
                        sink = self._sink(storage, topic, f"{attempt_id}-{number}")
                        topic_loaded, topic_files = self._load_topic(reader, sink, topic_ranges, on_advance)
                    except (StorageUnavailable, StorageFull):
                        raise  # the other topics would fail by it too
                    except LoaderError as error:
                        failures.append(TopicFailure(topic, error))
                    else:
                        loaded += topic_loaded
                        files += topic_files
        except LoaderError as error:
            done = {loaded_range.range.topic for loaded_range in loaded} | {each.topic for each in failures}
            failures += [TopicFailure(topic, error) for topic, _ in by_topic if topic not in done]
        return SplitResult(split.index, attempt_id, tuple(loaded), tuple(files), tuple(failures))

    def _sink(self, storage: Storage, topic: str, name_prefix: str) -> TopicSink:
        return TopicSink(
            storage,
            layout.run_folder(self.job, self.run_id),
            topic,
            RAW_SCHEMA,
            self.write,
            name_prefix,
            {
                "loader.job": self.job,
                "loader.job_id": self.job_id,
                "loader.cluster_id": self.cluster_id,
                "loader.run_id": self.run_id,
                "loader.topic": topic,
                "loader.topic_id": self.topic_ids[topic],
            },
        )

    def _load_topic(
        self,
        reader: RangeReader,
        sink: TopicSink,
        ranges: list[OffsetRange],
        on_advance: Callable[[Advance], None],
    ) -> tuple[list[LoadedRange], tuple[DataFile, ...]]:
        progress = {wanted: _Progress(wanted) for wanted in ranges}
        with (
            sink,
            pipeline.step("fetch", self._fetches(reader, ranges)) as fetches,
            pipeline.step("decode", self._decoded(fetches), DECODED_AHEAD_BYTES, _row_bytes) as parts,
        ):
            for wanted, part in parts:
                if isinstance(part, DecodedRecords):
                    sink.write(wanted, part.rows)
                on_advance(progress[wanted].take(part))
            loaded = [each.finished() for each in progress.values()]
            return loaded, sink.close(loaded)

    def _fetches(
        self, reader: RangeReader, ranges: list[OffsetRange]
    ) -> Iterator[tuple[OffsetRange, FetchedRecords | LostOffsets]]:
        for number, wanted in enumerate(ranges, start=1):
            for fetched in reader.fetches(wanted, self.topic_ids[wanted.topic], ranges[number:]):
                yield wanted, fetched

    def _decoded(
        self, fetches: Iterable[tuple[OffsetRange, FetchedRecords | LostOffsets]]
    ) -> Iterator[tuple[OffsetRange, DecodedRecords | LostOffsets]]:
        positions: dict[OffsetRange, int] = {}
        for wanted, fetched in fetches:
            if isinstance(fetched, LostOffsets):
                positions[wanted] = fetched.range.end_offset
                yield wanted, fetched
                continue
            position = positions.get(wanted, wanted.start_offset)
            for decoded in decode(fetched, wanted, position, self.kafka.isolation):
                positions[wanted] = decoded.next_offset
                yield wanted, decoded


def _row_bytes(part: tuple[OffsetRange, DecodedRecords | LostOffsets]) -> int:
    return part[1].rows.get_total_buffer_size() if isinstance(part[1], DecodedRecords) else 0


class _Progress:
    """How far one range is loaded, and what its offsets turned out to be."""

    def __init__(self, wanted: OffsetRange) -> None:
        self._wanted = wanted
        self._position = wanted.start_offset
        self._counts = RangeCounts()
        self._leader_epoch = -1
        self._fetched_bytes = self._repaired_header_keys = self._unreadable_timestamps = 0
        self._lost: list[OffsetRange] = []

    def take(self, part: DecodedRecords | LostOffsets) -> Advance:
        """Count one part of the range, the parts in their order."""
        start_offset = self._position
        if isinstance(part, LostOffsets):
            self._position = part.range.end_offset
            self._counts += RangeCounts(lost_count=part.range.offset_count)
            self._lost.append(part.range)
            return Advance(self._position - start_offset, 0, 0)
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
