"""`kafka-loader plan`: what the next run would load. Writes nothing, starts nothing."""

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.failures import failure_document, told
from loader.cli.waiting import (
    FEW_PARTITIONS,
    age,
    largest,
    oldest,
    only_topic,
    tell_left_out,
    told_or_unknown,
)
from loader.errors import gravest_exit_status
from loader.operations.plan import LoadPlan, read_ledger
from loader.operations.watch.outlook import Outlook, PartitionOutlook, look_ahead
from loader.values import Split

FEW_SPLITS = 8
"""Shown one by one where nobody asks for all."""


def plan(config: Path, topic: str | None, all_partitions: bool, as_json: bool) -> int:
    """Print the plan and return the exit status."""
    job = process.read_job(config)
    slots = len(os.sched_getaffinity(0))
    seen = look_ahead(job, read_ledger(job), slots, process.now_ms, with_formats=True)
    partitions = only_topic(topic, seen.partitions, seen.plan.failures)
    seen = replace(seen, partitions=partitions)
    if as_json:
        text.print_json(_document(seen, config))
    else:
        _print(seen, config, topic, all_partitions)
    made = seen.plan
    return gravest_exit_status(made.failures.values(), some_unanswered=bool(made.unlisted))


def _print(seen: Outlook, config: Path, topic: str | None, all_partitions: bool) -> None:
    made = seen.plan
    is_short = len(seen.partitions) <= FEW_PARTITIONS
    if topic is None and (not is_short or len({each.wanted.topic for each in seen.partitions}) > 1):
        _print_topics(seen, all_partitions)
        text.say()
    if is_short or all_partitions or topic is not None:
        _print_partitions(seen.partitions, made)
        text.say()
    if made.splits:
        if topic is None:
            _print_splits(made.splits, all_partitions)
        files = sum(seen.expected_files.values())
        whole = "" if topic is None else "of all topics: "
        text.say(
            f"{whole}{text.plural(made.offset_count, 'offset')}, about {text.size(made.estimated_bytes)}, as"
            f" {text.plural(len(made.splits), 'split')}, about {text.plural(files, 'file')};"
            f" next: kafka-loader run {config}"
        )
    else:
        text.say(f"nothing new: job {made.job} stands at commit {made.base_version}")
    if made.limited.remaining:
        text.say(
            f"limits leave {text.plural(made.limited.remaining_offsets, 'offset')}, about"
            f" {text.size(made.limited.remaining_bytes)}, to the next runs"
        )
    if any(each.deleted_in_ms is not None for each in seen.partitions):
        text.say("deleted in: at the earliest; Kafka deletes whole segments, so most records live longer")
    if not is_short and not all_partitions and topic is None:
        text.say(f"one topic: kafka-loader plan {config} --topic NAME; all partitions: --partitions")
    for partition, count in sorted(made.held_back.items()):
        text.say(f"an open transaction holds back {text.plural(count, 'offset')} of {partition}")
    for note in seen.notes:
        text.say(f"note: {note}")
    for partition, reason in sorted(made.unlisted.items()):
        text.warn(f"not asked: {partition} keeps its position ({reason})")
    for name, error in sorted(made.failures.items()):
        text.warn(f"cannot be loaded: {name}: {told(error, config)}")


def _print_topics(seen: Outlook, all_topics: bool) -> None:
    groups = [list(each) for _, each in groupby(seen.partitions, key=lambda each: each.wanted.topic)]
    shown = largest(groups, _lag_offsets, all_topics=all_topics)
    rows = []
    for group in shown:
        topic = group[0].wanted.topic
        rows.append(
            [
                topic,
                text.count(len(group)),
                text.count(sum(one.planned.offset_count for one in group)),
                text.size(sum(one.planned_bytes for one in group)),
                text.count(seen.expected_files.get(topic, 0)),
                text.count(_lag_offsets(group)),
                age(oldest(one.lag_ms for one in group)),
                _soonest(group),
            ]
        )
    text.print_table(
        {
            "topic": "left",
            "partitions": "right",
            "offsets": "right",
            "about": "right",
            "files": "right",
            "lag": "right",
            "behind": "right",
            "deleted in": "right",
        },
        rows,
        spare=("lag", "partitions"),
    )
    total = sum(map(_lag_offsets, groups))
    tell_left_out(len(groups) - len(shown), total - sum(map(_lag_offsets, shown)))


def _lag_offsets(partitions: Sequence[PartitionOutlook]) -> int:
    return sum(each.lag_offsets for each in partitions)


def _print_partitions(partitions: Sequence[PartitionOutlook], made: LoadPlan) -> None:
    bounds = {each.range.topic_partition: each.bounds for each in made.partitions}
    text.print_table(
        {
            "partition": "left",
            "from": "right",
            "to": "right",
            "offsets": "right",
            "about": "right",
            "lag": "right",
            "behind": "right",
            "deleted in": "right",
            "log starts": "right",
        },
        [
            [
                str(each.wanted.topic_partition) + (" (new)" if each.is_new else ""),
                text.count(each.planned.start_offset),
                text.count(each.planned.end_offset),
                text.count(each.planned.offset_count),
                text.size(each.planned_bytes),
                text.count(each.lag_offsets),
                age(each.lag_ms),
                _soonest([each]),
                text.count(bounds[each.wanted.topic_partition].log_start_offset),
            ]
            for each in partitions
        ],
        spare=("log starts", "lag", "behind", "offsets"),
    )


def _print_splits(splits: Sequence[Split], all_splits: bool) -> None:
    if len(splits) > FEW_SPLITS and not all_splits:
        sizes = sorted(split.estimated_bytes for split in splits)
        text.say(
            f"{text.plural(len(splits), 'split')} of about {text.size(sizes[0])} to {text.size(sizes[-1])};"
            " --partitions shows each"
        )
        return
    text.print_table(
        {"split": "right", "offsets": "right", "about": "right", "ranges": "left"},
        [
            [
                text.count(split.index),
                text.count(sum(each.offset_count for each in split.ranges)),
                text.size(split.estimated_bytes),
                _ranges(split, all_splits),
            ]
            for split in splits
        ],
    )


def _ranges(split: Split, all_ranges: bool) -> str:
    shown = split.ranges if all_ranges else split.ranges[:3]
    more = len(split.ranges) - len(shown)
    return ", ".join(map(str, shown)) + (f" and {text.count(more)} more" if more else "")


def _soonest(partitions: Sequence[PartitionOutlook]) -> str:
    known = [each.deleted_in_ms for each in partitions if each.deleted_in_ms is not None]
    return told_or_unknown(min(known, default=None), text.hours)


def _document(seen: Outlook, config: Path) -> dict[str, Any]:
    made = seen.plan
    bounds = {each.range.topic_partition: each.bounds for each in made.partitions}
    return {
        "job": made.job,
        "base_version": made.base_version,
        "asked_at_ms": seen.asked_at_ms,
        "offset_count": made.offset_count,
        "estimated_bytes": made.estimated_bytes,
        "expected_files": sum(seen.expected_files.values()),
        "remaining_offsets": made.limited.remaining_offsets,
        "topics": [
            {
                "topic": topic,
                "offset_count": sum(one.planned.offset_count for one in group),
                "estimated_bytes": sum(one.planned_bytes for one in group),
                "expected_files": seen.expected_files.get(topic, 0),
                "lag_offsets": sum(one.lag_offsets for one in group),
            }
            for topic, each in groupby(seen.partitions, key=lambda each: each.wanted.topic)
            for group in [list(each)]
        ],
        "partitions": [
            {
                "topic": each.wanted.topic,
                "partition": each.wanted.partition,
                "start_offset": each.wanted.start_offset,
                "end_offset": each.wanted.end_offset,
                "planned_end_offset": each.planned.end_offset,
                "planned_bytes": each.planned_bytes,
                "log_start_offset": bounds[each.wanted.topic_partition].log_start_offset,
                "last_stable_offset": bounds[each.wanted.topic_partition].last_stable_offset,
                "high_watermark": bounds[each.wanted.topic_partition].high_watermark,
                "is_new": each.is_new,
                "lag_offsets": each.lag_offsets,
                "lag_bytes": each.lag_bytes,
                "lag_ms": each.lag_ms,
                "first_unread_ms": each.first_unread_ms,
                "deleted_in_ms": each.deleted_in_ms,
            }
            for each in seen.partitions
        ],
        "splits": [
            {
                "index": split.index,
                "estimated_bytes": split.estimated_bytes,
                "ranges": list(map(str, split.ranges)),
            }
            for split in made.splits
        ],
        "notes": list(seen.notes),
        "failures": {
            topic: failure_document(error, config) for topic, error in sorted(made.failures.items())
        },
        "unlisted": {str(partition): reason for partition, reason in sorted(made.unlisted.items())},
    }
