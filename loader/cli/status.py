"""`kafka-loader status`: where a job stands, and how far behind the brokers."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.failures import failure_document, told
from loader.cli.waiting import FEW_PARTITIONS, age, largest, require_topic, tell_left_out, told_or_unknown
from loader.operations.watch.standing import Move, PartitionStanding, Standing, TopicStanding, read_standing


def status(config: Path, topic: str | None, all_partitions: bool, as_json: bool) -> int:
    """Print where the job stands and return the exit status."""
    job = process.read_job(config)
    standing = read_standing(job, len(os.sched_getaffinity(0)), process.now_ms)
    topics = standing.topics
    if topic is not None:
        topics = tuple(each for each in topics if each.topic == topic)
        require_topic(topic, bool(topics) or topic in standing.outlook.plan.failures)
    if as_json:
        text.print_json(_document(standing, topics, job.storage.url, config))
    else:
        _print(standing, topics, config, topic, all_partitions)
    return 0


def _print(
    standing: Standing,
    topics: Sequence[TopicStanding],
    config: Path,
    topic: str | None,
    all_partitions: bool,
) -> None:
    plan, newest = standing.outlook.plan, standing.newest
    if newest is None:
        text.say(f"job {plan.job} has not run yet; next: kafka-loader run {config}")
    else:
        text.say(
            f"job {plan.job} stands at commit {newest.version}, made {text.moment(newest.committed_at_ms)}"
            f" by {newest.committed_by}"
        )
    partitions = [partition for each in topics for partition in each.partitions]
    is_short = len(partitions) <= FEW_PARTITIONS
    if topic is None and (not is_short or len(topics) > 1):
        _print_topics(topics, all_partitions)
        text.say()
    if is_short or all_partitions or topic is not None:
        _print_partitions(partitions)
        text.say()
    lag_offsets = sum(each.waiting.lag_offsets for each in partitions if each.waiting)
    lag_bytes = sum(each.waiting.lag_bytes for each in partitions if each.waiting)
    text.say(f"{text.plural(lag_offsets, 'offset')} behind, about {text.size(lag_bytes)}")
    if not is_short and not all_partitions and topic is None:
        text.say(f"one topic: kafka-loader status {config} --topic NAME; all partitions: --partitions")
    for partition, count in sorted(plan.held_back.items()):
        text.say(f"an open transaction holds back {text.plural(count, 'offset')} of {partition}")
    for note in standing.outlook.notes:
        text.say(f"note: {note}")
    for partition, reason in sorted(plan.unlisted.items()):
        text.warn(f"not asked: {partition} ({reason})")
    for name, error in sorted(plan.failures.items()):
        text.warn(f"cannot be loaded: {name}: {told(error, config)}")


def _print_topics(topics: Sequence[TopicStanding], all_topics: bool) -> None:
    shown = largest(topics, _lag_offsets, all_topics=all_topics)
    text.print_table(
        {
            "topic": "left",
            "partitions": "right",
            "lag": "right",
            "about": "right",
            "behind": "right",
            "commit": "right",
            "last commit": "left",
            "complete up to": "left",
        },
        [
            [
                each.topic,
                text.count(len(each.partitions)),
                told_or_unknown(each.lag_offsets, text.count),
                told_or_unknown(each.lag_bytes, text.size),
                age(each.lag_ms),
                *_move(each.last_moved),
                told_or_unknown(each.complete_up_to_ms, text.moment),
            ]
            for each in shown
        ],
        spare=("last commit", "partitions", "about", "commit"),
    )
    total = sum(map(_lag_offsets, topics))
    tell_left_out(len(topics) - len(shown), total - sum(map(_lag_offsets, shown)))


def _lag_offsets(topic: TopicStanding) -> int:
    return sum(each.waiting.lag_offsets for each in topic.partitions if each.waiting)


def _print_partitions(partitions: Sequence[PartitionStanding]) -> None:
    rows = []
    for each in partitions:
        waiting = each.waiting
        rows.append(
            [
                str(each.partition),
                told_or_unknown(each.next_offset, text.count),
                told_or_unknown(waiting.wanted.end_offset if waiting else None, text.count),
                told_or_unknown(waiting.lag_offsets if waiting else None, text.count),
                told_or_unknown(waiting.lag_bytes if waiting else None, text.size),
                age(waiting.lag_ms if waiting else None),
                *_move(each.last_moved),
                told_or_unknown(waiting.complete_up_to_ms if waiting else None, text.moment),
            ]
        )
    text.print_table(
        {
            "partition": "left",
            "position": "right",
            "end": "right",
            "lag": "right",
            "about": "right",
            "behind": "right",
            "commit": "right",
            "last commit": "left",
            "complete up to": "left",
        },
        rows,
        spare=("last commit", "about", "end", "commit"),
    )


def _move(move: Move | None) -> list[str]:
    return [
        told_or_unknown(move.version if move else None, text.count),
        told_or_unknown(move.committed_at_ms if move else None, text.moment),
    ]


def _document(
    standing: Standing, topics: Sequence[TopicStanding], destination: str, config: Path
) -> dict[str, Any]:
    plan, newest = standing.outlook.plan, standing.newest
    partitions = [partition for each in topics for partition in each.partitions]
    return {
        "job": plan.job,
        "destination": destination,
        "version": plan.base_version,
        "committed_at_ms": newest.committed_at_ms if newest else None,
        "run_id": newest.run_id if newest else None,
        "asked_at_ms": standing.outlook.asked_at_ms,
        "lag_offsets": sum(each.waiting.lag_offsets for each in partitions if each.waiting),
        "lag_bytes": sum(each.waiting.lag_bytes for each in partitions if each.waiting),
        "topics": [
            {
                "topic": each.topic,
                "partition_count": len(each.partitions),
                "lag_offsets": each.lag_offsets,
                "lag_bytes": each.lag_bytes,
                "lag_ms": each.lag_ms,
                **_move_document(each.last_moved),
                "complete_up_to_ms": each.complete_up_to_ms,
            }
            for each in topics
        ],
        "partitions": [_partition_document(each) for each in partitions],
        "notes": list(standing.outlook.notes),
        "failures": {
            topic: failure_document(error, config) for topic, error in sorted(plan.failures.items())
        },
        "unlisted": {str(partition): reason for partition, reason in sorted(plan.unlisted.items())},
    }


def _partition_document(each: PartitionStanding) -> dict[str, Any]:
    waiting = each.waiting
    return {
        "topic": each.partition.topic,
        "partition": each.partition.partition,
        "next_offset": each.next_offset,
        "end_offset": waiting.wanted.end_offset if waiting else None,
        "lag_offsets": waiting.lag_offsets if waiting else None,
        "lag_bytes": waiting.lag_bytes if waiting else None,
        "lag_ms": waiting.lag_ms if waiting else None,
        "held_back_offsets": waiting.held_back_offsets if waiting else None,
        "first_unread_ms": waiting.first_unread_ms if waiting else None,
        "deleted_in_ms": waiting.deleted_in_ms if waiting else None,
        **_move_document(each.last_moved),
        "complete_up_to_ms": waiting.complete_up_to_ms if waiting else None,
    }


def _move_document(move: Move | None) -> dict[str, Any]:
    return {
        "last_version": move.version if move else None,
        "last_committed_at_ms": move.committed_at_ms if move else None,
    }
