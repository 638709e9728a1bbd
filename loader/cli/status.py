"""`kafka-loader status`: where a job stands, and how far behind the brokers."""

import os
from pathlib import Path

from loader.cli import process, text
from loader.cli.failures import failure_document, told
from loader.operations.plan import plan_load, read_ledger


def status(config: Path, as_json: bool) -> int:
    """Print where the job stands and return the exit status."""
    job = process.read_job(config)
    newest = read_ledger(job)
    plan = plan_load(job, newest, len(os.sched_getaffinity(0)))
    lag = sum(each.range.offset_count for each in plan.partitions)
    if as_json:
        text.print_json(
            {
                "job": job.name,
                "destination": job.storage.url,
                "version": plan.base_version,
                "committed_at_ms": newest.committed_at_ms if newest else None,
                "run_id": newest.run_id if newest else None,
                "lag_offsets": lag,
                "partitions": [
                    {
                        "topic": each.range.topic,
                        "partition": each.range.partition,
                        "next_offset": None if each.is_new else each.range.start_offset,
                        "end_offset": each.range.end_offset,
                        "lag_offsets": each.range.offset_count,
                    }
                    for each in plan.partitions
                ],
                "failures": {
                    topic: failure_document(error, config) for topic, error in sorted(plan.failures.items())
                },
            }
        )
        return 0
    if newest is None:
        text.say(f"job {job.name} has not run yet; next: kafka-loader run {config}")
    else:
        text.say(
            f"job {job.name} stands at commit {newest.version}, made {text.moment(newest.committed_at_ms)}"
            f" by {newest.committed_by}"
        )
    text.print_table(
        {"partition": "left", "next offset": "right", "end": "right", "lag": "right"},
        [
            [
                str(each.range.topic_partition),
                "-" if each.is_new else text.count(each.range.start_offset),
                text.count(each.range.end_offset),
                text.count(each.range.offset_count),
            ]
            for each in plan.partitions
        ],
    )
    text.say(f"{text.plural(lag, 'offset')} behind, about {text.size(plan.estimated_bytes)}")
    for topic, error in sorted(plan.failures.items()):
        text.warn(f"cannot be loaded: {topic}: {told(error, config)}")
    return 0
