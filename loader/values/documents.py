"""Values as they stand in JSON: in commits, and in the footers of Parquet files."""

from typing import Any

from loader.values.offsets import OffsetRange
from loader.values.splits import LoadedRange, RangeCounts

_COUNTS = (
    "row_count",
    "quarantined_count",
    "aborted_count",
    "control_count",
    "compacted_count",
    "lost_count",
)


def encode_loaded_range(loaded: LoadedRange) -> dict[str, Any]:
    """A loaded range with its counts, under the names that the commands print."""
    document = {
        "topic": loaded.range.topic,
        "partition": loaded.range.partition,
        "start_offset": loaded.range.start_offset,
        "end_offset": loaded.range.end_offset,
        **_encode_counts(loaded.counts),
        "leader_epoch": loaded.leader_epoch,
        "fetched_bytes": loaded.fetched_bytes,
        "repaired_header_key_count": loaded.repaired_header_key_count,
        "unreadable_timestamp_count": loaded.unreadable_timestamp_count,
        "lost_ranges": [[lost.start_offset, lost.end_offset] for lost in loaded.lost_ranges],
    }
    if loaded.replaced is not None:
        document["replaced"] = _encode_counts(loaded.replaced)
    if loaded.log_end_offset is not None:
        document["log_end_offset"] = loaded.log_end_offset
    return document


def decode_loaded_range(entry: dict[str, Any]) -> LoadedRange:
    """The reverse of `encode_loaded_range`. Raises KeyError, TypeError or ValueError for anything else."""
    return LoadedRange(
        OffsetRange(entry["topic"], entry["partition"], entry["start_offset"], entry["end_offset"]),
        _decode_counts(entry),
        entry["leader_epoch"],
        entry["fetched_bytes"],
        entry["repaired_header_key_count"],
        entry["unreadable_timestamp_count"],
        tuple(OffsetRange(entry["topic"], entry["partition"], *lost) for lost in entry["lost_ranges"]),
        _decode_counts(entry["replaced"]) if "replaced" in entry else None,
        entry.get("log_end_offset"),
    )


def _encode_counts(counts: RangeCounts) -> dict[str, int]:
    return {name: getattr(counts, name) for name in _COUNTS}


def _decode_counts(entry: dict[str, Any]) -> RangeCounts:
    return RangeCounts(*(entry[name] for name in _COUNTS))
