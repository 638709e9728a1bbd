"""Raw fetches of one range: the record batches as the broker sends them.

What moves the position is the last offset of each whole batch, plus one. It survives compaction
(KAFKA-5443) and transactions, so a range always ends, whatever lies at its end.

What does not end it: an empty fetch, a broker that is away, a leader that moved. These are tried
again with growing pauses until the range has made no progress for the stall timeout, counted from
the last progress.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from kafka import errors as kafka_errors

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
from loader.kafka_source.fetch_request import READ_COMMITTED, fetch_request, fetched_records
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.patience import Patience
from loader.kafka_source.watermarks import read_bounds
from loader.records.extent import measure
from loader.values import FetchedRecords, LostOffsets, OffsetRange, TopicPartition

VANISHED_AFTER_S = 10.0
"""A topic just created, or one whose leader just moved, is unknown to a broker for a moment."""

MOST_COMPANIONS = 200
"""Ranges whose beginnings one fetch asks for besides its own."""

UNKNOWN_TOPIC = (
    kafka_errors.UnknownTopicOrPartitionError,
    kafka_errors.UnknownTopicIdError,
    kafka_errors.InconsistentTopicIdError,
)


class RangeReader:
    """Fetches ranges, one after the other, over one client.

    loss_allowed  whether a person agreed to go on without offsets that were deleted from Kafka
    """

    def __init__(self, client: KafkaClient, *, loss_allowed: bool = False) -> None:
        self._client = client
        self._loss_allowed = loss_allowed
        self._settings = client.settings
        self._patience = Patience(client.settings.stall_timeout_s)
        self._listing: ClusterListing | None = None
        self._followers: dict[TopicPartition, int] = {}
        # What came along with the fetches of other ranges.
        self._early: dict[OffsetRange, FetchedRecords] = {}
        # By broker, None for all of them: what was waited for until the stall timeout, in vain.
        self._given_up: dict[int | None, str] = {}

    def fetches(
        self, wanted: OffsetRange, topic_id: str, coming: Sequence[OffsetRange] = ()
    ) -> Iterator[FetchedRecords | LostOffsets]:
        """The batches of a range in order, as long as offsets of it are left.

        Each fetch begins where the whole batches of the one before end; where loss is allowed, LostOffsets
        stand for what was deleted.

        coming  ranges of the same topic that will be asked for next, in this order: a fetch that has room
                brings their beginnings along, so that small ranges do not cost a request each

        Raises what a task can fail with: OffsetsExpired, LogTruncated, TopicRecreated, TopicVanished,
        AccessDenied, CorruptBatch, FetchStalled.
        """
        rest = wanted
        # Of a topic that failed, nothing is asked for again.
        self._early = {other: early for other, early in self._early.items() if other.topic == wanted.topic}
        while rest.offset_count:
            try:
                fetched = self._early.pop(rest, None) or self._fetch(rest, topic_id, coming)
                if fetched is not None and fetched.log_start_offset > rest.start_offset:
                    raise OffsetsExpired(rest, fetched.log_start_offset)
            except OffsetsExpired as expired:
                if not self._loss_allowed:
                    raise
                yield LostOffsets(expired.lost)
                rest = OffsetRange(wanted.topic, wanted.partition, expired.lost.end_offset, wanted.end_offset)
                continue
            if fetched is None:
                continue
            extent = measure(fetched.records)
            if not extent.is_sound:  # decoding it says what is wrong, and ends the range
                yield fetched
                return
            position = extent.next_offset
            if position is None and (behind := self._batch_behind(rest, topic_id, fetched)) is not None:
                fetched, position = behind, rest.end_offset
            if position is None or position <= rest.start_offset:
                self._patience.wait(rest, "the broker sends no records, though the range's end is committed")
                continue
            yield fetched
            self._patience.progressed()
            if len(fetched.records) > self._settings.fetch_max_bytes // 2:
                coming = ()  # the range fills its fetches by itself, until its end
            rest = OffsetRange(
                wanted.topic, wanted.partition, min(position, wanted.end_offset), wanted.end_offset
            )

    def _batch_behind(
        self, rest: OffsetRange, topic_id: str, nothing: FetchedRecords
    ) -> FetchedRecords | None:
        """The first batch of the log from the start of `rest` on, if it lies behind the range; else None.

        Under read_committed a broker sends what lies before its last stable offset. Where all of that was
        compacted away, and the next batch is of an open transaction, it sends nothing, as long as the
        transaction is open. A throttled broker, a follower that is behind and a leader that has just
        begun send nothing as well: only a batch proves that there is nothing before it.
        """
        is_committed = self._settings.isolation_level == READ_COMMITTED
        if not is_committed or nothing.last_stable_offset < rest.end_offset:
            return None
        try:
            found = self._fetch(rest, topic_id, first_batch_only=True)
        except OffsetsExpired:
            return None  # the next fetch finds that as well
        if found is None or found.log_start_offset > rest.start_offset:
            return None
        extent = measure(found.records)
        if not extent.is_sound or extent.first_offset is None or extent.first_offset < rest.end_offset:
            return None
        return replace(found, last_stable_offset=nothing.last_stable_offset)

    def _fetch(
        self,
        rest: OffsetRange,
        topic_id: str,
        coming: Sequence[OffsetRange] = (),
        *,
        first_batch_only: bool = False,
    ) -> FetchedRecords | None:
        """One fetch at the start of `rest`; None after a failure that is worth another try.

        coming            ranges whose beginnings may come along
        first_batch_only  also when it belongs to an open or aborted transaction
        """
        partition = rest.topic_partition
        node_id = self._followers.get(partition)
        if node_id is None:
            node_id = self._leader_of(rest, topic_id)
        if node_id is None:
            return None
        self._raise_if_given_up(rest, node_id)
        try:
            companions = self._companions(rest, coming, node_id)
            request = fetch_request(
                [rest, *companions], topic_id, self._settings, first_batch_only=first_batch_only
            )
            response = self._client.ask(request, node_id)
        except BrokerUnavailable as error:
            self._forget(partition)
            self._wait_for(node_id, rest, error)
            return None
        answers = {each.partition_index: each for topic in response.responses for each in topic.partitions}
        answer = answers.get(rest.partition)
        outcome = kafka_errors.for_code(answer.error_code if answer else response.error_code)
        if answer is None or outcome is not kafka_errors.NoError:
            self._judge(outcome, rest, topic_id, node_id)
            return None
        if answer.preferred_read_replica not in (None, -1, node_id):  # KIP-392: ask the near one from now on
            self._followers[partition] = answer.preferred_read_replica
            return None
        for other in companions:
            brought = answers.get(other.partition)
            # A broker with little room left may send a part of a batch.
            if brought and not brought.error_code and measure(brought.records or b"").next_offset is not None:
                self._early[other] = fetched_records(other, brought, node_id)
        return fetched_records(rest, answer, node_id)

    def _companions(
        self, rest: OffsetRange, coming: Sequence[OffsetRange], node_id: int
    ) -> list[OffsetRange]:
        """Those that the same broker leads; none while any wait, so that never more than one answer does.

        An answer names only its partition, so of each partition no more than one range may be asked for.
        """
        listing = self._listing
        if listing is None or self._early:
            return []

        def is_led(other: OffsetRange) -> bool:
            leader = listing.leader_of(other.topic_partition)
            return leader is not None and leader.node_id == node_id

        firsts: dict[int, OffsetRange] = {}
        for other in coming[:MOST_COMPANIONS]:
            firsts.setdefault(other.partition, other)
        firsts.pop(rest.partition, None)
        return [
            other
            for other in firsts.values()
            if other.topic_partition not in self._followers and is_led(other)
        ]

    def _judge(self, error: type[Exception], rest: OffsetRange, topic_id: str, node_id: int) -> None:
        """Raise what cannot pass by itself; wait where it can."""
        if error is kafka_errors.TopicAuthorizationFailedError:
            raise AccessDenied(
                f"{rest.topic}: this user may not read the topic. Nothing of it was committed. Give it READ"
                " on the topic."
            )
        if error is kafka_errors.CorruptRecordError:
            raise CorruptBatch(
                rest.topic_partition, rest.start_offset, node_id, "the broker itself found its log corrupt"
            )
        self._forget(rest.topic_partition)
        if error is kafka_errors.OffsetOutOfRangeError:
            self._judge_out_of_range(rest)
        elif error in UNKNOWN_TOPIC:
            self._judge_unknown_topic(rest.topic, topic_id)
        self._patience.wait(rest, f"{self._client.address_of(node_id)} answered {error.__name__}")

    def _judge_out_of_range(self, rest: OffsetRange) -> None:
        # A replica that was behind may have answered: only what the leader says now tells loss.
        try:
            listing = read_listing(self._client, [rest.topic], ())
            deadline_s = time.monotonic() + self._settings.request_timeout_ms / 1000
            bounds = read_bounds(self._client, listing, deadline_s)[rest.topic].partitions[rest.partition]
        except (BrokerUnavailable, KeyError):
            return
        if bounds.log_start_offset > rest.start_offset:
            raise OffsetsExpired(rest, bounds.log_start_offset)
        if bounds.high_watermark < rest.start_offset:
            raise LogTruncated(rest.topic_partition, rest.start_offset, bounds.high_watermark)

    def _judge_unknown_topic(self, topic: str, topic_id: str) -> None:
        try:
            listing = read_listing(self._client, [topic], ())
        except BrokerUnavailable:
            return
        found = listing.topics.get(topic)
        if found is not None and found.topic_id != topic_id:
            raise TopicRecreated(topic, topic_id, found.topic_id)
        if topic in listing.missing and self._patience.waited_s > VANISHED_AFTER_S:
            raise TopicVanished(topic, was_loaded=True)

    def _leader_of(self, rest: OffsetRange, topic_id: str) -> int | None:
        """The broker to ask; None after a pause when there is none at the moment."""
        listing = self._listing
        if listing is None or rest.topic not in listing.topics:
            self._raise_if_given_up(rest, None)
            try:
                listing = self._listing = read_listing(self._client, [rest.topic], ())
            except BrokerUnavailable as error:
                self._wait_for(None, rest, error)
                return None
        if rest.topic in listing.denied:
            raise AccessDenied(
                f"{rest.topic}: this user may not describe the topic. Nothing of it was committed. Give it"
                " DESCRIBE and READ on the topic."
            )
        leader = listing.leader_of(rest.topic_partition)
        if leader is None or leader.node_id < 0:
            self._listing = None
            self._judge_unknown_topic(rest.topic, topic_id)
            self._patience.wait(rest, f"{rest.topic_partition} has no leader")
            return None
        return leader.node_id

    def _wait_for(self, node_id: int | None, rest: OffsetRange, error: BrokerUnavailable) -> None:
        """Wait for a broker that did not answer, None for any; but only once as long as the limit."""
        try:
            self._patience.wait(rest, str(error))
        except FetchStalled as stalled:
            self._given_up[node_id] = stalled.waited_for
            raise

    def _raise_if_given_up(self, rest: OffsetRange, node_id: int | None) -> None:
        if node_id in self._given_up:
            raise FetchStalled(rest, self._settings.stall_timeout_s, self._given_up[node_id])

    def _forget(self, partition: TopicPartition) -> None:
        """Look the leader up afresh: what was known led to a failure."""
        self._listing = None
        self._followers.pop(partition, None)
