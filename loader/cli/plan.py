"""`kafka-loader plan`: what the next run would load. Writes nothing, starts nothing."""

import os
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.failures import failure_document, told
from loader.errors import gravest_exit_status
from loader.operations.plan import LoadPlan, plan_load, read_ledger


def plan(config: Path, as_json: bool) -> int:
    """Print the plan and return the exit status."""
    job = process.read_job(config)
    made = plan_load(job, read_ledger(job), len(os.sched_getaffinity(0)))
    if as_json:
        text.print_json(_document(made, config))
    else:
        _print(made, config)
    return gravest_exit_status(made.failures.values(), some_unanswered=bool(made.unlisted))


def _print(plan: LoadPlan, config: Path) -> None:
    planned_bytes = {sized.range.topic_partition: sized.estimated_bytes for sized in plan.limited.ranges}
    text.print_table(
        {
            "partition": "left",
            "from": "right",
            "to": "right",
            "offsets": "right",
            "about": "right",
            "log starts": "right",
            "open transactions": "right",
        },
        [
            [
                str(each.range.topic_partition) + (" (new)" if each.is_new else ""),
                text.count(each.range.start_offset),
                text.count(each.range.end_offset),
                text.count(each.range.offset_count),
                text.size(planned_bytes.get(each.range.topic_partition, 0)),
                text.count(each.bounds.log_start_offset),
                text.count(each.bounds.high_watermark - each.bounds.last_stable_offset),
            ]
            for each in plan.partitions
        ],
    )
    if plan.splits:
        text.say(
            f"{text.plural(plan.offset_count, 'offset')}, about {text.size(plan.estimated_bytes)}, as"
            f" {text.plural(len(plan.splits), 'split')}; next: kafka-loader run {config}"
        )
    else:
        text.say(f"nothing new: job {plan.job} stands at commit {plan.base_version}")
    if plan.limited.remaining:
        text.say(
            f"limits leave {text.plural(plan.limited.remaining_offsets, 'offset')}, about"
            f" {text.size(plan.limited.remaining_bytes)}, to the next runs"
        )
    for partition, reason in sorted(plan.unlisted.items()):
        text.warn(f"not asked: {partition} keeps its position ({reason})")
    for topic, error in sorted(plan.failures.items()):
        text.warn(f"cannot be loaded: {topic}: {told(error, config)}")


def _document(plan: LoadPlan, config: Path) -> dict[str, Any]:
    return {
        "job": plan.job,
        "base_version": plan.base_version,
        "offset_count": plan.offset_count,
        "estimated_bytes": plan.estimated_bytes,
        "remaining_offsets": plan.limited.remaining_offsets,
        "partitions": [
            {
                "topic": each.range.topic,
                "partition": each.range.partition,
                "start_offset": each.range.start_offset,
                "end_offset": each.range.end_offset,
                "log_start_offset": each.bounds.log_start_offset,
                "last_stable_offset": each.bounds.last_stable_offset,
                "high_watermark": each.bounds.high_watermark,
                "is_new": each.is_new,
            }
            for each in plan.partitions
        ],
        "splits": [
            {
                "index": split.index,
                "estimated_bytes": split.estimated_bytes,
                "ranges": list(map(str, split.ranges)),
            }
            for split in plan.splits
        ],
        "failures": {
            topic: failure_document(error, config) for topic, error in sorted(plan.failures.items())
        },
        "unlisted": {str(partition): reason for partition, reason in sorted(plan.unlisted.items())},
    }
