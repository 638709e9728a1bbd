"""Topics as the cluster has them now: where they begin and end, their size, rate and config.

Reads only. Requests go to each broker or to one for all, never one for each topic: metadata, ListOffsets, the
sizes of logs, the configs.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from loader.config.job import JobConfig
from loader.errors import AccessDenied, ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.log_sizes import LogSizes, ask_log_sizes
from loader.kafka_source.metadata import ClusterListing, TopicListing, read_listing
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.topic_configs import TopicConfigs, read_topic_configs
from loader.kafka_source.watermarks import read_bounds, read_newest_times, read_offsets_for_time
from loader.operations.live.name_patterns import did_you_mean, no_match, whole_match
from loader.operations.live.topic_views import RATE_SECONDS, PartitionView, TopicsView, TopicView
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.values import TopicPartition

PATIENCE_MS = 10_000
"""For one request, where the job allows more: a person waits."""

LEADER_PATIENCE_S = 3.0
"""For a partition without a leader to get one."""

RETENTION = ("cleanup.policy", "retention.ms", "retention.bytes")

MOST_SHOWN = 5
"""Partitions or topics that one message names."""


def look_at_topics(
    settings: KafkaSettings,
    pattern: str | None,
    job: JobConfig | None,
    now_ms: int,
    *,
    internal: bool = False,
) -> TopicsView:
    """Look at the topics whose whole name matches a regular expression, or at all.

    job       whose topics are marked
    internal  whether Kafka's internal topics are shown as well

    Raises ConfigError for a pattern that is none or matches nothing, AccessDenied, BrokerUnavailable.
    """
    matches = whole_match(pattern)
    with KafkaClient(patient(settings)) as client:
        client.connect(client.settings.request_timeout_ms)
        listing = read_listing(client, (), [".*"], internal=internal)
        matched = {name: topic for name, topic in listing.topics.items() if matches(name)}
        if pattern is not None and not matched:
            raise no_match(pattern, "topic", listing.topics)
        absent = [
            entry.name
            for entry in (job.topics if job else ())
            if entry.name is not None and entry.name not in listing.topics and matches(entry.name)
        ]
        view = _look(client, replace(listing, topics=matched), now_ms, job, RETENTION)
    return replace(view, absent_from_kafka=tuple(absent))


def look_at_topic(settings: KafkaSettings, name: str, job: JobConfig | None, now_ms: int) -> TopicsView:
    """Look at one topic, with all of its config and the time of its newest records.

    Raises ConfigError for a topic that is not there, AccessDenied, BrokerUnavailable.
    """
    with KafkaClient(patient(settings)) as client:
        client.connect(client.settings.request_timeout_ms)
        listing = read_listing(client, [name], ())
        if name in listing.denied:
            raise AccessDenied(
                f"{name}: this user may not describe the topic. Give it DESCRIBE on the topic."
            )
        if name not in listing.topics:
            others = read_listing(client, (), [".*"], internal=True).topics
            raise ConfigError([f"{name}: the cluster has no such topic{did_you_mean(name, others)}"])
        view = _look(client, listing, now_ms, job, None)
        (topic,) = view.topics
        asked = [TopicPartition(name, each.number) for each in topic.partitions if each.bounds is not None]
        newest = read_newest_times(client, listing, asked, leader_deadline_s()).answered
    partitions = tuple(
        replace(each, newest_timestamp_ms=newest.get(TopicPartition(name, each.number)))
        for each in topic.partitions
    )
    return replace(view, topics=(replace(topic, partitions=partitions),))


def patient(settings: KafkaSettings) -> KafkaSettings:
    """The settings of a client that gives up sooner than a run does."""
    return replace(settings, request_timeout_ms=min(settings.request_timeout_ms, PATIENCE_MS))


def leader_deadline_s() -> float:
    """Until when partitions without a leader are asked again, on time.monotonic's clock."""
    return time.monotonic() + LEADER_PATIENCE_S


def few(names: Iterable[str]) -> str:
    """Some of the names, and how many more there are: a message need not name thousands."""
    some = sorted(names)
    shown = ", ".join(some[:MOST_SHOWN])
    return shown if len(some) <= MOST_SHOWN else f"{shown} and {len(some) - MOST_SHOWN} more"


def _look(
    client: KafkaClient,
    listing: ClusterListing,
    now_ms: int,
    job: JobConfig | None,
    config_keys: Sequence[str] | None,
) -> TopicsView:
    bounds = read_bounds(client, listing, leader_deadline_s())
    known = [topic.of(number) for topic in bounds.values() for number in topic.partitions]
    since = dict.fromkeys(known, now_ms - RATE_SECONDS * 1000)
    recent = read_offsets_for_time(client, listing, since, leader_deadline_s()).answered
    sizes = ask_log_sizes(client, listing)
    configs = read_topic_configs(client, listing.topics, config_keys)
    return TopicsView(
        cluster_id=listing.cluster_id,
        brokers=client.brokers,
        topics=tuple(
            TopicView(
                name=name,
                topic_id=topic.topic_id,
                is_internal=topic.is_internal,
                partitions=tuple(_partitions(topic, bounds[name], recent, sizes)),
                config=configs.by_topic.get(name, {}),
                in_job=None if job is None else _is_loaded(job, topic),
            )
            for name, topic in sorted(listing.topics.items())
        ),
        notes=tuple(_notes(client, sizes, configs)),
        unanswered=tuple(_unanswered(bounds, sizes, configs)),
    )


def _partitions(
    topic: TopicListing, bounds: TopicBounds, recent: Mapping[TopicPartition, int], sizes: LogSizes
) -> Iterable[PartitionView]:
    for number, leader in sorted(topic.leaders.items()):
        partition = TopicPartition(topic.name, number)
        known = bounds.partitions.get(number)
        yield PartitionView(
            number=number,
            leader=leader,
            replicas=topic.replicas[number],
            bounds=known,
            problem=bounds.unlisted.get(number, ""),
            size_bytes=sizes.by_partition.get(partition),
            recent_count=_recent_count(known, recent.get(partition)),
        )


def _recent_count(known: PartitionBounds | None, first_offset: int | None) -> int | None:
    """How many offsets there are from the first recent one; -1 says that there is none."""
    if known is None or first_offset is None:
        return None
    return 0 if first_offset < 0 else max(known.high_watermark - first_offset, 0)


def _is_loaded(job: JobConfig, topic: TopicListing) -> bool:
    entry = job.topic_config(topic.name)
    # A pattern never matches Kafka's own topics.
    return entry is not None and (entry.name is not None or not topic.is_internal)


def _notes(client: KafkaClient, sizes: LogSizes, configs: TopicConfigs) -> Iterable[str]:
    if sizes.denied:
        brokers = ", ".join(client.address_of(each) for each in sorted(sizes.denied))
        yield f"sizes are unknown: this user may not ask {brokers}; that needs DESCRIBE on the cluster"
    if configs.denied:
        yield (
            f"the config of {few(configs.denied)} is unknown: this user may not see it; that needs"
            " DESCRIBE_CONFIGS on the topic"
        )


def _unanswered(bounds: Mapping[str, TopicBounds], sizes: LogSizes, configs: TopicConfigs) -> Iterable[str]:
    by_reason: dict[str, list[str]] = {}
    for topic in bounds.values():
        for number, reason in sorted(topic.unlisted.items()):
            by_reason.setdefault(reason, []).append(str(topic.of(number)))
    for reason, partitions in by_reason.items():
        yield f"{few(partitions)}: no answer: {reason}"
    yield from (f"sizes: no answer: {reason}" for reason in sizes.unanswered.values())
    by_reason = {}
    for name, reason in configs.unanswered.items():
        by_reason.setdefault(reason, []).append(name)
    for reason, topics in by_reason.items():
        yield f"config of {few(topics)}: no answer: {reason}"
