"""`kafka-loader quarantine`: what could not be decoded, and another try at it. Asks no broker."""

import base64
import itertools
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.decisions import tell, tell_commit
from loader.cli.failures import failure_document, told
from loader.cli.logs import EventLog
from loader.operations.changes.replay import ReplayReport, replay
from loader.operations.decisions import LeftOut
from loader.operations.watch.quarantine import BadKind, QuarantinedRecord, count_bad, read_bad
from loader.values.bad_records import beginning_of


def list_bad(config: Path, topic: str | None, as_json: bool) -> int:
    """Print how many records of each kind there are, and return the exit status."""
    job = process.read_job(config)
    kinds = count_bad(job, topic)
    if as_json:
        text.print_json([_kind_document(kind) for kind in kinds])
        return 0
    if not kinds:
        text.say(f"nothing is in the quarantine of {topic or f'job {job.name}'}")
        return 0
    text.print_table(
        {
            "topic": "left",
            "format": "left",
            "error": "left",
            "records": "right",
            "earliest": "left",
            "latest": "left",
        },
        [
            [
                kind.topic,
                kind.format,
                kind.error_class,
                text.count(kind.record_count),
                _time(kind.earliest_ms),
                _time(kind.latest_ms),
            ]
            for kind in kinds
        ],
    )
    text.say(f"next: kafka-loader quarantine show {config} {kinds[0].topic}")
    return 0


def show_bad(config: Path, topic: str, error_class: str | None, limit: int, as_json: bool) -> int:
    """Print the first records of a topic, and return the exit status."""
    job = process.read_job(config)
    records = list(itertools.islice(read_bad(job, topic, error_class), limit))
    if as_json:
        text.print_json([_record_document(record) for record in records])
        return 0
    if not records:
        text.say(
            f"nothing of this is in the quarantine of {topic}; see kafka-loader quarantine list {config}"
        )
    for record in records:
        place = f"{record.topic}-{record.partition}@{record.offset}"
        named = "" if record.schema_id is None else f", schema {record.schema_id}"
        text.say(f"{place}  {_time(record.timestamp_ms)}  {record.format}{named}  {record.error_class}")
        text.say(f"    {record.error_text}")
        text.say(f"    key: {beginning_of(record.key) or 'null'}")
        text.say(f"    value: {beginning_of(record.value) or 'null'}")
    return 0


def replay_bad(config: Path, topic: str | None, as_json: bool, log: EventLog) -> int:
    """Decode again what waits, print what became of it, and return the exit status."""
    with text.only_a_document() if as_json else nullcontext():
        return _replay_bad(config, topic, as_json, log)


def _replay_bad(config: Path, topic: str | None, as_json: bool, log: EventLog) -> int:
    job = process.read_job(config)
    topics = [] if topic is None else [topic]
    log.job, log.run_id = job.name, process.new_run_id()
    new_ticket = partial(process.new_ticket, run_id=log.run_id)
    report = replay(job, topics, new_ticket, process.now_ms, process.is_dead)
    _tell_replay(log, report)
    if as_json:
        text.print_json(_replay_document(report, config))
        return report.exit_status
    for name, done in sorted(report.topics.items()):
        bad = text.plural(done.still_bad_count, "record")
        text.say(f"{name}: {text.plural(done.recovered_count, 'row')} recovered, {bad} still bad")
        for record in done.still_bad:
            text.say(f"    {record}")
    for name, errors in sorted(report.failures.items()) if not log.is_json else ():
        for error in errors:
            text.warn(f"not replayed: {name}: {told(error, config)}")
    if report.commit is not None:
        text.say(f"commit {report.commit.version} holds the rows")
    elif report.topics:
        text.say("nothing was committed: no record that waits can be decoded")
    elif not report.failures:
        text.say("nothing waits in the quarantine")
    return report.exit_status


def _tell_replay(log: EventLog, report: ReplayReport) -> None:
    for name, done in sorted(report.topics.items()):
        log.info(
            "replayed",
            f"replayed {name}: {text.plural(done.recovered_count, 'record')} decoded,"
            f" {text.count(done.still_bad_count)} still bad",
            topic=name,
            recovered_count=done.recovered_count,
            still_bad_count=done.still_bad_count,
        )
    for name, errors in sorted(report.failures.items()):
        tell(log, LeftOut(name, errors))
    if report.commit is not None:
        tell_commit(log, report.commit)


def _replay_document(report: ReplayReport, config: Path) -> dict[str, Any]:
    return {
        "run_id": report.run_id,
        "version": report.commit.version if report.commit else None,
        "topics": {
            name: {"recovered_count": done.recovered_count, "still_bad_count": done.still_bad_count}
            for name, done in sorted(report.topics.items())
        },
        "failures": {
            name: [failure_document(error, config) for error in errors]
            for name, errors in sorted(report.failures.items())
        },
    }


def _time(timestamp_ms: int | None) -> str:
    if timestamp_ms is None:
        return "-"
    try:
        return text.moment(timestamp_ms)
    except (ValueError, OverflowError, OSError):  # beyond the calendar: perhaps why it is here
        return f"{timestamp_ms} ms"


def _kind_document(kind: BadKind) -> dict[str, Any]:
    return {
        "topic": kind.topic,
        "format": kind.format,
        "error_class": kind.error_class,
        "record_count": kind.record_count,
        "earliest_ms": kind.earliest_ms,
        "latest_ms": kind.latest_ms,
    }


def _record_document(record: QuarantinedRecord) -> dict[str, Any]:
    return {
        "topic": record.topic,
        "partition": record.partition,
        "offset": record.offset,
        "timestamp_ms": record.timestamp_ms,
        "format": record.format,
        "schema_id": record.schema_id,
        "error_class": record.error_class,
        "error_text": record.error_text,
        "run_id": record.run_id,
        "key_base64": _base64(record.key),
        "value_base64": _base64(record.value),
        "value_begins": beginning_of(record.value),
        "headers": [[key, _base64(value)] for key, value in record.headers],
    }


def _base64(data: bytes | None) -> str | None:
    return None if data is None else base64.b64encode(data).decode()
