"""A member of a consumer group: which partitions are its own, and where the group stands in them.

kafka-python's consumer is only the member: it joins, sends heartbeats from a thread of its own, commits and
leaves. Its partitions are paused, and it fetches nothing: records are read by this loader's own reader, which
knows all codecs.
"""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Self

from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata
from kafka import TopicPartition as KafkaPartition
from kafka import errors as kafka_errors

from loader.errors import AccessDenied, BrokerUnavailable, ConfigError, LoaderError
from loader.kafka_source.connections import DENIED
from loader.kafka_source.settings import KafkaSettings
from loader.values import TopicPartition

LONGEST_REQUEST_MS = 480_000
"""What kafka-python's consumer takes: less than it keeps an idle connection."""

HEARTBEAT_MS = 1000
"""How soon a member hears that another came or left."""

JOIN_S = 0.5
"""How long one `keep` waits for the group to share partitions out."""

METADATA_AGE_MS = 30_000
"""How soon a partition that was added is shared out."""

MOVED_ON = (
    kafka_errors.CommitFailedError,
    kafka_errors.UnknownMemberIdError,
    kafka_errors.IllegalGenerationError,
    kafka_errors.RebalanceInProgressError,
)
"""The group has given the partitions to others."""

WRONG = (
    kafka_errors.InconsistentGroupProtocolError,
    kafka_errors.InvalidGroupIdError,
    kafka_errors.KafkaConfigurationError,
)


class _Owned(ConsumerRebalanceListener):  # type: ignore[misc]  # it has no types
    """What is owned at the moment; called in the consumer's own thread."""

    def __init__(self, consumer: Any) -> None:
        self._consumer = consumer
        self.partitions: frozenset[TopicPartition] = frozenset()
        self.generation = 0

    def on_partitions_revoked(self, revoked: Any) -> None:
        del revoked  # all of them, whatever it names: shared out anew
        self.partitions = frozenset()
        self.generation += 1

    def on_partitions_assigned(self, assigned: Any) -> None:
        self._consumer.pause(*assigned)
        self.partitions = frozenset(TopicPartition(each.topic, each.partition) for each in assigned)
        self.generation += 1


class GroupMember:
    """Joins a group at the first `keep`, and leaves it when closed: others get its partitions at once.

    Errors: AccessDenied, BrokerUnavailable, and ConfigError where the group is none that a consumer can join.
    """

    def __init__(self, settings: KafkaSettings, group: str, topics: tuple[str, ...]) -> None:
        self._group = group
        self._timeout_ms = min(settings.request_timeout_ms, LONGEST_REQUEST_MS)
        try:
            self._consumer = KafkaConsumer(
                bootstrap_servers=list(settings.bootstrap_servers),
                client_id=settings.client_id,
                client_rack=settings.client_rack,
                group_id=group,
                enable_auto_commit=False,
                auto_offset_reset="earliest",  # of the consumer, which fetches nothing
                allow_auto_create_topics=False,
                request_timeout_ms=self._timeout_ms,
                bootstrap_timeout_ms=settings.request_timeout_ms,
                fetch_max_wait_ms=min(500, self._timeout_ms // 2),
                heartbeat_interval_ms=HEARTBEAT_MS,
                metadata_max_age_ms=METADATA_AGE_MS,
                metrics_enabled=False,
                **settings.security,
            )
        except kafka_errors.KafkaError as error:
            raise self._told(error) from error
        self._owned = _Owned(self._consumer)
        self._consumer.subscribe(topics, listener=self._owned)

    @property
    def generation(self) -> int:
        """Another number whenever partitions were shared out anew."""
        return self._owned.generation

    @property
    def partitions(self) -> frozenset[TopicPartition]:
        """What is owned; none while partitions are being shared out."""
        return self._owned.partitions

    def keep(self) -> None:
        """Stay a member; here, and only here, partitions come and go. Takes JOIN_S while nothing is owned.

        Whoever does not call it for five minutes is taken for dead by the group.
        """
        # The second and later steps of joining are taken only by a poll that waits.
        wait_s = 0.0 if self.partitions else JOIN_S
        try:
            self._consumer.poll(timeout_ms=round(wait_s * 1000))
        except kafka_errors.KafkaError as error:
            raise self._told(error) from error

    def committed(self) -> dict[TopicPartition, int | None]:
        """The offset at which the group goes on, of each partition owned; None where it has none yet."""
        try:
            return {
                each: self._consumer.committed(
                    KafkaPartition(each.topic, each.partition), timeout_ms=self._timeout_ms
                )
                for each in self.partitions
            }
        except kafka_errors.KafkaError as error:
            raise self._told(error) from error

    def commit(self, next_offsets: Mapping[TopicPartition, int]) -> None:
        """Let the group go on at these offsets. Does nothing where the partitions are others' already."""
        offsets = {
            KafkaPartition(each.topic, each.partition): OffsetAndMetadata(offset, "", -1)
            for each, offset in next_offsets.items()
        }
        try:
            self._consumer.commit(offsets, timeout_ms=self._timeout_ms)
        except MOVED_ON:
            return  # whoever has them goes on where the last commit was: records are shown twice, none never
        except kafka_errors.KafkaError as error:
            raise self._told(error) from error

    def close(self) -> None:
        """Leave the group."""
        try:
            self._consumer.close(autocommit=False, timeout_ms=self._timeout_ms)
        except kafka_errors.KafkaError as error:
            raise self._told(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def _told(self, error: Exception) -> LoaderError:
        if isinstance(error, DENIED):
            return AccessDenied(
                f"group {self._group}: Kafka refuses this user ({type(error).__name__}). Give it READ on the"
                " group and on the topics."
            )
        if isinstance(error, WRONG):
            return ConfigError([f"group {self._group}: cannot be joined as a consumer: {error}"])
        return BrokerUnavailable(
            f"group {self._group}: its coordinator does not answer: {error}. What was shown last may be shown"
            " again. Run again."
        )
