"""What one fetch of one partition brought, as the broker sent it."""

from dataclasses import dataclass, field

from loader.values.offsets import OffsetRange


@dataclass(frozen=True, slots=True, order=True)
class AbortedTransaction:
    """A transaction that was aborted: its producer, and the offset of its first record."""

    first_offset: int
    producer_id: int


@dataclass(frozen=True, slots=True)
class FetchedRecords:
    """The raw record batches of one partition from one Fetch response.

    records               whole v2 batches, back to back; the first may begin below the offset asked
                          for, the last may be cut short
    aborted_transactions  those that overlap the fetched offsets, in any order; under
                          read_uncommitted none
    high_watermark        end of what is replicated, exclusive
    last_stable_offset    end of what read_committed may see, exclusive
    log_start_offset      first offset the log still holds
    node_id               the broker that answered
    """

    topic: str
    partition: int
    fetch_offset: int
    records: bytes | memoryview
    high_watermark: int
    last_stable_offset: int
    log_start_offset: int
    node_id: int
    aborted_transactions: tuple[AbortedTransaction, ...] = field(default=())


@dataclass(frozen=True, slots=True)
class LostOffsets:
    """Offsets that Kafka deleted before they were loaded, in the place of what would have been fetched."""

    range: OffsetRange
