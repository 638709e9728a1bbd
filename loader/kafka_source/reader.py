"""Raw fetches of one range: the record batches as the broker sends them.

What moves the position is the last offset of each whole batch, plus one. It survives compaction
(KAFKA-5443) and transactions, so a range always ends, whatever lies at its end.

What does not end it: an empty fetch, a broker that is away, a leader that moved. These are tried
again with growing pauses until the range has made no progress for the stall timeout, counted from
the last progress.
"""

import random
import time
from collections.abc import Iterator
from typing import Any

from kafka import errors as kafka_errors
from kafka.protocol.consumer.fetch import FetchRequest

from loader.errors import (
    AccessDenied,
    BrokerUnavailable,
    CorruptBatch,
    FetchStalled,
    LogTruncated,
    OffsetsExpired,
    TopicRecreated,
    TopicVanished,
)
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, parse_topic_id, read_listing
from loader.kafka_source.watermarks import read_bounds
from loader.records.layout import end_of_whole_batches
from loader.values import AbortedTransaction, FetchedRecords, OffsetRange, TopicPartition

FIRST_PAUSE_S = 0.05
LONGEST_PAUSE_S = 2.0
VANISHED_AFTER_S = 10.0
"""A topic just created, or one whose leader just moved, is unknown to a broker for a moment."""

STALE_LEADER = (
    kafka_errors.NotLeaderForPartitionError,
    kafka_errors.FencedLeaderEpochError,
    kafka_errors.UnknownLeaderEpochError,
    kafka_errors.ReplicaNotAvailableError,
    kafka_errors.LeaderNotAvailableError,
    kafka_errors.KafkaStorageError,
    kafka_errors.OffsetNotAvailableError,
)
UNKNOWN_TOPIC = (
    kafka_errors.UnknownTopicOrPartitionError,
    kafka_errors.UnknownTopicIdError,
    kafka_errors.InconsistentTopicIdError,
)


class RangeReader:
    """Fetches ranges, one after the other, over one client."""

    def __init__(self, client: KafkaClient) -> None:
        self._client = client
        self._settings = client.settings
        self._listing: ClusterListing | None = None

    def fetches(self, wanted: OffsetRange, topic_id: str) -> Iterator[FetchedRecords]:
        """The batches of a range in order, as long as offsets of it are left.

        Each fetch begins where the whole batches of the one before end. Raises what a task can fail
        with: OffsetsExpired, LogTruncated, TopicRecreated, TopicVanished, AccessDenied, CorruptBatch,
        FetchStalled.
        """
        position = wanted.start_offset
        pauses = _Pauses(wanted, self._settings.stall_timeout_s)
        while position < wanted.end_offset:
            fetched = self._fetch(wanted, position, topic_id, pauses)
            if fetched is None:
                continue
            if fetched.log_start_offset > position:
                raise OffsetsExpired(_rest(wanted, position), fetched.log_start_offset)
            next_position = end_of_whole_batches(fetched.records)
            if next_position is None or next_position <= position:
                pauses.wait("the broker sent no records, though the end of the range is committed there")
                continue
            yield fetched
            position = next_position
            pauses.progressed()

    def _fetch(
        self, wanted: OffsetRange, position: int, topic_id: str, pauses: "_Pauses"
    ) -> FetchedRecords | None:
        """One fetch; None after a failure that is worth another try."""
        partition = wanted.topic_partition
        node_id = self._leader_of(partition, topic_id, pauses)
        if node_id is None:
            return None
        try:
            response = self._client.ask(self._request(partition, position, topic_id), node_id)
        except BrokerUnavailable as error:
            self._listing = None
            pauses.wait(str(error))
            return None
        answer = response.responses[0].partitions[0] if response.responses else None
        error = kafka_errors.for_code(answer.error_code if answer else response.error_code)
        if answer is not None and error is kafka_errors.NoError:
            return FetchedRecords(
                topic=wanted.topic,
                partition=wanted.partition,
                fetch_offset=position,
                records=answer.records or b"",
                high_watermark=answer.high_watermark,
                last_stable_offset=answer.last_stable_offset,
                log_start_offset=answer.log_start_offset,
                node_id=node_id,
                aborted_transactions=tuple(
                    AbortedTransaction(aborted.first_offset, aborted.producer_id)
                    for aborted in answer.aborted_transactions or ()
                ),
            )
        self._judge(error, wanted, position, topic_id, node_id, pauses)
        return None

    def _judge(
        self,
        error: type[Exception],
        wanted: OffsetRange,
        position: int,
        topic_id: str,
        node_id: int,
        pauses: "_Pauses",
    ) -> None:
        """Raise what cannot pass by itself; wait where it can."""
        if error is kafka_errors.TopicAuthorizationFailedError:
            raise AccessDenied(
                f"{wanted.topic}: this user may not read the topic. Nothing of it was committed. Give it READ"
                " on the topic."
            )
        if error is kafka_errors.CorruptRecordError:
            raise CorruptBatch(
                wanted.topic_partition, position, node_id, "the broker itself found its log corrupt"
            )
        self._listing = None
        if error is kafka_errors.OffsetOutOfRangeError:
            self._judge_out_of_range(wanted, position)
        elif error in UNKNOWN_TOPIC:
            self._judge_unknown_topic(wanted.topic, topic_id, pauses)
        pauses.wait(f"{self._client.address_of(node_id)} answered {error.__name__}")

    def _judge_out_of_range(self, wanted: OffsetRange, position: int) -> None:
        # A replica that was behind may have answered: only what the leader says now tells loss.
        partition = wanted.topic_partition
        try:
            listing = read_listing(self._client, [wanted.topic], ())
            deadline_s = time.monotonic() + self._settings.request_timeout_ms / 1000
            bounds = read_bounds(self._client, listing, deadline_s)[wanted.topic].partitions[wanted.partition]
        except (BrokerUnavailable, KeyError):
            return
        if bounds.log_start_offset > position:
            raise OffsetsExpired(_rest(wanted, position), bounds.log_start_offset)
        if bounds.high_watermark < position:
            raise LogTruncated(partition, position, bounds.high_watermark)

    def _judge_unknown_topic(self, topic: str, topic_id: str, pauses: "_Pauses") -> None:
        try:
            listing = read_listing(self._client, [topic], ())
        except BrokerUnavailable:
            return
        found = listing.topics.get(topic)
        if found is not None and found.topic_id != topic_id:
            raise TopicRecreated(topic, topic_id, found.topic_id)
        if topic in listing.missing and pauses.waited_s > VANISHED_AFTER_S:
            raise TopicVanished(topic, was_loaded=True)

    def _leader_of(self, partition: TopicPartition, topic_id: str, pauses: "_Pauses") -> int | None:
        listing = self._listing
        if listing is None or partition.topic not in listing.topics:
            try:
                listing = self._listing = read_listing(self._client, [partition.topic], ())
            except BrokerUnavailable as error:
                pauses.wait(str(error))
                return None
        if partition.topic in listing.denied:
            raise AccessDenied(f"{partition.topic}: this user may not describe the topic")
        leader = listing.leader_of(partition)
        if leader is None or leader.node_id < 0:
            self._listing = None
            self._judge_unknown_topic(partition.topic, topic_id, pauses)
            pauses.wait(f"{partition} has no leader")
            return None
        return leader.node_id

    def _request(self, partition: TopicPartition, position: int, topic_id: str) -> Any:
        topic_type = FetchRequest.FetchTopic
        return FetchRequest(
            min_version=13,  # asks by topic id, so that a recreated topic cannot answer (KIP-516)
            replica_id=-1,
            max_wait_ms=self._settings.fetch_max_wait_ms,
            min_bytes=1,
            max_bytes=self._settings.fetch_max_bytes,
            isolation_level=self._settings.isolation_level,
            session_id=0,
            session_epoch=-1,
            topics=[
                topic_type(
                    topic=partition.topic,
                    topic_id=parse_topic_id(topic_id),
                    partitions=[
                        topic_type.FetchPartition(
                            partition=partition.partition,
                            current_leader_epoch=-1,
                            fetch_offset=position,
                            last_fetched_epoch=-1,
                            log_start_offset=-1,
                            partition_max_bytes=self._settings.fetch_max_bytes,
                        )
                    ],
                )
            ],
            forgotten_topics_data=[],
            rack_id=self._settings.client_rack,
        )


class _Pauses:
    """Growing pauses between tries, up to the stall timeout since the last progress."""

    def __init__(self, wanted: OffsetRange, stall_timeout_s: float) -> None:
        self._wanted = wanted
        self._stall_timeout_s = stall_timeout_s
        self.progressed()

    def progressed(self) -> None:
        self._since_s = time.monotonic()
        self._pause_s = FIRST_PAUSE_S

    @property
    def waited_s(self) -> float:
        return time.monotonic() - self._since_s

    def wait(self, reason: str) -> None:
        """Pause before another try. Raises FetchStalled when the time is up."""
        if self.waited_s >= self._stall_timeout_s:
            raise FetchStalled(self._wanted, self._stall_timeout_s, f"waiting because {reason}")
        time.sleep(self._pause_s * random.uniform(0.5, 1.0))  # noqa: S311  spreads retries, no secret
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)


def _rest(wanted: OffsetRange, position: int) -> OffsetRange:
    return OffsetRange(wanted.topic, wanted.partition, position, wanted.end_offset)
