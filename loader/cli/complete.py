"""`kafka-loader complete`: whether all that was produced before some moment is loaded and visible."""

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from loader.cli import process, text
from loader.cli.places import parse_time
from loader.cli.waiting import told_or_unknown
from loader.errors import ConfigError
from loader.operations.watch.complete import (
    HOUR_MS,
    Completeness,
    PartitionCompleteness,
    TopicCompleteness,
    mark_complete,
    read_completeness,
    wait_until_passed,
)

NOT_YET = 3

MOST_PARTITIONS = 20
"""That hold something back are listed for a person; --json has all."""


def complete(
    config: Path,
    topic: str | None,
    until: str | None,
    last_hours: int,
    lateness_s: int,
    wait_s: int | None,
    mark: bool,
    as_json: bool,
) -> int:
    """Tell what is complete, put markers where that is asked for, and return the exit status."""
    until_ms = None if until is None else parse_time("--until", until, process.now_ms())
    if wait_s is not None and until_ms is None:
        raise ConfigError(["--wait needs --until: the moment to wait for"])
    job = process.read_job(config)

    def read() -> Completeness:
        return read_completeness(job, topic, lateness_s * 1000, process.now_ms)

    found = read() if until_ms is None else wait_until_passed(read, until_ms, wait_s or 0)
    marked = mark_complete(job, found) if mark else []
    has_passed = None if until_ms is None else found.has_passed(until_ms)
    if as_json:
        hours = [] if until_ms is not None else _hours(found.asked_at_ms, last_hours)
        text.print_json(_document(found, until_ms, hours, marked))
    elif until_ms is None:
        _print_hours(found, last_hours)
    else:
        _print_until(found, until_ms)
    if not as_json:
        if found.unpublished_version is not None:
            text.say(
                f"commit {found.unpublished_version} is not published yet: a run is at it, or the next one"
                f" does it: kafka-loader run {config}"
            )
        if mark:
            text.say(f"{text.plural(len(marked), 'new marker')}" + (":" if marked else ""))
            for path in marked:
                text.say(f"  {path}")
    return NOT_YET if has_passed is False else 0


def _hours(asked_at_ms: int, last_hours: int) -> list[int]:
    """The beginnings of the newest hours, the one that is not over last."""
    newest_ms = asked_at_ms // HOUR_MS * HOUR_MS
    return [newest_ms - number * HOUR_MS for number in reversed(range(last_hours))]


def _print_hours(found: Completeness, last_hours: int) -> None:
    rows = []
    for topic in found.topics:
        for hour_ms in _hours(found.asked_at_ms, last_hours):
            end_ms = hour_ms + HOUR_MS
            is_complete = topic.has_passed(end_ms) and found.unpublished_version is None
            rows.append(
                [
                    topic.topic,
                    _hour(hour_ms),
                    "yes" if is_complete else "no",
                    _held_back(found, topic, end_ms),
                ]
            )
    text.print_table({"topic": "left", "hour": "left", "complete": "left", "held back by": "left"}, rows)
    for topic in found.topics:
        text.say(f"{topic.topic} is complete up to {told_or_unknown(topic.complete_up_to_ms, text.moment)}")


def _held_back(found: Completeness, topic: TopicCompleteness, end_ms: int) -> str:
    if found.asked_at_ms < end_ms:
        return "the hour is not over"
    if topic.failure is not None:
        return "the topic cannot be loaded: see kafka-loader status"
    missing = topic.missing(end_ms)
    if not missing:
        return "" if topic.partitions else "no partition has answered"
    first = _reason(missing[0])
    return f"{missing[0].partition}: {first}" + (f", and {len(missing) - 1:,} more" if missing[1:] else "")


def _reason(partition: PartitionCompleteness) -> str:
    if partition.lag_offsets is None:
        return "gave no answer"
    parts = []
    if partition.lag_offsets:
        parts.append(f"{text.plural(partition.lag_offsets, 'offset')} to load")
    if partition.held_back_offsets:
        parts.append(f"{text.plural(partition.held_back_offsets, 'offset')} in an open transaction")
    return ", ".join(parts) or "records may still come late"


def _print_until(found: Completeness, until_ms: int) -> None:
    partitions = [each for topic in found.topics for each in topic.partitions]
    of = f"{text.plural(len(partitions), 'partition')} of {text.plural(len(found.topics), 'topic')}"
    if found.has_passed(until_ms):
        text.say(f"complete: {of} passed {text.moment(until_ms)}")
        return
    missing = [each for topic in found.topics for each in topic.missing(until_ms)]
    text.say(f"not complete: {len(missing):,} of {of} did not pass {text.moment(until_ms)}")
    _print_missing(missing)
    for topic in found.topics:
        if topic.failure is not None:
            text.say(f"{topic.topic} cannot be loaded: {topic.failure}")
        elif not topic.partitions:
            text.say(f"{topic.topic}: no partition has answered")


def _print_missing(missing: Sequence[PartitionCompleteness]) -> None:
    if not missing:
        return
    text.print_table(
        {"partition": "left", "complete up to": "left", "held back by": "left"},
        [
            [str(each.partition), told_or_unknown(each.complete_up_to_ms, text.moment), _reason(each)]
            for each in missing[:MOST_PARTITIONS]
        ],
    )
    if len(missing) > MOST_PARTITIONS:
        text.say(f"and {len(missing) - MOST_PARTITIONS:,} more: --json has all")


def _hour(hour_ms: int) -> str:
    return f"{datetime.fromtimestamp(hour_ms / 1000, UTC):%Y-%m-%d %H}"


def _document(
    found: Completeness, until_ms: int | None, hours: Sequence[int], marked: Sequence[str]
) -> dict[str, Any]:
    is_visible = found.unpublished_version is None
    return {
        "complete": None if until_ms is None else found.has_passed(until_ms),
        "until_ms": until_ms,
        "asked_at_ms": found.asked_at_ms,
        "complete_up_to_ms": found.complete_up_to_ms,
        "unpublished_version": found.unpublished_version,
        "topics": [
            {
                "topic": topic.topic,
                "complete_up_to_ms": topic.complete_up_to_ms if is_visible else None,
                "failure": None if topic.failure is None else str(topic.failure),
                **({} if until_ms is None else {"complete": is_visible and topic.has_passed(until_ms)}),
                "hours": [
                    {"hour_ms": hour_ms, "complete": is_visible and topic.has_passed(hour_ms + HOUR_MS)}
                    for hour_ms in hours
                ],
                "partitions": [
                    {
                        "partition": each.partition.partition,
                        "complete_up_to_ms": each.complete_up_to_ms,
                        **({} if until_ms is None else {"complete": each.has_passed(until_ms)}),
                        "next_offset": each.next_offset,
                        "lag_offsets": each.lag_offsets,
                        "held_back_offsets": each.held_back_offsets,
                    }
                    for each in topic.partitions
                ],
            }
            for topic in found.topics
        ],
        "marked": list(marked),
    }
