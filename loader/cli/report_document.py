"""What a report tells, as one JSON document."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loader.cli.failures import failure_document
from loader.operations.watch.activity import Activity
from loader.operations.watch.outlook import Outlook
from loader.operations.watch.report import JobReport
from loader.values import OffsetRange


def report_document(report: JobReport, config: Path) -> dict[str, Any]:
    """The document. Times are in ms since 1970; cells of time are told by their begin."""
    activity, newest = report.activity, report.newest
    return {
        "job": report.job,
        "destination": report.destination,
        "made_at_ms": report.made_at_ms,
        "version": newest.version if newest else 0,
        "committed_at_ms": newest.committed_at_ms if newest else None,
        "first_version": report.covered[0] if report.covered else None,
        "last_version": report.covered[-1] if report.covered else None,
        "earlier_commit_count": len(report.ledger) - len(report.covered),
        "activity": None if activity is None else _activity(activity),
        "lag": None if report.outlook is None else _lag(report.outlook, config),
        "lag_error": None if report.outlook_error is None else failure_document(report.outlook_error, config),
        "quarantine": None if report.bad_kinds is None else [asdict(kind) for kind in report.bad_kinds],
        "quarantine_error": None if report.bad_error is None else failure_document(report.bad_error, config),
    }


def _activity(activity: Activity) -> dict[str, Any]:
    return {
        "cell_ms": activity.grid.width_ms,
        "commits": [asdict(each) for each in activity.commits],
        "waiting": _cells(activity.waiting, "offset_count"),
        "left": [
            {"start_ms": start_ms, "offset_count": count} for start_ms, count in sorted(activity.left.items())
        ],
        "quarantined": _cells(activity.quarantined, "record_count"),
        "offsets": [{"topic": topic, **asdict(counts)} for topic, counts in sorted(activity.counts.items())],
        "record_cell_ms": activity.times.grid.width_ms,
        "record_times": _cells(activity.times.cells, "row_count"),
        "timeless_row_count": activity.times.timeless_count,
        "losses": [{**asdict(each.range), **asdict(each.commit)} for each in activity.losses],
        "lost_range_count": activity.loss_count,
        "moves": [
            {
                "topic": each.partition.topic,
                "partition": each.partition.partition,
                "from_offset": each.from_offset,
                "to_offset": each.to_offset,
                "skipped_count": each.skipped_count,
                **asdict(each.commit),
            }
            for each in activity.moves
        ],
        "move_count": activity.move_count,
        "skipped_count": activity.skipped_count,
        "slowest_splits": [
            {
                **asdict(each.timing),
                "ranges": _ranges(each.timing.ranges),
                **asdict(each.commit),
            }
            for each in activity.slowest
        ],
    }


def _lag(outlook: Outlook, config: Path) -> dict[str, Any]:
    return {
        "asked_at_ms": outlook.asked_at_ms,
        "partitions": [
            {
                "topic": each.wanted.topic,
                "partition": each.wanted.partition,
                "lag_offsets": each.lag_offsets,
                "lag_bytes": each.lag_bytes,
                "lag_ms": each.lag_ms,
                "deleted_in_ms": each.deleted_in_ms,
            }
            for each in outlook.partitions
        ],
        "failures": {
            topic: failure_document(error, config) for topic, error in sorted(outlook.plan.failures.items())
        },
        "unlisted": {str(partition): reason for partition, reason in sorted(outlook.plan.unlisted.items())},
    }


def _cells(cells: Mapping[tuple[int, str], int], name: str) -> list[dict[str, Any]]:
    return [
        {"start_ms": start_ms, "topic": topic, name: count}
        for (start_ms, topic), count in sorted(cells.items())
    ]


def _ranges(ranges: Sequence[OffsetRange]) -> list[dict[str, Any]]:
    return [asdict(each) for each in ranges]
