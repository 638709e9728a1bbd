"""Sending records to one topic, in the order in which they come, by kafka-python's producer.

kafka-python keeps the producer id, sequence numbers, retries, leaders and connections; its sender is a
thread of its own. Its queue has no bound, so this one has: what is not yet acknowledged takes no more than
WINDOW_BYTES, and who sends faster waits. `_accumulator` and `_sender` are not part of its public API: see
`client`.

Of the batches of a partition one is under way at a time, with idempotence or without: their order is kept.
"""

import random
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from kafka import KafkaProducer
from kafka import errors as kafka_errors
from kafka.net.compat import KafkaNetClient
from kafka.net.selector import NetworkSelector
from kafka.partitioner.default import murmur2
from kafka.structs import TopicPartition as KafkaPartition

from loader.errors import AccessDenied, BrokerUnavailable, ConfigError, LoaderError, RecordsRefused
from loader.kafka_source.batch_builder import RECORD_OVERHEAD_BYTES, Batch, Outgoing
from loader.kafka_source.client import MAX_FRAME_BYTES
from loader.kafka_source.connections import DENIED, ConnectionManager
from loader.kafka_source.settings import KafkaSettings
from loader.records.compression import CODEC_IDS

WINDOW_BYTES = 32 * 1024 * 1024
LINGER_MS = 5
LOOK_EVERY_S = 0.1
CLOSE_WITHIN_S = 5.0
KEYS_REMEMBERED = 65_536

REFUSED = (
    kafka_errors.MessageSizeTooLargeError,
    kafka_errors.RecordListTooLargeError,
    kafka_errors.InvalidRecordError,
    kafka_errors.InvalidTimestampError,
    kafka_errors.PolicyViolationError,
    kafka_errors.UnsupportedForMessageFormatError,
)
"""What no repetition helps against."""


DENIED_PRODUCER_ID = "ClusterAuthorizationFailedError"
"""In the text of the error that kafka-python gives for it: who may write to no topic gets no producer id."""


class _NotSent(kafka_errors.KafkaError):  # type: ignore[misc]  # it has no types
    """A batch was not sent, since another one failed."""


# The second is what a sender that is closed by force leaves.
GIVEN_UP = (_NotSent, kafka_errors.IllegalStateError)


@dataclass(slots=True)
class Landed:
    """Where records of one partition landed: within [start_offset, end_offset), maybe among others'."""

    record_count: int = 0
    start_offset: int = -1
    end_offset: int = -1

    def add(self, base_offset: int, record_count: int) -> None:
        """Count a batch in; base_offset -1 where the broker did not tell it."""
        self.record_count += record_count
        if base_offset >= 0:
            self.start_offset = base_offset if self.start_offset < 0 else min(self.start_offset, base_offset)
            self.end_offset = max(self.end_offset, base_offset + record_count)


@dataclass(frozen=True, slots=True)
class Unacknowledged:
    """A record that was not acknowledged.

    number  counted from 0 over the records taken
    reason  what the broker or the connection said of it; None where nothing was heard, or it was not sent
    """

    number: int
    place: object
    reason: LoaderError | None


class Producer:
    """Sends to one topic, whose partitions are known. Belongs to one thread.

    is_idempotent  retries write no record twice

    `first_unacknowledged` is the first in the order of the input, `cause` the one that failed and stopped
    the others.

    Errors of making it: AccessDenied, BrokerUnavailable, ConfigError.
    """

    def __init__(
        self,
        settings: KafkaSettings,
        topic: str,
        partitions: Sequence[int],
        *,
        codec: str,
        is_idempotent: bool,
        batch_bytes: int,
    ) -> None:
        self._partitions = {number: KafkaPartition(topic, number) for number in sorted(partitions)}
        self._codec_id, self._batch_bytes = CODEC_IDS[codec], batch_bytes
        self._window: deque[Batch] = deque()
        self._window_bytes = 0
        self._newest: dict[int, Batch] = {}
        # Not always the same: those who send a few records each would fill one partition.
        self._sticky = random.choice(list(self._partitions))  # noqa: S311  no secret
        self._number_of_key = lru_cache(KEYS_REMEMBERED)(self._hashed)
        self.taken_count = self.acknowledged_count = self.acknowledged_bytes = 0
        self.landed: dict[int, Landed] = {}
        self.first_unacknowledged: Unacknowledged | None = None
        self.cause: Unacknowledged | None = None
        try:
            self._kafka: Any = KafkaProducer(**_options(settings, is_idempotent))
            self._kafka.partitions_for(topic)
        except DENIED as error:
            raise _denied(error) from error
        except kafka_errors.KafkaError as error:
            raise BrokerUnavailable(f"{_text(error)}. Nothing was sent. Run again.") from error
        except (ValueError, OSError) as error:
            raise ConfigError([f"kafka: {error}"]) from error

    def send(self, record: Outgoing, has_enough: Callable[[], bool] = lambda: False) -> bool:
        """Take a record; waits while too much is not acknowledged. False where it was not taken.

        It is not once `first_unacknowledged` is known, or `has_enough()` while this waits.
        """
        while self._window_bytes > WINDOW_BYTES and not has_enough():
            self._window[0].produce_future.wait(LOOK_EVERY_S)
            self._settle()
        if self.first_unacknowledged is not None or self._window_bytes > WINDOW_BYTES:
            return False
        partition = self._partition_of(record)
        if not self._add(partition, record):
            if record.partition is None and record.key is None:
                # One partition until its batch is full (KIP-480): few full batches, not many of one record.
                partition = self._next_sticky()
            if not self._add(partition, record):
                self._begin_batch(partition, record)
        self.taken_count += 1
        return True

    def _partition_of(self, record: Outgoing) -> KafkaPartition:
        if record.partition is not None:
            return self._partitions[record.partition]
        number = self._sticky if record.key is None else self._number_of_key(record.key)
        return self._partitions[number]

    def _hashed(self, key: bytes) -> int:
        # Java's client numbers partitions from 0 without a gap, and so does every topic.
        hashed: int = murmur2(key) & 0x7FFFFFFF
        return hashed % len(self._partitions)

    def _next_sticky(self) -> KafkaPartition:
        numbers = list(self._partitions)
        self._sticky = numbers[(numbers.index(self._sticky) + 1) % len(numbers)]
        return self._partitions[self._sticky]

    def _add(self, partition: KafkaPartition, record: Outgoing) -> bool:
        """Put a record into the batch that waits to be sent; False where there is none with room."""
        newest = self._newest.get(partition.partition)
        if newest is None:
            return False
        # Under this lock the sender takes a batch away and closes it.
        with self._kafka._accumulator._tp_lock(partition):
            is_added = newest.add(record)
        if is_added:
            self._window_bytes += record.size_bytes + RECORD_OVERHEAD_BYTES
        return is_added

    def _begin_batch(self, partition: KafkaPartition, record: Outgoing) -> None:
        accumulator = self._kafka._accumulator
        batch = Batch(partition, self._codec_id, self._batch_bytes, self.taken_count, record)
        self._newest[partition.partition] = batch
        self._window.append(batch)
        self._window_bytes += batch.held_bytes
        with accumulator._tp_lock(partition):
            accumulator._batches[partition].append(batch)
            accumulator._incomplete.add(batch)
        self._kafka._sender.wakeup()
        self._settle()

    def _settle(self) -> None:
        """Count what is done, from the oldest on."""
        while self._window and self._window[0].is_done:
            self._count(self._window.popleft())

    def _count(self, batch: Batch) -> None:
        self._window_bytes -= batch.held_bytes
        outcome = batch.outcome()
        if isinstance(outcome, Exception):
            reason = None if isinstance(outcome, GIVEN_UP) else _error(outcome)
            self._note(Unacknowledged(batch.first_number, batch.first_place, reason))
            return
        self.acknowledged_count += batch.record_count
        self.acknowledged_bytes += batch.size_bytes
        self.landed.setdefault(batch.topic_partition.partition, Landed()).add(outcome, batch.record_count)

    def _note(self, found: Unacknowledged) -> None:
        if self.cause is None and found.reason is not None:
            self.cause = found
        known = self.first_unacknowledged
        if known is None or found.number < known.number:
            self.first_unacknowledged = found

    def finish(self, has_enough: Callable[[], bool] = lambda: False) -> None:
        """Wait until each record that was taken is acknowledged or has failed, or `has_enough()`.

        Once one has failed, those that were not yet on their way are not sent.
        """
        self._kafka._accumulator.begin_flush()
        self._kafka._sender.wakeup()
        while self._window and not has_enough():
            if self.first_unacknowledged is not None:
                self._kafka._accumulator.abort_undrained_batches(_NotSent())
            self._window[0].produce_future.wait(LOOK_EVERY_S)
            self._settle()

    def close(self) -> None:
        """Let go of the connections. What is not acknowledged by then is told by `first_unacknowledged`."""
        self._settle()
        sender = self._kafka._sender
        if self._window or self.first_unacknowledged is not None:
            # An orderly close would wait for brokers that are silent.
            sender.force_close()
            sender.join(CLOSE_WITHIN_S)
        for batch in self._window:
            if batch.is_done:
                self._count(batch)
            else:
                self._note(Unacknowledged(batch.first_number, batch.first_place, None))
        self._window.clear()
        with suppress(kafka_errors.KafkaTimeoutError):
            self._kafka.close(0 if sender.is_alive() and self.first_unacknowledged else CLOSE_WITHIN_S)


def _options(settings: KafkaSettings, is_idempotent: bool) -> dict[str, Any]:
    return {
        "bootstrap_servers": list(settings.bootstrap_servers),
        "client_id": settings.client_id,
        "enable_idempotence": is_idempotent,
        "acks": "all",
        "max_in_flight_requests_per_connection": 5 if is_idempotent else 1,
        "linger_ms": LINGER_MS,
        "request_timeout_ms": settings.request_timeout_ms,
        "bootstrap_timeout_ms": settings.request_timeout_ms,
        "max_block_ms": settings.request_timeout_ms,
        "delivery_timeout_ms": max(settings.stall_timeout_s * 1000, settings.request_timeout_ms + LINGER_MS),
        "max_request_size": WINDOW_BYTES,
        "allow_auto_create_topics": False,
        "reconnect_backoff_max_ms": 2_000,
        "receive_message_max_bytes": MAX_FRAME_BYTES,
        "metrics_enabled": False,
        "kafka_client": _client,
        **settings.security,
    }


def _client(**options: Any) -> KafkaNetClient:
    """kafka-python's, with connections that tell a refused login from a network that failed."""
    net = NetworkSelector(**options)
    return KafkaNetClient(net=net, manager=ConnectionManager(net, **options))


def _error(error: Exception) -> LoaderError:
    if isinstance(error, DENIED) or DENIED_PRODUCER_ID in str(error):
        return _denied(error)
    if isinstance(error, REFUSED):
        return RecordsRefused(f"the broker refuses it: {_text(error)}")
    return BrokerUnavailable(_text(error))


def _denied(error: Exception) -> AccessDenied:
    return AccessDenied(
        f"Kafka refuses this user: {_text(error)}. Check [kafka.security] and the cluster's ACLs: WRITE on"
        " the topic is needed."
    )


def _text(error: Exception) -> str:
    """The first line of what kafka-python says; some errors have no text but their class's name."""
    name = type(error).__name__
    lines = str(error).strip().splitlines() or [name]
    return lines[0] if lines[0].startswith(name) else f"{name}: {lines[0]}"
