"""Send records to a topic: each is acknowledged by all replicas in sync before this ends well.

What is taken from the input is numbered from 0. When something stops it, the first record that was not
acknowledged is known, and `skip_count` goes on from there.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

from loader.errors import (
    AccessDenied,
    BrokerUnavailable,
    ConfigError,
    LoaderError,
    MalformedInput,
    RecordsRefused,
)
from loader.kafka_source.batch_builder import Outgoing
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.producer import Landed, Producer, Unacknowledged
from loader.kafka_source.settings import KafkaSettings
from loader.kafka_source.topic_configs import read_topic_configs
from loader.operations.live.name_patterns import did_you_mean

BATCH_BYTES = 512 * 1024
"""Of records before they are compressed, where the topic takes batches of that size."""

SMALLEST_BATCH_BYTES = 1024
BATCH_MARGIN_BYTES = 512
UNKNOWN_LIMIT_BATCH_BYTES = 16 * 1024
"""Where this user may not ask for the topic's max.message.bytes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProduceOptions:
    """How records are sent.

    codec           none, gzip, snappy, lz4 or zstd
    partition       of all records; None: each by itself
    keep_partition  whether a record that says its partition is sent to it
    headers         added to each record's own
    skip_count      records at the front of the input that are left out
    """

    codec: str = "none"
    is_idempotent: bool = True
    partition: int | None = None
    keep_partition: bool = True
    headers: tuple[tuple[str, bytes], ...] = ()
    skip_count: int = 0


@dataclass(slots=True)
class Interruption:
    """What Ctrl-C asks for: at first an end in order, the second time an end at once.

    A record half taken would spoil its batch: only while `may_raise`, the request is an exception.
    """

    request_count: int = 0
    may_raise: bool = False

    def request(self, *_: object) -> None:
        """Handle the signal."""
        self.request_count += 1
        if self.may_raise:
            self.may_raise = False
            raise KeyboardInterrupt

    def is_requested(self) -> bool:
        """Whether to end."""
        return self.request_count > 0

    def is_urgent(self) -> bool:
        """Whether to end at once."""
        return self.request_count > 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Produced:
    """What was acknowledged.

    size_bytes      of keys, values and headers
    partitions      where the records landed
    failure         why not all of the input was sent and acknowledged; None when it was
    is_interrupted  whether a person ended it
    next_skip       how many records of the input are acknowledged without a gap: what to leave out to go on
    behind_count    how many behind these are acknowledged as well, and would be there twice
    """

    record_count: int
    size_bytes: int
    partitions: Mapping[int, Landed]
    failure: LoaderError | None
    is_interrupted: bool
    next_skip: int
    behind_count: int


def open_topic(client: KafkaClient, topic: str) -> tuple[list[int], int]:
    """The partitions of a topic, and how many bytes of records a batch may have.

    Raises ConfigError for a topic that is not there, with the nearest names; AccessDenied, BrokerUnavailable.
    """
    listing = read_listing(client, [topic], ())
    if topic in listing.denied:
        raise AccessDenied(
            f"{topic}: this user may not describe the topic. Give it DESCRIBE and WRITE on it."
            " Nothing was sent."
        )
    if topic not in listing.topics:
        raise ConfigError(
            [
                f"{topic}: the cluster has no such topic{did_you_mean(topic, _names(client)) or '.'} This"
                " command creates none; nothing was sent."
            ]
        )
    return sorted(listing.topics[topic].leaders), _batch_bytes(client, topic)


def _names(client: KafkaClient) -> Iterable[str]:
    everything: ClusterListing = read_listing(client, (), [".*"])
    return everything.topics


def _batch_bytes(client: KafkaClient, topic: str) -> int:
    configs = read_topic_configs(client, [topic], ["max.message.bytes"]).by_topic.get(topic, {})
    limit = configs.get("max.message.bytes")
    if limit is None or limit.value is None:
        return UNKNOWN_LIMIT_BATCH_BYTES
    return min(BATCH_BYTES, max(SMALLEST_BATCH_BYTES, int(limit.value) - BATCH_MARGIN_BYTES))


def produce(
    settings: KafkaSettings,
    topic: str,
    records: Iterable[Outgoing],
    options: ProduceOptions,
    wait_turn: Callable[[], object],
    interruption: Interruption,
) -> Produced:
    """Send records in their order, and wait for all.

    wait_turn  is called before each record, and returns when it may be sent

    Raises ConfigError, AccessDenied and BrokerUnavailable before anything is sent; later it is a `failure`.
    """
    with KafkaClient(settings) as client:
        client.connect(settings.request_timeout_ms)
        partitions, batch_bytes = open_topic(client, topic)
    if options.partition is not None and options.partition not in partitions:
        raise ConfigError(
            [f"--partition {options.partition}: {_known(topic, partitions)}. Nothing was sent."]
        )
    producer = Producer(
        settings,
        topic,
        partitions,
        codec=options.codec,
        is_idempotent=options.is_idempotent,
        batch_bytes=batch_bytes,
    )
    failure: LoaderError | None = None
    try:
        ready = _addressed(records, topic, frozenset(partitions), options)
        _send_all(producer, ready, wait_turn, interruption)
    except LoaderError as error:
        failure = error
    except KeyboardInterrupt:
        pass  # what is taken is waited for below; how far that came is what this returns
    finally:
        # Also where a bug ends it: what was taken must not go on in the background.
        interruption.may_raise = False
        producer.finish(interruption.is_urgent)
        producer.close()
    return _result(topic, producer, options, failure, interruption.is_requested())


def _send_all(
    producer: Producer,
    records: Iterable[Outgoing],
    wait_turn: Callable[[], object],
    interruption: Interruption,
) -> None:
    """Returns early when a record failed.

    Raises KeyboardInterrupt when a person ends it, and what reading raises.
    """
    interruption.may_raise = True
    for record in records:
        wait_turn()
        interruption.may_raise = False
        is_taken = producer.send(record, interruption.is_requested)
        if interruption.is_requested():
            raise KeyboardInterrupt
        if not is_taken:
            return
        interruption.may_raise = True
    interruption.may_raise = False


def _addressed(
    records: Iterable[Outgoing], topic: str, partitions: frozenset[int], options: ProduceOptions
) -> Iterator[Outgoing]:
    """The records as they are sent: with their partition and headers, from the first that is wanted on."""
    changes_all = bool(options.headers) or options.partition is not None or not options.keep_partition
    for record in islice(records, options.skip_count, None):
        if changes_all:
            record = record._replace(
                partition=record.partition if options.keep_partition else options.partition,
                headers=[*record.headers, *options.headers],
            )
        if record.partition is not None and record.partition not in partitions:
            raise MalformedInput(
                f"{record.place}: partition {record.partition}: {_known(topic, sorted(partitions))}. Without"
                " --keep-partition, the key chooses"
            )
        yield record


def _known(topic: str, partitions: Sequence[int]) -> str:
    return (
        f"{topic} has partition 0 only"
        if len(partitions) == 1
        else (f"{topic} has partitions 0 to {max(partitions)}")
    )


def _result(
    topic: str, producer: Producer, options: ProduceOptions, failure: LoaderError | None, is_interrupted: bool
) -> Produced:
    first = producer.first_unacknowledged
    whole_count = producer.acknowledged_count if first is None else first.number
    behind_count = producer.acknowledged_count - whole_count
    next_skip = options.skip_count + whole_count
    if first is not None:
        failure = _not_acknowledged(topic, first, producer.cause or first, whole_count, behind_count)
        failure.add_note(f"{_go_on(next_skip)}{_twice(behind_count)}.")
    elif failure is not None:
        failure.add_note(
            f"{_records(whole_count)} before it {_were(whole_count)} sent and acknowledged, and nothing"
            f" behind it was sent. {_go_on(next_skip)}."
            if whole_count
            else "Nothing was sent."
        )
    return Produced(
        record_count=producer.acknowledged_count,
        size_bytes=producer.acknowledged_bytes,
        partitions=dict(sorted(producer.landed.items())),
        failure=failure,
        is_interrupted=is_interrupted,
        next_skip=next_skip,
        behind_count=behind_count,
    )


def _not_acknowledged(
    topic: str, first: Unacknowledged, cause: Unacknowledged, before_count: int, behind_count: int
) -> LoaderError:
    """Of the kind of what the broker said, so with its exit status."""
    kind = BrokerUnavailable if cause.reason is None else type(cause.reason)
    reason = "no answer until now" if cause.reason is None else str(cause.reason).rstrip(".")
    told = f"{cause.place} was not acknowledged: {reason}."
    if first is not cause:
        told += f" So {first.place} was not waited for, which comes before it."
    if not issubclass(kind, (AccessDenied, RecordsRefused)):
        told += " It may have been written all the same, and some behind it, too."
    behind = f" and {_records(behind_count)} behind it" if behind_count else ""
    were = _were(before_count + behind_count)
    return kind(f"{topic}: {told} {_records(before_count)} before it{behind} {were} acknowledged.")


def _go_on(next_skip: int) -> str:
    return f"To go on, give the same command and the same input, with --skip {next_skip}"


def _twice(behind_count: int) -> str:
    return f"; the {_records(behind_count)} behind it will then be there twice" if behind_count else ""


def _records(number: int) -> str:
    return f"{number:,} record{'' if number == 1 else 's'}"


def _were(number: int) -> str:
    return "was" if number == 1 else "were"
