"""What a run decides, as lines of the log: what is planned and why, what is left out, what was committed."""

from collections import defaultdict
from typing import Any

from loader.cli import text
from loader.cli.failures import tell_failure
from loader.cli.logs import EventLog
from loader.commits.record import Commit
from loader.operations.decisions import Committed, Decision, LeftOut, Published, Recovered, Swept
from loader.operations.plan import LoadPlan
from loader.planning.ranges import PlannedPartition

MOST_TOPICS_TOLD = 20
"""A line for each topic that is planned, as text for people; JSON has one for all of them."""


def tell_plan(log: EventLog, plan: LoadPlan) -> None:
    """What is loaded, what is not, and why."""
    for topic, error in sorted(plan.failures.items()):
        tell(log, LeftOut(topic, (error,)))
    for partition, reason in sorted(plan.unlisted.items()):
        log.warning(
            "not_asked",
            f"not asked: {partition} keeps its position ({reason})",
            topic=partition.topic,
            partition=partition.partition,
            reason=reason,
        )
    for partition, count in sorted(plan.held_back.items()):
        log.warning(
            "held_back",
            f"an open transaction holds back {text.plural(count, 'offset')} of {partition}",
            topic=partition.topic,
            partition=partition.partition,
            offset_count=count,
        )
    _tell_topics(log, plan)
    _tell_whole(log, plan)
    if plan.limited.remaining:
        log.info(
            "limited",
            f"limits leave {text.plural(plan.limited.remaining_offsets, 'offset')}, about"
            f" {text.size(plan.limited.remaining_bytes)}, to the next runs",
            remaining_offsets=plan.limited.remaining_offsets,
            remaining_bytes=plan.limited.remaining_bytes,
        )


def tell(log: EventLog, decision: Decision) -> None:
    """One decision of a run."""
    match decision:
        case Recovered(version):
            log.info("recovered", f"finished publishing commit {version} of an earlier run", version=version)
        case LeftOut(topic, errors):
            _tell_left_out(log, topic, errors)
        case Committed(commit):
            tell_commit(log, commit)
        case Published(commit):
            files = text.plural(len(commit.files), "file")
            log.info(
                "published",
                f"published {files} of commit {commit.version}",
                version=commit.version,
                file_count=len(commit.files),
            )
        case Swept(run_ids):
            log.info("swept", f"removed what dead runs left: {', '.join(run_ids)}", run_ids=list(run_ids))


def tell_commit(log: EventLog, commit: Commit) -> None:
    """That it stands, with what a person has to know of it."""
    counts = commit.counts
    written = sum(file.row_count for file in commit.files if not file.is_quarantine)
    # Rows that stay are written again, too, where others of their file are replaced: these are not loaded.
    row_count = counts.row_count if commit.operation in ("load", "backfill") else written
    what = f"{text.plural(row_count, 'row')} in {text.plural(len(commit.files), 'file')}"
    if commit.removed_files:
        what += f", {text.plural(len(commit.removed_files), 'older file')} replaced"
    if commit.operation == "set_position":
        what = "the position was moved"
    log.info(
        "committed",
        f"commit {commit.version} stands: {what}",
        version=commit.version,
        operation=commit.operation,
        row_count=row_count,
        quarantined_count=counts.quarantined_count,
        file_count=len(commit.files),
        removed_file_count=len(commit.removed_files),
        size_bytes=sum(file.size_bytes for file in commit.files),
    )
    for lost in (lost for loaded in commit.ranges for lost in loaded.lost_ranges):
        log.warning(
            "loss_accepted",
            f"lost for ever, as --accept-loss allows: {lost}",
            topic=lost.topic,
            partition=lost.partition,
            start_offset=lost.start_offset,
            end_offset=lost.end_offset,
        )
    if counts.quarantined_count:
        log.warning(
            "quarantined",
            f"{text.plural(counts.quarantined_count, 'record')} could not be decoded; see"
            f" kafka-loader quarantine list {log.config}",
            record_count=counts.quarantined_count,
        )
    header_keys = sum(loaded.repaired_header_key_count for loaded in commit.ranges)
    if header_keys:
        log.warning(
            "header_keys_repaired",
            f"{text.plural(header_keys, 'header key')} not UTF-8: written with U+FFFD, as Java shows them",
            header_key_count=header_keys,
        )
    timestamps = sum(loaded.unreadable_timestamp_count for loaded in commit.ranges)
    if timestamps:
        log.warning(
            "timestamps_left_out",
            f"{text.plural(timestamps, 'timestamp')} beyond what Parquet can hold: written as null",
            timestamp_count=timestamps,
        )


def _tell_left_out(log: EventLog, topic: str, errors: tuple[Exception, ...]) -> None:
    kind = type(errors[0]).__name__
    if not log.is_json:
        # What to do is many lines: a person reads them at the end, below the result.
        log.warning("left_out", f"left out {topic}: {kind}; what to do follows at the end")
        return
    for error in errors:
        tell_failure(log, "left_out", error, f"left out {topic}: ", topic=topic)


def _tell_topics(log: EventLog, plan: LoadPlan) -> None:
    partitions: defaultdict[str, list[PlannedPartition]] = defaultdict(list)
    for each in plan.partitions:
        partitions[each.range.topic].append(each)
    sized: defaultdict[str, list[Any]] = defaultdict(list)
    for part in plan.limited.ranges:
        sized[part.range.topic].append(part)
    if not log.is_json and len(sized) > MOST_TOPICS_TOLD:
        return
    for topic, parts in sorted(sized.items()):
        offset_count = sum(part.offset_count for part in parts)
        estimated_bytes = sum(part.estimated_bytes for part in parts)
        new_count = sum(each.is_new for each in partitions[topic])
        new = f", {text.count(new_count)} new to this job" if new_count else ""
        log.info(
            "topic_planned",
            f"planned {topic}: {text.plural(offset_count, 'offset')}, about {text.size(estimated_bytes)}, of"
            f" {text.plural(len(parts), 'partition')}{new}",
            topic=topic,
            offset_count=offset_count,
            estimated_bytes=estimated_bytes,
            partition_count=len(parts),
            new_partition_count=new_count,
        )


def _tell_whole(log: EventLog, plan: LoadPlan) -> None:
    since = f" since commit {plan.base_version}" if plan.base_version else ""
    if not plan.splits:
        log.info("nothing_new", f"nothing new{since}", base_version=plan.base_version)
        return
    topic_count = len({part.range.topic for part in plan.limited.ranges})
    log.info(
        "planned",
        f"planned {text.plural(plan.offset_count, 'offset')} of {text.plural(topic_count, 'topic')}, about"
        f" {text.size(plan.estimated_bytes)},"
        f" as {text.plural(len(plan.splits), 'split')}, of what is new{since}",
        base_version=plan.base_version,
        topic_count=topic_count,
        offset_count=plan.offset_count,
        estimated_bytes=plan.estimated_bytes,
        split_count=len(plan.splits),
    )
