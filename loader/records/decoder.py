"""One fetch response of one partition to Arrow rows, with every offset explained.

Bytes are copied once: from where they were fetched, or decompressed to, into Arrow's buffers. Batches are
decompressed one by one into one piece of memory, and then all of them are located and gathered together, so
that small batches cost little more than large ones.

Nothing a batch says is believed before it is checked: bytes may be damaged, or made to do damage.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from loader.errors import CorruptBatch, UnsupportedMessageFormat
from loader.records import checksums, layout, locate, problems
from loader.records.chunks import Chunk, chunks
from loader.records.compilation import ensure_compiled
from loader.records.layout import BatchHeader
from loader.records.limits import DEFAULT_LIMITS, DecodeLimits
from loader.records.problems import MalformedBatch
from loader.records.rows import Rows
from loader.records.transactions import AbortedProducers
from loader.values import FetchedRecords, OffsetRange, RangeCounts, TopicPartition

Isolation = Literal["read_committed", "read_uncommitted"]


@dataclass(frozen=True, slots=True)
class DecodedRecords:
    """Rows of one partition in the order of their offsets, and what became of the offsets without a row.

    rows                    of RAW_SCHEMA; may be none
    next_offset             where the next rows go on
    counts                  of all offsets from the position, or the next_offset before, to next_offset
    leader_epoch            of the last batch seen
    fetched_bytes           of the batches that ended here, as compressed in the log; of one that lies across
                            the range's border the range's share, as the neighbour counts the rest
    repaired_header_keys    were not UTF-8
    unreadable_timestamps   lie beyond what microseconds can hold, and are null
    """

    rows: pa.RecordBatch
    next_offset: int
    counts: RangeCounts
    leader_epoch: int
    fetched_bytes: int
    repaired_header_keys: int = 0
    unreadable_timestamps: int = 0


def decode(
    fetched: FetchedRecords,
    wanted: OffsetRange,
    position: int,
    isolation: Isolation,
    *,
    limits: DecodeLimits = DEFAULT_LIMITS,
) -> Iterator[DecodedRecords]:
    """Decode the whole batches of one response, from `position` to the end of `wanted` at most.

    The caller knows that no offset from `position` on was deleted (log_start_offset): so what the log does
    not hold was compacted away. Yields nothing when the response holds no whole batch.

    Raises CorruptBatch or UnsupportedMessageFormat.
    """
    if not wanted.start_offset <= position <= wanted.end_offset:
        raise ValueError(f"position {position} is outside of {wanted}")
    ensure_compiled()
    return _decode(fetched, wanted, position, isolation, limits)


def _decode(
    fetched: FetchedRecords, wanted: OffsetRange, position: int, isolation: Isolation, limits: DecodeLimits
) -> Iterator[DecodedRecords]:
    is_committed = isolation == "read_committed"
    records = layout.as_octets(fetched.records)
    headers = _needed_headers(fetched, records, wanted, position, is_committed)
    aborted = AbortedProducers(fetched.aborted_transactions if is_committed else ())
    progress = np.zeros(1, locate.PROGRESS)
    progress["next_offset"] = position
    try:
        for chunk in chunks(records, headers, wanted.end_offset, aborted, limits):
            yield from _decode_chunk(chunk, wanted, progress, limits)
    except MalformedBatch as error:
        raise _corrupt(fetched, error) from None


def _needed_headers(
    fetched: FetchedRecords,
    records: NDArray[np.uint8],
    wanted: OffsetRange,
    position: int,
    is_committed: bool,
) -> list[BatchHeader]:
    """The batches up to the first that reaches the end of `wanted`, or starts behind it after a gap."""
    scan = layout.scan(records)
    if scan.problem != problems.OK and scan.headers:
        # A damaged length makes the bytes behind it look like a batch of any kind: blame the right one.
        try:
            checksums.check(records, scan.headers[-1])
        except MalformedBatch as error:
            raise _corrupt(fetched, MalformedBatch(error.problem, scan.headers[-1].base_offset)) from None
    if scan.problem == problems.OLD_FORMAT:
        raise UnsupportedMessageFormat(
            TopicPartition(fetched.topic, fetched.partition), scan.problem_offset, scan.problem_magic
        )
    if scan.problem != problems.OK:
        raise _corrupt(fetched, MalformedBatch.of(scan.problem, scan.problem_offset))
    visible_end = fetched.last_stable_offset if is_committed else fetched.high_watermark
    needed: list[BatchHeader] = []
    reached = position
    for header in scan.headers:
        if reached >= wanted.end_offset:
            break
        if header.last_offset < fetched.fetch_offset:
            problem = f"the batch ends at {header.last_offset}, but {fetched.fetch_offset} was asked for"
            raise _corrupt(fetched, MalformedBatch(problem, header.base_offset))
        # A batch behind the range may be open: it delivers nothing, and shows that nothing lies before it.
        if header.last_offset >= visible_end and header.base_offset < wanted.end_offset:
            name = "last stable offset" if is_committed else "high watermark"
            problem = f"the batch ends at {header.last_offset}, but the {name} is {visible_end}"
            raise _corrupt(fetched, MalformedBatch(problem, header.base_offset))
        needed.append(header)
        reached = header.last_offset + 1
    return needed


def _decode_chunk(
    chunk: Chunk, wanted: OffsetRange, progress: NDArray[np.void], limits: DecodeLimits
) -> Iterator[DecodedRecords]:
    """The chunk's rows; in several parts when its batches hold more than `chunk_rows` of them."""
    batches = np.array(chunk.batches, locate.BATCH)
    progress["batch"] = 0
    while progress["batch"][0] < len(batches):
        first, position = int(progress["batch"][0]), int(progress["next_offset"][0])
        for name in locate.COUNT_NAMES:
            progress[name] = 0
        rows = Rows(chunk.payload, min(chunk.row_count, limits.chunk_rows))
        problem = rows.locate(batches, wanted.end_offset, progress, header_room=limits.chunk_rows)
        found = dict(zip(locate.PROGRESS_NAMES, progress[0].tolist(), strict=True))
        if problem != problems.OK:
            raise MalformedBatch.of(problem, chunk.headers[found["batch"]].base_offset)
        if found["next_offset"] == position:
            continue
        arrow = rows.to_arrow(wanted.topic, wanted.partition, found)
        ended = chunk.headers[first : found["batch"]]
        # Where room ended within a batch, that is the last one seen; else the one before.
        last = chunk.headers[found["batch"] if found["record"] else found["batch"] - 1]
        yield DecodedRecords(
            rows=arrow.batch,
            next_offset=found["next_offset"],
            counts=RangeCounts(
                row_count=found["row_count"],
                aborted_count=found["aborted_count"],
                control_count=found["control_count"],
                compacted_count=found["compacted_count"],
            ),
            leader_epoch=last.leader_epoch,
            fetched_bytes=sum(_bytes_within(wanted, header) for header in ended),
            repaired_header_keys=arrow.repaired_header_keys,
            unreadable_timestamps=arrow.unreadable_timestamps,
        )


def _bytes_within(wanted: OffsetRange, header: BatchHeader) -> int:
    """A batch's bytes, as far as its offsets lie in the range.

    A range much smaller than its batches would else look many times too heavy in the next plan, which
    would plan a still smaller one.
    """
    end_offset = header.last_offset + 1
    inside = min(end_offset, wanted.end_offset) - max(header.base_offset, wanted.start_offset)
    return (header.end - header.start) * max(inside, 0) // (end_offset - header.base_offset)


def _corrupt(fetched: FetchedRecords, error: MalformedBatch) -> CorruptBatch:
    partition = TopicPartition(fetched.topic, fetched.partition)
    return CorruptBatch(partition, error.offset, fetched.node_id, error.problem)
