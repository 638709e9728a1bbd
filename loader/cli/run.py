"""`kafka-loader run`: load what is new, once."""

import time
from contextlib import nullcontext
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import loader
from loader.cli import process, text
from loader.cli.engines import EngineName, open_engine
from loader.cli.failures import failure_document, told
from loader.cli.logs import EventLog, without_logins
from loader.cli.progress import ProgressListener
from loader.operations.job import Job
from loader.operations.load import load
from loader.operations.load_report import LoadedTopic, LoadReport
from loader.operations.watch.mirror import mirror_position
from loader.values.documents import encode_loaded_range


def run(
    config: Path,
    engine_name: EngineName,
    processes: int | None,
    as_json: bool,
    accept_loss: bool,
    run_by: str,
    log: EventLog,
) -> int:
    """Run a job, print what it did, and return the exit status. The commit says that `run_by` ran it."""
    with text.only_a_document() if as_json else nullcontext():
        return _run(config, engine_name, processes, as_json, accept_loss, run_by, log)


def _run(
    config: Path,
    engine_name: EngineName,
    processes: int | None,
    as_json: bool,
    accept_loss: bool,
    run_by: str,
    log: EventLog,
) -> int:
    started_s = time.monotonic()
    job = process.read_job(config)
    engine = open_engine(engine_name, processes)
    log.job, log.run_id = job.name, process.new_run_id()
    log.info(
        "began",
        f"run {log.run_id} of job {job.name} on the {engine.name} engine, {text.plural(engine.slots, 'task')}"
        " at once",
        engine=engine.name,
        slots=engine.slots,
        destination=job.storage.url,
        loader_version=loader.__version__,
    )
    with ProgressListener(log) as listener:
        report = load(
            job,
            engine,
            partial(process.new_ticket, run_id=log.run_id, run_by=run_by),
            process.now_ms,
            process.is_dead,
            listener,
            loss_allowed=accept_loss,
        )
    seconds = time.monotonic() - started_s
    mirror_problem = mirror_position(job, report.commit.position if report.commit else report.plan.position)
    if as_json:
        text.print_json(_document(report, seconds, config) | {"mirror_problem": mirror_problem})
    else:
        _print(job, report, seconds, config)
    if not log.is_json:  # where each was told in full when it was left out
        for topic, errors in sorted(report.failures.items()):
            text.warn(f"not loaded: {topic}: {without_logins(told(errors[0], config))}")
    if mirror_problem is not None:
        group = job.config.kafka.mirror_group
        log.warning(
            "not_mirrored",
            f"position not mirrored to group {group}: {mirror_problem}. What was loaded is committed; the"
            " next run mirrors it again",
            group=group,
        )
    log.info(
        "ended",
        f"run {log.run_id} ended with status {report.exit_status} after {text.duration(seconds)}",
        exit_status=report.exit_status,
        seconds=round(seconds, 3),
    )
    return report.exit_status


def _print(job: Job, report: LoadReport, seconds: float, config: Path) -> None:
    commit = report.commit
    if commit is None:
        what = "nothing committed" if report.failures else "nothing new"
        text.say(f"{what}: job {job.name} stands at commit {report.plan.base_version}")
    else:
        counts = commit.counts
        size_bytes = sum(file.size_bytes for file in commit.files)
        text.say(
            f"committed version {commit.version} of job {job.name}: {text.plural(counts.row_count, 'row')} in"
            f" {text.plural(len(commit.files), 'file')}, {text.size(size_bytes)},"
            f" in {text.duration(seconds)}"
        )
        gaps = {
            "aborted": counts.aborted_count,
            "transaction markers": counts.control_count,
            "compacted away": counts.compacted_count,
            "quarantined": counts.quarantined_count,
            "lost": counts.lost_count,
        }
        told = [f"{text.count(number)} {name}" for name, number in gaps.items() if number]
        if told:
            text.say(f"offsets without a row: {', '.join(told)}")
        text.print_table(
            {
                "topic": "left",
                "partitions": "right",
                "rows": "right",
                "files": "right",
                "size": "right",
                "lag left": "right",
            },
            [_topic_row(each) for each in report.topics],
        )
        text.say(f"rows are under {job.storage.url}; next: kafka-loader status {config}")


def _topic_row(topic: LoadedTopic) -> list[str]:
    numbers = [topic.partition_count, topic.row_count, topic.file_count]
    return [
        topic.topic,
        *map(text.count, numbers),
        text.size(topic.size_bytes),
        text.count(topic.lag_offsets),
    ]


def _document(report: LoadReport, seconds: float, config: Path) -> dict[str, Any]:
    commit = report.commit
    return {
        "run_id": report.run_id,
        "exit_status": report.exit_status,
        "seconds": round(seconds, 3),
        "version": commit.version if commit else report.plan.base_version,
        "committed": commit is not None,
        "row_count": commit.counts.row_count if commit else 0,
        "quarantined_count": commit.counts.quarantined_count if commit else 0,
        "file_count": len(commit.files) if commit else 0,
        "size_bytes": sum(file.size_bytes for file in commit.files) if commit else 0,
        "ranges": [encode_loaded_range(loaded) for loaded in (commit.ranges if commit else ())],
        "topics": [asdict(topic) for topic in report.topics],
        "remaining_offsets": report.plan.limited.remaining_offsets,
        "failures": {
            topic: [failure_document(error, config) for error in errors]
            for topic, errors in sorted(report.failures.items())
        },
        "held_back": {str(partition): count for partition, count in sorted(report.plan.held_back.items())},
        "unlisted": {str(partition): reason for partition, reason in sorted(report.plan.unlisted.items())},
        "recovered_version": report.recovered,
        "swept_runs": list(report.swept),
    }
