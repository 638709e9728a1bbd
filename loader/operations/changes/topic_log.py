"""One topic's log as Kafka has it, for those who choose offsets in it themselves."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from loader.commits.identity import read_identity
from loader.commits.record import Commit
from loader.config.starts import AtTimestamp, Earliest, Latest
from loader.errors import AccessDenied, BrokerUnavailable, ConfigError, TopicRecreated, TopicVanished
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.watermarks import read_bounds, read_offsets_for_time
from loader.operations.job import Job
from loader.planning.bounds import PartitionBounds, TopicBounds
from loader.values import TopicPosition

Place = Earliest | Latest | AtTimestamp | int
"""Where in each partition: its first or last offset, the first record of a time or later, or an offset."""


@dataclass(frozen=True, slots=True)
class TopicLog:
    """What the brokers say of a topic that the job has loaded.

    known  where the job stands in it
    """

    listing: ClusterListing
    bounds: TopicBounds
    known: TopicPosition

    def bounds_of(self, number: int) -> PartitionBounds:
        """Of one partition. Raises ConfigError where there is none, BrokerUnavailable without an answer."""
        found = self.bounds.partitions.get(number)
        if found is not None:
            return found
        partition = self.bounds.of(number)
        if number in self.bounds.unlisted:
            raise BrokerUnavailable(
                f"{partition}: no answer ({self.bounds.unlisted[number]}). Nothing was changed."
            )
        raise ConfigError([f"{partition}: the topic has {len(self.bounds.partitions)} partitions, from 0"])


def read_topic_log(client: KafkaClient, job: Job, newest: Commit, topic: str) -> TopicLog:
    """Ask for a topic that the job has loaded.

    Raises ConfigError for another one, and what the brokers' answers mean: ClusterChanged, TopicRecreated,
    TopicVanished, AccessDenied, BrokerUnavailable.
    """
    known = newest.position.topics.get(topic)
    if known is None:
        loaded = ", ".join(sorted(newest.position.topics)) or "none"
        raise ConfigError([f"{topic}: job {job.name} has not loaded this topic; it has loaded {loaded}"])
    client.connect(job.kafka.request_timeout_ms)
    listing = read_listing(client, [topic], ())
    identity = read_identity(job.storage, job.name)
    if identity is not None:
        identity.check_cluster(listing.cluster_id)
    if topic in listing.denied:
        raise AccessDenied(f"{topic}: this user may not describe the topic. Give it DESCRIBE and READ on it.")
    if topic not in listing.topics:
        raise TopicVanished(topic, was_loaded=True)
    bounds = read_bounds(client, listing, _deadline_s(job))[topic]
    if bounds.topic_id != known.topic_id:
        raise TopicRecreated(topic, known.topic_id, bounds.topic_id)
    return TopicLog(listing, bounds, known)


def offsets_at(
    client: KafkaClient, job: Job, log: TopicLog, numbers: Iterable[int], place: Place
) -> Mapping[int, int]:
    """The offset of a place in some partitions; the end where no record is of that time or later.

    Raises ConfigError for an offset that is not between the log's start and its end, BrokerUnavailable.
    """
    bounds = {number: log.bounds_of(number) for number in numbers}
    ends = {number: each.end_offset(job.kafka.isolation) for number, each in bounds.items()}
    match place:
        case Earliest():
            return {number: each.log_start_offset for number, each in bounds.items()}
        case Latest():
            return ends
        case AtTimestamp(timestamp_ms):
            wanted = {log.bounds.of(number): timestamp_ms for number in bounds}
            answers = read_offsets_for_time(client, log.listing, wanted, _deadline_s(job))
            for partition, reason in answers.unanswered.items():
                raise BrokerUnavailable(
                    f"{partition}: no answer to which offset belongs to the time ({reason}). Nothing was"
                    " changed."
                )
            found = {partition.partition: offset for partition, offset in answers.answered.items()}
            return {number: found[number] if found[number] >= 0 else ends[number] for number in bounds}
        case offset:
            for number, each in bounds.items():
                if not each.log_start_offset <= offset <= ends[number]:
                    raise ConfigError(
                        [
                            f"{log.bounds.of(number)}: offset {offset} is not in Kafka's log, which goes from"
                            f" {each.log_start_offset} to {ends[number]}. Nothing was changed"
                        ]
                    )
            return dict.fromkeys(bounds, offset)


def _deadline_s(job: Job) -> float:
    return time.monotonic() + job.kafka.request_timeout_ms / 1000
