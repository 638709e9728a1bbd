"""What is loaded: which records, how they lie in Kafka, and where they go.

The records of a workload follow from its seed: produced again, they are the same bytes at the same offsets.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from benchmark.encodings import Encoding
from benchmark.values import Chunk, ValueMaker

Codec = Literal["none", "gzip", "snappy", "lz4", "zstd"]

CHUNK_RECORDS = 10_000
TRANSACTION_RECORDS = 1_000
"""Of one transaction, spread evenly over the partitions."""

ABORTED_EVERY = 10
"""One transaction in so many is aborted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """Records in Kafka, and where they are loaded to.

    record_count   sent, aborted ones included
    value_bytes    about; None for the plain JSON of 80 to 100 bytes
    partitions     of each topic
    hot_share      of the records that partition 0 gets; the others share the rest evenly
    same_records_as  another workload, whose topics are read
    encoding       of the values
    is_typed       whether values become columns; else they stay bytes
    broken_every   one value in so many cannot be decoded
    """

    name: str
    what: str
    record_count: int
    codec: Codec
    partitions: int = 4
    topic_count: int = 1
    value_bytes: int | None = None
    hot_share: float | None = None
    is_transactional: bool = False
    has_keys: bool = False
    into_hdfs: bool = False
    same_records_as: str | None = None
    encoding: Encoding = "json"
    is_typed: bool = False
    broken_every: int | None = None

    @property
    def source(self) -> str:
        """The workload whose topics hold these records: itself, mostly."""
        return self.same_records_as or self.name

    @property
    def topics(self) -> tuple[str, ...]:
        """Their names."""
        prefix = f"benchmark-{self.source.lower()}"
        if self.topic_count == 1:
            return (prefix,)
        return tuple(f"{prefix}-{number:03}" for number in range(self.topic_count))

    @property
    def signature(self) -> dict[str, object]:
        """All that decides which records lie where. Topics made from another one are produced anew."""
        signature: dict[str, object] = {
            "record_count": self.record_count,
            "codec": self.codec,
            "partitions": self.partitions,
            "topic_count": self.topic_count,
            "value_bytes": self.value_bytes,
            "hot_share": self.hot_share,
            "is_transactional": self.is_transactional,
            "has_keys": self.has_keys,
        }
        if self.encoding != "json" or self.broken_every:
            signature |= {"encoding": self.encoding, "broken_every": self.broken_every}
        return signature

    def chunks(self) -> Iterator[Chunk]:
        """The records in the order in which they are sent, each chunk for one partition."""
        maker = ValueMaker(
            self.value_bytes,
            has_keys=self.has_keys,
            encoding=self.encoding,
            broken_every=self.broken_every,
        )
        if self.is_transactional:
            for _ in range(self.record_count // TRANSACTION_RECORDS):
                for partition in range(self.partitions):
                    yield maker.chunk(self.topics[0], partition, TRANSACTION_RECORDS // self.partitions)
            return
        for topic in self.topics:
            left = self._records_of_partitions(self.record_count // self.topic_count)
            while any(left):
                for partition, count in enumerate(left):
                    size = min(count, CHUNK_RECORDS)
                    if size:
                        yield maker.chunk(topic, partition, size)
                    left[partition] -= size

    def _records_of_partitions(self, count: int) -> list[int]:
        if self.hot_share is None:
            return [count // self.partitions] * self.partitions
        rest = round(count * (1 - self.hot_share) / (self.partitions - 1))
        return [count - rest * (self.partitions - 1)] + [rest] * (self.partitions - 1)


_ALL = (
    Workload(name="W1", what="4 M JSON records of 80 to 100 bytes, lz4", record_count=4_000_000, codec="lz4"),
    Workload(name="W2", what="W1 uncompressed", record_count=4_000_000, codec="none"),
    Workload(
        name="W3", what="1 M records of 1 KB, zstd", record_count=1_000_000, codec="zstd", value_bytes=1_000
    ),
    Workload(
        name="W4",
        what="200,000 records of 10 KB, snappy",
        record_count=200_000,
        codec="snappy",
        value_bytes=10_000,
    ),
    Workload(
        name="W5",
        what="2 M of W1's records, 90 % in one of 4 partitions",
        record_count=2_000_000,
        codec="lz4",
        hot_share=0.9,
    ),
    Workload(
        name="W6",
        what="2,000 partitions in 40 topics, 500 records each",
        record_count=1_000_000,
        codec="lz4",
        partitions=50,
        topic_count=40,
        has_keys=True,
    ),
    Workload(
        name="W7",
        what="W1 typed from JSON",
        record_count=4_000_000,
        codec="lz4",
        same_records_as="W1",
        is_typed=True,
    ),
    Workload(
        name="W8",
        what="W1 into HDFS",
        record_count=4_000_000,
        codec="lz4",
        into_hdfs=True,
        same_records_as="W1",
    ),
    Workload(
        name="W9",
        what="1 M of W1's records in transactions of 1,000, 10 % aborted",
        record_count=1_000_000,
        codec="lz4",
        is_transactional=True,
        has_keys=True,
    ),
    Workload(
        name="W10",
        what="2 M of W1's records, typed from Avro",
        record_count=2_000_000,
        codec="lz4",
        encoding="avro",
        is_typed=True,
    ),
    Workload(
        name="W11",
        what="2 M of W1's records, typed from Protobuf",
        record_count=2_000_000,
        codec="lz4",
        encoding="protobuf",
        is_typed=True,
    ),
    Workload(
        name="W12",
        what="10 M of W1's records, typed from JSON",
        record_count=10_000_000,
        codec="lz4",
        is_typed=True,
    ),
    Workload(
        name="W13",
        what="W12 with every tenth record cut short: 1 M go to the quarantine",
        record_count=10_000_000,
        codec="lz4",
        is_typed=True,
        broken_every=10,
    ),
    Workload(name="Q1", what="W1's shape, 400,000 records", record_count=400_000, codec="lz4"),
    Workload(
        name="Q3",
        what="W3's shape, 100,000 records",
        record_count=100_000,
        codec="zstd",
        value_bytes=1_000,
    ),
    Workload(
        name="Q9",
        what="W9's shape, 100,000 records",
        record_count=100_000,
        codec="lz4",
        is_transactional=True,
        has_keys=True,
    ),
    Workload(name="R1", what="W1's shape, 40,000 records", record_count=40_000, codec="lz4"),
    Workload(
        name="P10",
        what="1 M of W1's records in 10 partitions",
        record_count=1_000_000,
        codec="lz4",
        partitions=10,
    ),
    Workload(
        name="P100",
        what="the same in 100 partitions",
        record_count=1_000_000,
        codec="lz4",
        partitions=100,
    ),
    Workload(
        name="P1000",
        what="the same in 1,000 partitions",
        record_count=1_000_000,
        codec="lz4",
        partitions=1_000,
    ),
    Workload(
        name="M10",
        what="one partition with 10 GB of log: 1 M records of 10 KB, uncompressed",
        record_count=1_000_000,
        codec="none",
        partitions=1,
        value_bytes=10_000,
    ),
)

WORKLOADS = {workload.name: workload for workload in _ALL}
MAIN = ("W1", "W2", "W3", "W4", "W5", "W6", "W7", "W8", "W9", "W10", "W11", "W12", "W13")
"""Those of the table."""

LARGE = ("W12", "W13")
"""Those that only the loader runs: what bad records cost."""

PROTOBUF = "W11"
"""Without Spark: the jar of its from_protobuf is in no repository for Spark 4."""

TYPED = ("W7", "W10", "W11")
"""One of each format with columns."""

QUICK = ("Q1", "Q3", "Q9")
"""Those of --quick."""
