"""One commit, and the JSON document it is kept in.

    {"checksum": "sha256:…", "commit": {"version": 42, …}}

The checksum is over the commit in canonical form: UTF-8, keys sorted, no white space. So a document
may be laid out in any way, and a changed or missing byte that matters is found.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from loader.errors import REPAIR, RUN_AGAIN, LedgerDamaged
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
from loader.values.column_types import StructType, parse_type
from loader.values.documents import decode_loaded_range, encode_loaded_range

FORMAT_VERSION = 1

Operation = Literal["load", "repair", "replay", "backfill", "compact", "set_position"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Commit:
    """What one run did, and where the job stands after it.

    version       1, 2, 3, …; a run that began at version N can only commit N + 1
    operation     load: what was new in Kafka; repair: all that is known of the job, the ledger begins anew;
                  replay: rows made of quarantined records, which stay where they are; no ranges;
                  backfill: offsets below the position, again or for the first time; the position stays;
                  compact: the same rows in fewer files; no ranges;
                  set_position: a person moved the position; no ranges, no files
    job_id        of the job's identity document: a ledger moved under another job is found out
    position      the whole position, so the newest commit is enough to go on
    ranges        what this run loaded, with its counts
    files         what this run added, relative to the destination
    removed_files what this run took away, relative to the destination
    reason        why, where a person was asked for it
    started_at_ms when the run began; None where that is not known
    columns       of each topic with typed rows, all that its files ever had: the newest commit is enough
    slowest_splits the few that took longest, the longest first; none where it was not measured
    """

    version: int
    run_id: str
    job_id: str
    operation: Operation
    committed_at_ms: int
    committed_by: str
    loader_version: str
    cluster_id: str
    position: Position
    ranges: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...]
    removed_files: tuple[str, ...] = ()
    columns: Mapping[str, StructType] = field(default_factory=dict)
    reason: str = ""
    started_at_ms: int | None = None
    slowest_splits: tuple[SplitTiming, ...] = ()

    @property
    def counts(self) -> RangeCounts:
        """The sum over all ranges."""
        return RangeCounts.total(loaded.counts for loaded in self.ranges)


def encode_commit(commit: Commit) -> bytes:
    """The document of a commit."""
    body = {
        "format_version": FORMAT_VERSION,
        "version": commit.version,
        "run_id": commit.run_id,
        "job_id": commit.job_id,
        "operation": commit.operation,
        "committed_at_ms": commit.committed_at_ms,
        "committed_by": commit.committed_by,
        "loader_version": commit.loader_version,
        "cluster_id": commit.cluster_id,
        "position": _encode_position(commit.position),
        "ranges": [encode_loaded_range(loaded) for loaded in commit.ranges],
        "files": [_encode_file(file) for file in commit.files],
        "removed_files": list(commit.removed_files),
    }
    if commit.columns:
        body["columns"] = {topic: str(columns) for topic, columns in commit.columns.items()}
    if commit.reason:
        body["reason"] = commit.reason
    if commit.started_at_ms is not None:
        body["started_at_ms"] = commit.started_at_ms
    if commit.slowest_splits:
        body["slowest_splits"] = [_encode_timing(timing) for timing in commit.slowest_splits]
    canonical = _canonical(body)
    return f'{{"checksum":"{_checksum(canonical)}","commit":{canonical}}}\n'.encode()


def decode_commit(document: bytes, path: str) -> Commit:
    """The commit of a document. `path` is for the message of LedgerDamaged."""
    try:
        whole = json.loads(document)
        body = whole["commit"]
        found, expected = _checksum(_canonical(body)), whole["checksum"]
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(path, f"is not a commit: {len(document)} bytes, {error!r}") from error
    if found != expected:
        raise _damaged(path, f"was changed after it was written: its checksum is {found}, not {expected}")
    if body.get("format_version") != FORMAT_VERSION:
        raise LedgerDamaged(
            f"{path} has format version {body.get('format_version')}, this program reads {FORMAT_VERSION}: a"
            " newer kafka-loader wrote it. Nothing was read or committed. Use that one.",
            [RUN_AGAIN],
        )
    try:
        return _decode_commit(body)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise _damaged(path, f"says what cannot be: {error!r}") from error


def _decode_commit(body: dict[str, Any]) -> Commit:
    return Commit(
        version=body["version"],
        run_id=body["run_id"],
        job_id=body["job_id"],
        operation=body["operation"],
        committed_at_ms=body["committed_at_ms"],
        committed_by=body["committed_by"],
        loader_version=body["loader_version"],
        cluster_id=body["cluster_id"],
        position=_decode_position(body["position"]),
        ranges=tuple(decode_loaded_range(entry) for entry in body["ranges"]),
        files=tuple(_decode_file(entry) for entry in body["files"]),
        removed_files=tuple(body["removed_files"]),
        columns={topic: _decode_columns(text) for topic, text in body.get("columns", {}).items()},
        reason=body.get("reason", ""),
        started_at_ms=body.get("started_at_ms"),
        slowest_splits=tuple(_decode_timing(entry) for entry in body.get("slowest_splits", ())),
    )


def _encode_timing(timing: SplitTiming) -> dict[str, Any]:
    return {
        "ranges": [
            [each.topic, each.partition, each.start_offset, each.end_offset] for each in timing.ranges
        ],
        "range_count": timing.range_count,
        "duration_ms": timing.duration_ms,
        "fetched_bytes": timing.fetched_bytes,
        "row_count": timing.row_count,
        "host": timing.host,
    }


def _decode_timing(entry: dict[str, Any]) -> SplitTiming:
    return SplitTiming(
        tuple(OffsetRange(*each) for each in entry["ranges"]),
        entry["range_count"],
        entry["duration_ms"],
        entry["fetched_bytes"],
        entry["row_count"],
        entry["host"],
    )


def _decode_columns(text: str) -> StructType:
    columns = parse_type(text)
    if not isinstance(columns, StructType):
        raise ValueError(f"columns are a struct, not {text!r}")
    return columns


def _canonical(body: Any) -> str:
    return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _checksum(canonical: str) -> str:
    return "sha256:" + hashlib.sha256(canonical.encode("utf-8", "surrogatepass")).hexdigest()


def _damaged(path: str, what: str) -> LedgerDamaged:
    return LedgerDamaged(
        f"{path} {what}. Nothing was read or committed; published rows are untouched. Restore the file from a"
        " backup or snapshot of the file system, or rebuild the ledger.",
        [RUN_AGAIN, REPAIR],
    )


def _encode_position(position: Position) -> dict[str, Any]:
    return {
        name: {
            "topic_id": topic.topic_id,
            "partitions": {str(number): _encode_place(place) for number, place in topic.partitions.items()},
        }
        for name, topic in position.topics.items()
    }


def _encode_place(place: PartitionPosition) -> dict[str, int]:
    entry = {"next_offset": place.next_offset, "leader_epoch": place.leader_epoch}
    return entry if place.reached_offset is None else {**entry, "reached_offset": place.reached_offset}


def _decode_position(entries: dict[str, Any]) -> Position:
    return Position(
        {
            name: TopicPosition(
                entry["topic_id"],
                {
                    int(number): PartitionPosition(
                        place["next_offset"], place["leader_epoch"], place.get("reached_offset")
                    )
                    for number, place in entry["partitions"].items()
                },
            )
            for name, entry in entries.items()
        }
    )


def _encode_file(file: DataFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "staged_name": file.staged_name,
        "size_bytes": file.size_bytes,
        "row_count": file.row_count,
        "topic": file.ranges[0].topic,
        "ranges": [[part.partition, part.start_offset, part.end_offset] for part in file.ranges],
        "min_timestamp_ms": file.min_timestamp_ms,
        "max_timestamp_ms": file.max_timestamp_ms,
    }


def _decode_file(entry: dict[str, Any]) -> DataFile:
    return DataFile(
        path=entry["path"],
        staged_name=entry["staged_name"],
        size_bytes=entry["size_bytes"],
        row_count=entry["row_count"],
        ranges=tuple(OffsetRange(entry["topic"], *part) for part in entry["ranges"]),
        min_timestamp_ms=entry["min_timestamp_ms"],
        max_timestamp_ms=entry["max_timestamp_ms"],
    )
