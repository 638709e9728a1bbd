"""`kafka-loader compact`: merges small files, or shows which it would merge."""

import os
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.logs import EventLog
from loader.cli.progress import ProgressListener
from loader.operations.changes.compaction import (
    CompactionPlan,
    CompactionReport,
    MergedFolder,
    compact,
    plan_compaction,
)
from loader.operations.job import Job

MOST_FOLDERS_TOLD = 30
"""Lines of the table; JSON has all."""

MOST_THREADS = 4
"""More would wait for the file system, and each takes memory."""


def run_compact(config: Path, topic: str | None, dry_run: bool, as_json: bool, log: EventLog) -> int:
    """Merge what there is to merge; the exit status."""
    started_s = time.monotonic()
    with text.only_a_document() if as_json else nullcontext():
        job = process.read_job(config)
        log.job = job.name
        plan = plan_compaction(job, topic, process.now_ms(), is_dry=dry_run)
        report = None
        if plan is not None and plan.pieces and not dry_run:
            report = _compact(job, plan, log)
    if as_json:
        text.print_json(_document(job, plan, report))
    elif plan is None:
        text.say(f"nothing to merge: job {job.name} has not loaded anything yet")
    elif not plan.pieces:
        of = f"topic {topic}" if topic else f"job {job.name}"
        text.say(f"nothing to merge: {of} has no two small files in a folder of a closed hour")
    else:
        _print(plan, report, time.monotonic() - started_s, config)
    return 0


def _compact(job: Job, plan: CompactionPlan, log: EventLog) -> CompactionReport:
    log.run_id = process.new_run_id()
    log.info(
        "planned",
        f"merging {text.plural(plan.file_count, 'file')} of {text.plural(len(plan.folders), 'folder')},"
        f" {text.plural(plan.row_count, 'row')}, as of commit {plan.newest.version}",
        base_version=plan.newest.version,
        file_count=plan.file_count,
        folder_count=len(plan.folders),
        row_count=plan.row_count,
    )
    ticket = process.new_ticket(plan.newest.version, log.run_id)
    threads = min(os.cpu_count() or 1, MOST_THREADS)
    with ProgressListener(log, doing="merging", done="merged", part="file") as listener:
        listener.expect(plan.row_count, plan.file_count)
        return compact(job, plan, ticket, threads, process.now_ms, process.is_dead, listener)


def _print(plan: CompactionPlan, report: CompactionReport | None, seconds: float, config: Path) -> None:
    folders = report.folders if report else plan.folders
    columns = {"folder": "left", "rows": "right", "files": "right", "become": "right", "size": "right"}
    if report is not None:
        columns["becomes"] = "right"
    told = sorted(folders, key=lambda each: -each.file_count)[:MOST_FOLDERS_TOLD]
    text.print_table(columns, [_row(each) for each in sorted(told, key=lambda each: each.folder)])
    if len(folders) > len(told):
        text.say(f"… and {text.plural(len(folders) - len(told), 'folder')} with fewer files; --json has all")
    before = text.size(sum(each.size_bytes for each in folders))
    files = text.plural(plan.file_count, "file")
    made = text.count(sum(each.new_file_count for each in folders))
    if report is None:
        text.say(f"would merge {files}, {before}, into about {made}; nothing was written")
        return
    after = text.size(sum(file.size_bytes for file in report.commit.files))
    text.say(
        f"committed version {report.commit.version}: {files} became {made}, {before} became {after}, in"
        f" {text.duration(seconds)}; next: kafka-loader verify {config}"
    )


def _row(folder: MergedFolder) -> list[str]:
    numbers = [folder.row_count, folder.file_count, folder.new_file_count]
    row = [folder.folder, *map(text.count, numbers), text.size(folder.size_bytes)]
    return row if folder.new_size_bytes is None else [*row, text.size(folder.new_size_bytes)]


def _document(job: Job, plan: CompactionPlan | None, report: CompactionReport | None) -> dict[str, Any]:
    folders = report.folders if report else plan.folders if plan else ()
    return {
        "job": job.name,
        "base_version": plan.newest.version if plan else 0,
        "version": report.commit.version if report else None,
        "run_id": report.commit.run_id if report else None,
        "committed": report is not None,
        "row_count": plan.row_count if plan else 0,
        "file_count": plan.file_count if plan else 0,
        "new_file_count": sum(each.new_file_count for each in folders),
        "size_bytes": sum(each.size_bytes for each in folders),
        "new_size_bytes": sum(file.size_bytes for file in report.commit.files) if report else None,
        "folders": [asdict(each) for each in folders],
    }
