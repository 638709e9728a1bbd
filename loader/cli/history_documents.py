"""The documents that `kafka-loader history --json` prints."""

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from loader.operations.watch.history import CommitDetails, CommitSummary, Difference, Move, summary_of
from loader.values import DataFile
from loader.values.documents import encode_loaded_range


def summary_document(summary: CommitSummary) -> dict[str, Any]:
    """One commit in numbers."""
    return asdict(summary) | {"duration_ms": _duration_ms(summary.started_at_ms, summary.committed_at_ms)}


def details_document(details: CommitDetails) -> dict[str, Any]:
    """All of one commit."""
    commit = details.commit
    return {
        **summary_document(summary_of(commit)),
        "loader_version": commit.loader_version,
        "cluster_id": commit.cluster_id,
        "ranges": [encode_loaded_range(loaded) for loaded in commit.ranges],
        "position_moves": _moves_document(details.moves),
        "columns_changed": [asdict(change) for change in details.columns],
        "files_added": [_file_document(file) for file in commit.files],
        "files_removed": list(commit.removed_files),
    }


def difference_document(difference: Difference) -> dict[str, Any]:
    """What lies between two commits."""
    known = [each.file for each in difference.removed if each.file is not None]
    return {
        "older_version": difference.older,
        "newer_version": difference.newer,
        "row_count": sum(each.row_count for each in difference.commits),
        "quarantined_count": sum(each.quarantined_count for each in difference.commits),
        "lost_count": sum(each.lost_count for each in difference.commits),
        "added_file_count": len(difference.added),
        "added_row_count": rows_of(difference.added),
        "added_bytes": bytes_of(difference.added),
        "removed_file_count": len(difference.removed),
        "removed_row_count": rows_of(known),
        "removed_bytes": bytes_of(known),
        "commits": [summary_document(each) for each in difference.commits],
        "position_moves": _moves_document(difference.moves),
        "columns_changed": [asdict(change) for change in difference.columns],
        "files_added": [_file_document(file) for file in difference.added],
        "files_removed": [each.path for each in difference.removed],
    }


def _moves_document(moves: Sequence[Move]) -> list[dict[str, Any]]:
    return [
        {
            "topic": move.partition.topic,
            "partition": move.partition.partition,
            "from_offset": move.from_offset,
            "to_offset": move.to_offset,
        }
        for move in moves
    ]


def _file_document(file: DataFile) -> dict[str, Any]:
    return {
        "path": file.path,
        "topic": file.ranges[0].topic,
        "size_bytes": file.size_bytes,
        "row_count": file.row_count,
        "min_timestamp_ms": file.min_timestamp_ms,
        "max_timestamp_ms": file.max_timestamp_ms,
    }


def _duration_ms(started_at_ms: int | None, committed_at_ms: int) -> int | None:
    return None if started_at_ms is None else max(committed_at_ms - started_at_ms, 0)


def rows_of(files: Sequence[DataFile]) -> int:
    """The rows of files, without what is in the quarantine."""
    return sum(file.row_count for file in files if not file.is_quarantine)


def bytes_of(files: Sequence[DataFile]) -> int:
    """The size of files together."""
    return sum(file.size_bytes for file in files)
