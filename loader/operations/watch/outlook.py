"""A plan looked at more closely, for `plan` and `status`: how old is what waits, when may Kafka delete it.

It asks the brokers more than a run has to: the time of the first record that is not loaded, the newest time,
and retention. All of it in few requests for many partitions, over the plan's own connections. What a broker
does not tell stays unknown; nothing fails by it.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from heapq import nlargest

from loader.commits.record import Commit
from loader.config.formats import RawFormat
from loader.config.times import LoadTime
from loader.errors import AccessDenied, LoaderError, UnsupportedBroker
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.first_times import read_first_times
from loader.kafka_source.metadata import ClusterListing
from loader.kafka_source.topic_configs import TopicConfigs, read_topic_configs
from loader.kafka_source.watermarks import read_newest_times
from loader.operations.job import Job
from loader.operations.plan import LoadPlan, plan_by
from loader.planning.completeness import complete_up_to
from loader.planning.file_counts import TimeSpan, count_files
from loader.planning.limits import LimitedRanges
from loader.planning.ranges import PlannedPartition
from loader.planning.retention import Retention, deleted_in_ms, parse_retention
from loader.planning.splits import SizedRange
from loader.values import OffsetRange, TopicPartition

RETENTION_KEYS = ("cleanup.policy", "retention.ms", "retention.bytes")

FOLDER_HOURS: Mapping[str, int | None] = {"hour": 1, "day": 24, "none": None}

MOST_ASKED_OF_A_TOPIC = 8
"""Partitions, for the newest time of each: more would make the plan of a large cluster slower."""

PATIENCE_S = 5.0
"""For brokers that do not answer what is only told to a person."""


@dataclass(frozen=True, slots=True)
class PartitionOutlook:
    """What waits in one partition.

    wanted             from the position to the end that may be read: empty where nothing waits
    planned            the part of it that the next run loads, within its limits
    lag_bytes          of log, as estimated, of all that is wanted
    held_back_offsets  behind `wanted`, by an open transaction
    first_unread_ms    timestamp of the first record that is not loaded; None where all is, or not known
    lag_ms             how old that record is; 0 where all is loaded
    deleted_in_ms      how long until Kafka may delete that record, at the earliest; None: never, or unknown
    complete_up_to_ms  see planning/completeness.py
    """

    wanted: OffsetRange
    planned: OffsetRange
    planned_bytes: int
    lag_bytes: int
    held_back_offsets: int
    first_unread_ms: int | None
    lag_ms: int | None
    deleted_in_ms: int | None
    complete_up_to_ms: int | None
    is_new: bool

    @property
    def lag_offsets(self) -> int:
        """How many offsets wait; records may be fewer."""
        return self.wanted.offset_count


@dataclass(frozen=True, slots=True)
class Outlook:
    """A plan, and what waits, by partition in order.

    expected_files  by topic, about how many files the plan becomes
    notes           what could not be asked, in words
    """

    plan: LoadPlan
    asked_at_ms: int
    partitions: tuple[PartitionOutlook, ...]
    expected_files: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


def look_ahead(
    job: Job,
    newest: Commit | None,
    slots: int,
    now_ms: Callable[[], int],
    *,
    with_formats: bool = False,
) -> Outlook:
    """Plan, and look at what waits.

    with_formats  whether the formats of topics are prepared as a run does: topics that it would leave out by
                  their schemas or columns are in the plan's failures then

    Raises what `plan_load` raises.
    """
    asked_at_ms = now_ms()
    with KafkaClient(job.kafka) as client:
        plan, listing = plan_by(client, job, newest, slots)
        unread = {
            each.range.topic_partition: each.range.start_offset
            for each in plan.partitions
            if each.range.start_offset < each.bounds.high_watermark
        }
        first_times = read_first_times(client, listing, unread)
        last_times = _last_times(client, listing, plan)
        configs = read_topic_configs(client, {partition.topic for partition in unread}, RETENTION_KEYS)
    if with_formats:
        plan = _without_unloadable(job, plan, asked_at_ms)
    retentions = _retentions(configs)
    return Outlook(
        plan=plan,
        asked_at_ms=asked_at_ms,
        partitions=tuple(_partitions(plan, first_times, retentions, asked_at_ms)),
        expected_files=_expected_files(job, plan, first_times, last_times),
        notes=tuple(_notes(configs, unread, first_times)),
    )


def _last_times(client: KafkaClient, listing: ClusterListing, plan: LoadPlan) -> dict[TopicPartition, int]:
    """The newest timestamp of each partition with something to load, where the broker tells.

    Partitions of a topic are filled side by side, so only the longest ones are asked for.
    """
    by_topic: defaultdict[str, list[SizedRange]] = defaultdict(list)
    for sized in plan.limited.ranges:
        by_topic[sized.range.topic].append(sized)
    asked = [
        sized.range.topic_partition
        for each in by_topic.values()
        for sized in nlargest(MOST_ASKED_OF_A_TOPIC, each, key=lambda sized: sized.offset_count)
    ]
    try:
        found = read_newest_times(client, listing, asked, time.monotonic() + PATIENCE_S).answered
    except (AccessDenied, UnsupportedBroker):  # of the whole question, so of none
        return {}
    newest: dict[str, int] = {}
    for partition, time_ms in found.items():
        newest[partition.topic] = max(time_ms, newest.get(partition.topic, -1))
    return {
        partition: found.get(partition, newest[partition.topic])
        for each in by_topic.values()
        for partition in (sized.range.topic_partition for sized in each)
        if newest.get(partition.topic, -1) >= 0
    }


def _retentions(configs: TopicConfigs) -> dict[str, Retention]:
    found = {}
    for topic, values in configs.by_topic.items():
        texts = [values[key].value if key in values else None for key in RETENTION_KEYS]
        policy, time_ms, size_bytes = (text or "" for text in texts)
        if policy and time_ms and size_bytes:
            found[topic] = parse_retention(policy, time_ms, size_bytes)
    return found


def _partitions(
    plan: LoadPlan,
    first_times: Mapping[TopicPartition, int],
    retentions: Mapping[str, Retention],
    now_ms: int,
) -> Iterable[PartitionOutlook]:
    planned = {sized.range.topic_partition: sized for sized in plan.limited.ranges}
    remaining = {sized.range.topic_partition: sized for sized in plan.limited.remaining}
    for each in plan.partitions:
        partition = each.range.topic_partition
        sized, rest = planned.get(partition), remaining.get(partition)
        planned_bytes = sized.estimated_bytes if sized else 0
        lag_bytes = planned_bytes + (rest.estimated_bytes if rest else 0)
        first_ms = first_times.get(partition)
        yield PartitionOutlook(
            wanted=each.range,
            planned=sized.range if sized else each.beginning,
            planned_bytes=planned_bytes,
            lag_bytes=lag_bytes,
            held_back_offsets=max(each.bounds.high_watermark - each.range.end_offset, 0),
            first_unread_ms=first_ms,
            lag_ms=_lag_ms(each, first_ms, now_ms),
            deleted_in_ms=deleted_in_ms(
                retentions.get(partition.topic, Retention()), first_ms, now_ms, lag_bytes
            ),
            complete_up_to_ms=complete_up_to(
                each.range.start_offset, each.bounds.high_watermark, first_ms, now_ms
            ),
            is_new=each.is_new,
        )


def _lag_ms(each: PlannedPartition, first_unread_ms: int | None, now_ms: int) -> int | None:
    if each.range.start_offset >= each.bounds.high_watermark:
        return 0
    return None if first_unread_ms is None else max(now_ms - first_unread_ms, 0)


def _expected_files(
    job: Job,
    plan: LoadPlan,
    first_times: Mapping[TopicPartition, int],
    last_times: Mapping[TopicPartition, int],
) -> dict[str, int]:
    spans = {
        partition: TimeSpan(each.range, first_times[partition], last_times[partition])
        for each in plan.partitions
        if (partition := each.range.topic_partition) in first_times and partition in last_times
    }
    write = job.config.write
    hours = {}
    for topic in plan.loaded_topics:
        config = job.config.topic_config(topic)
        by_load_time = config is not None and isinstance(config.time, LoadTime)
        hours[topic] = None if by_load_time else FOLDER_HOURS[write.partition_by]
    return count_files(plan.splits, spans, hours, write.target_file_bytes)


def _without_unloadable(job: Job, plan: LoadPlan, now_ms: int) -> LoadPlan:
    """The plan without the topics that a run would find it cannot make rows of."""
    asked = sorted(topic for topic in plan.loaded_topics if topic in plan.columns or _has_format(job, topic))
    if not asked:
        return plan
    # What formats need takes half a second to import: most jobs that load bytes as they are need none of it.
    from loader.operations.row_formats import row_formats

    formats = row_formats(job, asked, plan.columns, now_ms)
    lost = {topic: _first(errors) for topic, errors in formats.failures.items()}
    limited = LimitedRanges(
        tuple(each for each in plan.limited.ranges if each.range.topic not in lost),
        tuple(each for each in plan.limited.remaining if each.range.topic not in lost),
    )
    return replace(
        plan,
        partitions=tuple(each for each in plan.partitions if each.range.topic not in lost),
        splits=tuple(formats.kept(plan.splits)),
        limited=limited,
        failures={**plan.failures, **lost},
    )


def _has_format(job: Job, topic: str) -> bool:
    config = job.config.topic_config(topic)
    sides = (config.value, config.key) if config is not None else ()
    return any(not isinstance(side, RawFormat) for side in sides)


def _first(errors: tuple[Exception, ...]) -> LoaderError:
    """The one error of a topic whose format is not to be had; a bug is not for here."""
    (error,) = errors
    if not isinstance(error, LoaderError):
        raise error
    return error


def _notes(
    configs: TopicConfigs,
    unread: Mapping[TopicPartition, int],
    first_times: Mapping[TopicPartition, int],
) -> Iterable[str]:
    if configs.denied:
        yield (
            f"retention is not known of {_named(configs.denied)}: this user may not see it, which needs"
            " DESCRIBE_CONFIGS on the topic"
        )
    if configs.unanswered:
        yield f"retention is not known of {_named(configs.unanswered)}: no broker answered"
    unknown = unread.keys() - first_times.keys()
    if unknown:
        yield f"when the next record was produced is not known of {_named(map(str, sorted(unknown)))}"


def _named(names: Iterable[str]) -> str:
    known = sorted(names)
    return ", ".join(known[:3]) + (f" and {len(known) - 3} more" if len(known) > 3 else "")
