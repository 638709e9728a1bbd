"""`kafka-loader run`: load what is new, once."""

import time
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.engines import EngineName, open_engine
from loader.cli.failures import failure_document, told
from loader.cli.progress import ProgressListener
from loader.commits.record import Commit
from loader.operations.job import Job
from loader.operations.load import LoadReport, load
from loader.operations.mirror import mirror_position
from loader.values.documents import encode_loaded_range


def run(
    config: Path,
    engine_name: EngineName,
    processes: int | None,
    as_json: bool,
    accept_loss: bool,
    run_by: str,
) -> int:
    """Run a job, print what it did, and return the exit status. The commit says that `run_by` ran it."""
    with text.only_a_document() if as_json else nullcontext():
        return _run(config, engine_name, processes, as_json, accept_loss, run_by)


def _run(
    config: Path,
    engine_name: EngineName,
    processes: int | None,
    as_json: bool,
    accept_loss: bool,
    run_by: str,
) -> int:
    started_s = time.monotonic()
    job = process.read_job(config)
    engine = open_engine(engine_name, processes)
    with ProgressListener(engine.name) as listener:
        report = load(
            job,
            engine,
            partial(process.new_ticket, run_by=run_by),
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
    for topic, errors in sorted(report.failures.items()):
        text.warn(f"not loaded: {topic}: {told(errors[0], config)}")
    if mirror_problem is not None:
        text.warn(
            f"position not mirrored to group {job.config.kafka.mirror_group}: {mirror_problem}. What was"
            " loaded is committed; the next run mirrors it again"
        )
    return report.exit_status


def _print(job: Job, report: LoadReport, seconds: float, config: Path) -> None:
    if report.recovered is not None:
        text.say(f"finished publishing commit {report.recovered} of an earlier run")
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
        for lost in (lost for loaded in commit.ranges for lost in loaded.lost_ranges):
            text.warn(f"lost for ever, as --accept-loss allows: {lost}")
        if counts.quarantined_count:
            text.warn(
                f"{text.plural(counts.quarantined_count, 'record')} could not be decoded; see"
                f" kafka-loader quarantine list {config}"
            )
        for line in _repairs(commit):
            text.warn(line)
        text.print_table(
            {"topic": "left", "partitions": "right", "rows": "right", "files": "right", "size": "right"},
            _topic_rows(report),
        )
        text.say(f"rows are under {job.storage.url}; next: kafka-loader status {config}")


def _repairs(commit: Commit) -> list[str]:
    """What could not be kept as it was produced; the offsets command tells where."""
    header_keys = sum(loaded.repaired_header_key_count for loaded in commit.ranges)
    timestamps = sum(loaded.unreadable_timestamp_count for loaded in commit.ranges)
    lines = []
    if header_keys:
        lines.append(
            f"{text.plural(header_keys, 'header key')} not UTF-8: written with U+FFFD, as Java shows them"
        )
    if timestamps:
        lines.append(f"{text.plural(timestamps, 'timestamp')} beyond what Parquet can hold: written as null")
    return lines


def _topic_rows(report: LoadReport) -> list[list[str]]:
    rows = []
    commit = report.commit
    for topic in sorted({loaded.range.topic for loaded in commit.ranges}) if commit else ():
        ranges = [loaded for loaded in commit.ranges if loaded.range.topic == topic] if commit else []
        files = [file for file in commit.files if file.ranges[0].topic == topic] if commit else []
        rows.append(
            [
                topic,
                text.count(len({loaded.range.partition for loaded in ranges})),
                text.count(sum(loaded.counts.row_count for loaded in ranges)),
                text.count(len(files)),
                text.size(sum(file.size_bytes for file in files)),
            ]
        )
    return rows


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
