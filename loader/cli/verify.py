"""`kafka-loader verify`: proof that what was loaded is there, once. Reads only."""

import random
from collections import defaultdict
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.failures import choice_document, naming
from loader.operations.proof.findings import Problem
from loader.operations.proof.verify import VerifiedPartition, VerifyReport, verify
from loader.values import RangeCounts

MOST_PRINTED = 50
"""Problems told as text; --json has all."""


def verify_job(config: Path, deep: bool, against_kafka: bool, as_json: bool) -> int:
    """Look, print what was found, and return the exit status."""
    job = process.read_job(config)
    report = verify(job, random.SystemRandom(), deep=deep, against_kafka=against_kafka)
    if as_json:
        text.print_json(_document(report, config))
    else:
        _print(report, config)
    return report.exit_status


def _print(report: VerifyReport, config: Path) -> None:
    if not report.commit_count and not report.problems:
        text.say(f"job {report.job} has not committed anything yet; next: kafka-loader run {config}")
    if report.partitions:
        text.print_table(
            {
                "topic": "left",
                "partitions": "right",
                "offsets": "right",
                "rows": "right",
                "quarantined": "right",
                "aborted": "right",
                "markers": "right",
                "compacted": "right",
                "lost": "right",
            },
            _topic_rows(report),
        )
    for note in report.notes:
        text.say(f"note: {naming(note, config)}")
    for partition, reason in sorted(report.unanswered.items()):
        text.warn(f"not compared, run again later: {partition} ({reason})")
    for problem in report.problems[:MOST_PRINTED]:
        text.warn(f"{problem.kind}: {naming(problem.message, config)}")
    if len(report.problems) > MOST_PRINTED:
        text.warn(f"… and {text.count(len(report.problems) - MOST_PRINTED)} more; --json has all")
    if report.problems:
        text.warn(f"{text.plural(len(report.problems), 'problem')}. Nothing was changed. Choices:")
        for choice in _choices(report.problems):
            text.warn(f"  - {naming(str(choice), config)}")
    elif report.commit_count:
        text.say(_proven(report))


def _proven(report: VerifyReport) -> str:
    """In one sentence, what holds."""
    said = (
        f"proven for {text.plural(report.commit_count, 'commit')}: {text.plural(report.file_count, 'file')},"
        f" {text.size(report.size_bytes)}, are there with their sizes and hold"
        f" {_held(report)}, each offset once, and every other offset is explained"
    )
    if report.is_deep:
        said += "; all pages decode"
    if report.compared is not None:
        compared = report.compared
        said += (
            f"; {text.plural(compared.row_count, 'row')} in {text.plural(compared.sample_count, 'sample')}"
            " are what Kafka has"
        )
        if compared.gone_count:
            said += f", which no longer has {text.count(compared.gone_count)} others"
    return said


def _held(report: VerifyReport) -> str:
    rows, quarantined = text.plural(report.row_count, "row"), report.quarantined_count
    return f"{rows} and {text.plural(quarantined, 'quarantined record')}" if quarantined else rows


def _topic_rows(report: VerifyReport) -> list[list[str]]:
    by_topic: defaultdict[str, list[VerifiedPartition]] = defaultdict(list)
    for each in report.partitions:
        by_topic[each.range.topic].append(each)
    rows = []
    for topic, group in by_topic.items():
        counts = RangeCounts.total(each.counts for each in group)
        numbers = [
            len(group),
            sum(each.range.offset_count for each in group),
            counts.row_count,
            counts.quarantined_count,
            counts.aborted_count,
            counts.control_count,
            counts.compacted_count,
            counts.lost_count,
        ]
        rows.append([topic, *map(text.count, numbers)])
    return rows


def _choices(problems: tuple[Problem, ...]) -> list[Any]:
    """Each choice there is, once."""
    return list(dict.fromkeys(choice for problem in problems for choice in problem.choices))


def _document(report: VerifyReport, config: Path) -> dict[str, Any]:
    return {
        "job": report.job,
        "destination": report.destination,
        "exit_status": report.exit_status,
        "version": report.version,
        "commit_count": report.commit_count,
        "file_count": report.file_count,
        "row_count": report.row_count,
        "quarantined_count": report.quarantined_count,
        "size_bytes": report.size_bytes,
        "deep": report.is_deep,
        "compared": report.compared
        and {
            "sample_count": report.compared.sample_count,
            "row_count": report.compared.row_count,
            "gone_count": report.compared.gone_count,
        },
        "partitions": [
            {
                "topic": each.range.topic,
                "partition": each.range.partition,
                "start_offset": each.range.start_offset,
                "end_offset": each.range.end_offset,
                "row_count": each.counts.row_count,
                "quarantined_count": each.counts.quarantined_count,
                "aborted_count": each.counts.aborted_count,
                "control_count": each.counts.control_count,
                "compacted_count": each.counts.compacted_count,
                "lost_count": each.counts.lost_count,
            }
            for each in report.partitions
        ],
        "problems": [
            {
                "kind": problem.kind,
                "message": naming(problem.message, config),
                "path": problem.path,
                "choices": [choice_document(choice, config) for choice in problem.choices],
            }
            for problem in report.problems
        ],
        "notes": [naming(note, config) for note in report.notes],
        "unanswered": {str(partition): reason for partition, reason in sorted(report.unanswered.items())},
    }
