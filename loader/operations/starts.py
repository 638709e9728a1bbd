"""Where the first run of a job begins in each partition, by the topic's entry in the config."""

from collections.abc import Mapping

from loader.config.starts import AtOffsets, AtTimestamp, Earliest, Latest
from loader.errors import BrokerUnavailable, ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing
from loader.kafka_source.watermarks import read_offsets_for_time
from loader.operations.job import Job
from loader.planning.bounds import TopicBounds


def first_offsets_of(
    job: Job, client: KafkaClient, listing: ClusterListing, topic: TopicBounds, deadline_s: float
) -> dict[int, int]:
    """Offsets by partition; a partition that is missing begins at the start of its log.

    Raises ConfigError when the start that the config asks for does not exist, BrokerUnavailable when the
    brokers do not say where it is.
    """
    entry = job.config.topic_config(topic.name)
    match entry.start if entry else Earliest():
        case Latest():
            return {number: each.end_offset(job.kafka.isolation) for number, each in topic.partitions.items()}
        case AtOffsets(offsets):
            return _explicit_offsets(topic, offsets)
        case AtTimestamp(timestamp_ms, or_latest):
            found = _offsets_at(client, listing, topic, timestamp_ms, or_latest, deadline_s)
            ends = {number: each.end_offset(job.kafka.isolation) for number, each in topic.partitions.items()}
            return {number: ends[number] if offset is None else offset for number, offset in found.items()}
        case _:
            return {}


def _explicit_offsets(topic: TopicBounds, offsets: Mapping[int, int]) -> dict[int, int]:
    problems = [
        f"topics: {topic.name}: start.offsets names partition {number}, but there are"
        f" {len(topic.partitions) + len(topic.unlisted)}"
        for number in offsets
        if number not in topic.partitions and number not in topic.unlisted
    ]
    problems += [
        f"topics: {topic.of(number)}: start.offsets gives {offsets[number]}, but the log ends at"
        f" {each.high_watermark}"
        for number, each in topic.partitions.items()
        if offsets.get(number, 0) > each.high_watermark
    ]
    if problems:
        raise ConfigError(problems)
    return dict(offsets)


def _offsets_at(
    client: KafkaClient,
    listing: ClusterListing,
    topic: TopicBounds,
    timestamp_ms: int,
    or_latest: bool,
    deadline_s: float,
) -> dict[int, int | None]:
    """By partition the first offset of that time or later, None where there is none and that is allowed."""
    wanted = {topic.of(number): timestamp_ms for number in topic.partitions}
    answers = read_offsets_for_time(client, listing, wanted, deadline_s)
    if answers.unanswered:
        partition, reason = next(iter(answers.unanswered.items()))
        raise BrokerUnavailable(
            f"{partition}: no answer to which offset belongs to the start time ({reason})"
        )
    without = [partition for partition, offset in answers.answered.items() if offset < 0]
    if without and not or_latest:
        raise ConfigError(
            [
                f"topics: {', '.join(map(str, without))}: no record at or after start.timestamp; to begin"
                " at the end there, set or_latest = true beside it"
            ]
        )
    return {
        partition.partition: offset if offset >= 0 else None for partition, offset in answers.answered.items()
    }
