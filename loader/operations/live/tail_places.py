"""Where the partitions of live topics begin and end, as the brokers say it now."""

import time
from collections.abc import Mapping

from loader.config.starts import AtOffsets, AtTimestamp, Latest, Start
from loader.errors import AccessDenied, BrokerUnavailable, ConfigError
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.watermarks import read_bounds, read_offsets_for_time
from loader.values import TopicPartition

RELIST_S = 2.0
"""How soon a partition that was added is seen."""

REFRESH_S = 2.0
"""How long partitions may take to answer, when they did before."""

Unanswered = Mapping[TopicPartition, str]
"""Partitions that exist but could not be asked, and why."""


class Places:
    """The partitions of some topics, between two offsets each.

    partition   only this one of each topic; None for all
    topic_ids   by topic
    starts      the first offset that Kafka still holds
    ends        the end of what may be read, exclusive
    unanswered  partitions that are in neither
    """

    def __init__(self, client: KafkaClient, topics: tuple[str, ...], partition: int | None) -> None:
        self.settings = client.settings
        self.client = client
        self.topic_ids: dict[str, str] = {}
        self.starts: dict[TopicPartition, int] = {}
        self.ends: dict[TopicPartition, int] = {}
        self.unanswered: dict[TopicPartition, str] = {}
        self._topics = topics
        self._partition = partition
        self._listing: ClusterListing | None = None
        self._listed_s = 0.0

    def refresh(self) -> None:
        """Ask anew. Raises BrokerUnavailable where no partition answers.

        Raises ConfigError where a topic or the partition is not there, or is another than before, and
        AccessDenied.
        """
        is_first = self._listing is None
        now_s = time.monotonic()
        if self._listing is None or now_s - self._listed_s > RELIST_S:
            self._listing = self._list()
            self._listed_s = now_s
        patience_s = self.settings.request_timeout_ms / 1000 if is_first else REFRESH_S
        bounds = read_bounds(self.client, self._listing, time.monotonic() + patience_s)
        self.starts, self.ends, self.unanswered = {}, {}, {}
        for topic in bounds.values():
            for number, each in topic.partitions.items():
                if self._is_chosen(number):
                    self.starts[topic.of(number)] = each.log_start_offset
                    self.ends[topic.of(number)] = each.end_offset(self.settings.isolation)
            self.unanswered.update(
                {
                    topic.of(number): reason
                    for number, reason in topic.unlisted.items()
                    if self._is_chosen(number)
                }
            )
        if self.unanswered and not self.ends:
            partition, reason = min(self.unanswered.items())
            raise BrokerUnavailable(f"{partition}: did not answer ({reason}). Nothing was read. Run again.")

    def offsets_at(self, timestamp_ms: int) -> dict[TopicPartition, int]:
        """The first offsets of that time or later; the end where there is none. Raises BrokerUnavailable."""
        if self._listing is None:
            return {}
        deadline_s = time.monotonic() + self.settings.request_timeout_ms / 1000
        wanted = dict.fromkeys(self.ends, timestamp_ms)
        answers = read_offsets_for_time(self.client, self._listing, wanted, deadline_s)
        for partition, reason in answers.unanswered.items():
            raise BrokerUnavailable(f"{partition}: no answer to which offset belongs to the time ({reason})")
        # A record behind an open transaction has an offset above the end.
        return {
            each: self.ends[each] if offset < 0 else min(offset, self.ends[each])
            for each, offset in answers.answered.items()
        }

    def _list(self) -> ClusterListing:
        listing = read_listing(self.client, self._topics, ())
        for topic in sorted(listing.denied):
            raise AccessDenied(
                f"{topic}: this user may not describe the topic. Give it DESCRIBE and READ on it."
            )
        problems = []
        for name in self._topics:
            found = listing.topics.get(name)
            known_id = self.topic_ids.get(name)
            if found is None and known_id is None:
                problems.append(f"{name}: the cluster has no such topic")
            elif found is None:
                problems.append(f"{name}: was deleted while it was read")
            elif known_id not in (None, found.topic_id):
                problems.append(f"{name}: was deleted and created again while it was read; begin again")
            elif self._partition is not None and self._partition not in found.leaders:
                problems.append(
                    f"{name}: has no partition {self._partition}, but 0 to {max(found.leaders, default=0)}"
                )
        if problems:
            raise ConfigError(problems)
        self.topic_ids.update({name: topic.topic_id for name, topic in listing.topics.items()})
        return listing

    def _is_chosen(self, number: int) -> bool:
        return self._partition in (None, number)


def first_offsets(places: Places, begin: Start) -> dict[TopicPartition, int]:
    """Where to begin in each partition; where no record is as new as a time, at its end.

    Raises ConfigError for an offset that is not there, BrokerUnavailable.
    """
    match begin:
        case Latest():
            return dict(places.ends)
        case AtTimestamp(timestamp_ms):
            return places.offsets_at(timestamp_ms)
        case AtOffsets(offsets):
            wanted = {each: offsets[each.partition] for each in places.ends if each.partition in offsets}
            for each, offset in wanted.items():
                if not places.starts[each] <= offset <= places.ends[each]:
                    raise ConfigError(
                        [f"{each}: has no offset {offset}, but [{places.starts[each]}, {places.ends[each]})"]
                    )
            return wanted
        case _:
            return dict(places.starts)
