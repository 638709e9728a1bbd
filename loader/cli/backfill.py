"""`kafka-loader backfill`: shows what would be loaded again, asks, and loads it."""

import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.agreement import NOT_AGREED, Agreement
from loader.cli.engines import EngineName, open_engine
from loader.cli.failures import failure_document, told
from loader.cli.logs import without_logins
from loader.cli.progress import ProgressListener
from loader.operations.changes.backfill import Asked, BackfillPlan, BackfillReport, backfill, plan_backfill
from loader.operations.job import Job
from loader.planning.covered import cut
from loader.values.documents import encode_loaded_range


def run_backfill(
    config: Path, asked: Asked, engine_name: EngineName, processes: int | None, agreement: Agreement
) -> int:
    """Load what is asked for, when a person agrees; the exit status."""
    log = agreement.log
    started_s = time.monotonic()
    seconds = 0.0
    with text.only_a_document() if agreement.as_json else nullcontext():
        job = process.read_job(config)
        engine = open_engine(engine_name, processes)
        plan = plan_backfill(job, asked, engine.slots)
        if not agreement.as_json:
            _print_plan(plan)
        refused = agreement.refusal("Load this?") if plan.ranges else ""
        report = None
        if plan.ranges and not refused:
            log.job, log.run_id = job.name, process.new_run_id()
            ticket = process.new_ticket(plan.newest.version, log.run_id)
            log.info(
                "began",
                f"run {log.run_id} loads {text.plural(plan.offset_count, 'offset')} of {plan.topic} again on"
                f" the {engine.name} engine, as {text.plural(len(plan.splits), 'split')}",
                engine=engine.name,
                topic=plan.topic,
                offset_count=plan.offset_count,
                split_count=len(plan.splits),
                reason=agreement.reason,
            )
            with ProgressListener(log) as listener:
                listener.expect(plan.offset_count, len(plan.splits))
                report = backfill(
                    job,
                    engine,
                    plan,
                    ticket,
                    agreement.reason,
                    process.now_ms,
                    process.is_dead,
                    listener,
                )
            seconds = time.monotonic() - started_s
            log.info(
                "ended",
                f"run {log.run_id} ended with status {report.exit_status} after {text.duration(seconds)}",
                exit_status=report.exit_status,
                seconds=round(seconds, 3),
            )
        if agreement.as_json:
            text.print_json(_document(job, plan, report, refused, config))
        elif report is not None:
            _print(report, seconds, config)
        if refused:
            log.warning("refused", f"nothing was loaded: {refused}")
            return NOT_AGREED
        return report.exit_status if report else 0


def _print_plan(plan: BackfillPlan) -> None:
    if not plan.ranges:
        text.say(f"nothing to load: {plan.topic} has no offsets there that the job has come to")
        return
    rows = []
    for each in plan.ranges:
        parts = cut(each.range, plan.older.covered)
        again_count = sum(part.offset_count for part, is_loaded in parts if is_loaded)
        rows.append(
            [
                str(each.range.topic_partition),
                text.count(each.range.start_offset),
                text.count(each.range.end_offset),
                text.count(again_count),
                text.count(each.offset_count - again_count),
                text.size(each.estimated_bytes),
            ]
        )
    text.print_table(
        {
            "partition": "left",
            "from": "right",
            "to": "right",
            "loaded before": "right",
            "never loaded": "right",
            "about": "right",
        },
        rows,
    )
    text.say(
        f"{text.plural(plan.offset_count, 'offset')}, about {text.size(plan.estimated_bytes)}; rows of"
        f" {text.plural(plan.again_count, 'offset')} are replaced, and the position stays"
    )


def _print(report: BackfillReport, seconds: float, config: Path) -> None:
    commit = report.commit
    if commit is not None:
        text.say(
            f"committed version {commit.version}: {text.plural(commit.counts.row_count, 'row')} loaded,"
            f" {text.plural(len(commit.removed_files), 'file')} replaced, in {text.duration(seconds)};"
            f" next: kafka-loader history show {config} {commit.version}"
        )
    for topic, errors in sorted(report.failures.items()):
        text.warn(f"not loaded: {topic}: {without_logins(told(errors[0], config))}")


def _document(
    job: Job, plan: BackfillPlan, report: BackfillReport | None, refused: str, config: Path
) -> dict[str, Any]:
    commit = report.commit if report else None
    return {
        "job": job.name,
        "base_version": plan.newest.version,
        "version": commit.version if commit else None,
        "run_id": report.run_id if report else None,
        "committed": commit is not None,
        "refusal": refused,
        "offset_count": plan.offset_count,
        "again_count": plan.again_count,
        "estimated_bytes": plan.estimated_bytes,
        "planned": [
            {
                "topic": each.range.topic,
                "partition": each.range.partition,
                "start_offset": each.range.start_offset,
                "end_offset": each.range.end_offset,
            }
            for each in plan.ranges
        ],
        "row_count": commit.counts.row_count if commit else 0,
        "quarantined_count": commit.counts.quarantined_count if commit else 0,
        "file_count": len(commit.files) if commit else 0,
        "removed_files": list(commit.removed_files) if commit else [],
        "ranges": [encode_loaded_range(each) for each in (commit.ranges if commit else ())],
        "failures": {
            topic: [failure_document(error, config) for error in errors]
            for topic, errors in sorted((report.failures if report else {}).items())
        },
    }
