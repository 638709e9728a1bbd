"""Batches of records to send, built by kafka-python, in two things otherwise than its producer does.

- Codecs are those of `records`: kafka-python's own need packages that this one does not bring along.
- A key, a value and a header's value may all be null: its `send` refuses a record without key and value, and
  a header without a value, which Kafka has.

Its public `send` also makes an object for each record, which takes longer than the record itself; here a
batch as a whole is acknowledged or not.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from kafka.producer.producer_batch import ProducerBatch
from kafka.record.default_records import DefaultRecordBatchBuilder
from kafka.record.memory_records import MemoryRecordsBuilder
from kafka.structs import TopicPartition as KafkaPartition

from loader.records.compression import compress

NO_TIMESTAMP_MS = -1
"""How a record says that it has no time."""

RECORD_OVERHEAD_BYTES = 40
"""What a record takes besides its key, value and headers, at most, and in memory."""


class Outgoing(NamedTuple):
    """A record to send.

    timestamp_ms  NO_TIMESTAMP_MS for none; None: the time at which it is sent
    partition     None: by the key's hash as Java's client does it, or any where the key is null
    place         where it comes from; its text goes into messages
    """

    value: bytes | None
    key: bytes | None = None
    headers: Sequence[tuple[str, bytes | None]] = ()
    timestamp_ms: int | None = None
    partition: int | None = None
    place: object = None

    @property
    def size_bytes(self) -> int:
        """Of key, value and headers."""
        size = len(self.value or b"") + len(self.key or b"")
        if self.headers:
            size += sum(len(key.encode()) + len(value or b"") for key, value in self.headers)
        return size


class _Builder(DefaultRecordBatchBuilder):  # type: ignore[misc]  # it has no types
    """kafka-python's, but for the codec."""

    def _maybe_compress(self) -> bool:
        if not self._compression_type:
            return False
        header_bytes = self.HEADER_STRUCT.size
        records = bytes(self._buffer[header_bytes:])
        small = compress(self._compression_type, records)
        if len(small) >= len(records):
            return False
        self._buffer[header_bytes:] = small
        return True


class _Records(MemoryRecordsBuilder):  # type: ignore[misc]  # it has no types
    def __init__(self, codec_id: int, batch_bytes: int) -> None:
        super().__init__(2, 0, batch_bytes)
        self._builder = _Builder(
            magic=2,
            compression_type=codec_id,
            is_transactional=False,
            producer_id=-1,
            producer_epoch=-1,
            base_sequence=-1,
            batch_size=batch_bytes,
        )


class Batch(ProducerBatch):  # type: ignore[misc]  # it has no types
    """Records of one partition that are acknowledged together.

    first_number  of its first record, counted over all that were taken
    first_place   where that one comes from
    size_bytes    of keys, values and headers
    """

    def __init__(
        self, partition: KafkaPartition, codec_id: int, batch_bytes: int, number: int, first: Outgoing
    ) -> None:
        super().__init__(partition, _Records(codec_id, batch_bytes))
        self.first_number, self.first_place = number, first.place
        self.size_bytes = 0
        self.add(first)

    def add(self, record: Outgoing) -> bool:
        """Add a record; False where it does not fit, or the batch is on its way. The first always fits."""
        added = self.records.append(record.timestamp_ms, record.key, record.value, record.headers)
        if added is None:
            return False
        self.size_bytes += record.size_bytes
        return True

    @property
    def held_bytes(self) -> int:
        """About how much memory it takes."""
        held: int = self.size_bytes + self.record_count * RECORD_OVERHEAD_BYTES
        return held

    def outcome(self) -> int | Exception:
        """The offset of its first record, -1 where the broker does not tell; or why it was not acknowledged.

        Only of a batch that is done.
        """
        base_offset, _, exception_of = self.produce_future.value
        if exception_of is None:
            return int(base_offset)
        error: Any = exception_of(0)
        return error if isinstance(error, Exception) else RuntimeError(str(error))
