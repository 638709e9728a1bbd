"""Errors where going on would lose or double records, each with the choices: exit status 4."""

from collections.abc import Sequence

from loader.errors.base import PersonDecides
from loader.values import OffsetRange, TopicPartition
from loader.values.choices import (
    ACCEPT_LOSS,
    COMPARE,
    LEAVE_OUT,
    LOAD_APART,
    LOAD_LATER,
    RENAME_FIELD,
    RUN_AGAIN,
    UNDO_POSITION,
    Choice,
)


class OffsetsExpired(PersonDecides):
    """Retention or DeleteRecords removed records that no load had reached yet, or was to load again.

    is_set_back  whether a person has set the position back: what was loaded of these offsets is still there
    """

    def __init__(self, wanted: OffsetRange, log_start_offset: int, is_set_back: bool = False) -> None:
        lost_end_offset = min(log_start_offset, wanted.end_offset)
        lost = OffsetRange(wanted.topic, wanted.partition, wanted.start_offset, lost_end_offset)
        deleted = f"so {lost.offset_count} offsets were deleted"
        told = f"{wanted}: Kafka's log now starts at {log_start_offset}, {deleted}"
        if is_set_back:
            super().__init__(
                f"{told} since the position was set back. Nothing of this topic was committed; rows of these"
                " offsets that were loaded before are untouched. Set the position of"
                f" {wanted.topic_partition} to {log_start_offset} or behind.",
                [UNDO_POSITION, ACCEPT_LOSS, LEAVE_OUT],
            )
        else:
            super().__init__(
                f"{told} before they were loaded. Nothing of this topic was committed. Raise retention.ms or"
                " load more often.",
                [ACCEPT_LOSS, LEAVE_OUT],
            )
        self.wanted, self.log_start_offset, self.lost = wanted, log_start_offset, lost


class BackfillExpired(PersonDecides):
    """Rows are to be replaced whose records Kafka has deleted."""

    def __init__(self, loaded: OffsetRange, log_start_offset: int) -> None:
        super().__init__(
            f"{loaded}: rows of the asked time are of offsets that Kafka no longer holds: its log now starts"
            f" at {log_start_offset}. Nothing was changed: loaded again, they would be gone. Ask for a later"
            f" time, or for the offsets of {loaded.topic_partition} from {log_start_offset} on.",
            [LOAD_LATER],
        )
        self.loaded, self.log_start_offset = loaded, log_start_offset


class ReplacedRecordsGone(PersonDecides):
    """Offsets are loaded again of which Kafka has fewer records than were loaded before."""

    def __init__(self, wanted: OffsetRange, loaded_count: int, found_count: int) -> None:
        super().__init__(
            f"{wanted}: was loaded with {loaded_count} records, and Kafka has {found_count} of them today:"
            " the others were compacted away or deleted. Nothing of this topic was committed: their rows,"
            " which are untouched, would be gone. Choose a range that Kafka still has whole; a position that"
            " was set back can be set forward again.",
            [UNDO_POSITION, LEAVE_OUT],
        )
        self.wanted, self.loaded_count, self.found_count = wanted, loaded_count, found_count


class TopicRecreated(PersonDecides):
    """The topic of this name is not the one that was loaded before."""

    def __init__(self, topic: str, known_topic_id: str, found_topic_id: str) -> None:
        super().__init__(
            f"{topic}: was deleted and created again since the last commit: its topic id was"
            f" {known_topic_id} and is {found_topic_id}. Nothing of this topic was committed; its old rows"
            " are untouched. Offsets of the new one are those of other records.",
            [LOAD_APART, LEAVE_OUT],
        )
        self.topic, self.known_topic_id, self.found_topic_id = topic, known_topic_id, found_topic_id


class TopicVanished(PersonDecides):
    """A topic that the job has loaded, or names in its config, is not in the cluster."""

    def __init__(self, topic: str, was_loaded: bool) -> None:
        why = "it was loaded before" if was_loaded else "the config names it"
        super().__init__(
            f"{topic}: not found in the cluster, though {why}. Nothing of this topic was committed; rows"
            " loaded before are untouched. If it is there, this user may lack DESCRIBE on it.",
            [LEAVE_OUT, Choice("wait for it: create it", RUN_AGAIN.command)],
        )
        self.topic, self.was_loaded = topic, was_loaded


class ClusterChanged(PersonDecides):
    """The brokers answer with another cluster id than the one the ledger was made for."""

    def __init__(self, known_cluster_id: str, found_cluster_id: str) -> None:
        super().__init__(
            f"the brokers belong to cluster {found_cluster_id}, the ledger to {known_cluster_id}: offsets of"
            " one mean nothing in the other. Nothing was read or committed.",
            [
                Choice("go on with the old cluster: correct kafka.bootstrap_servers", RUN_AGAIN.command),
                LOAD_APART,
            ],
        )
        self.known_cluster_id, self.found_cluster_id = known_cluster_id, found_cluster_id


class LogTruncated(PersonDecides):
    """The log ends below the position: records that were loaded are gone from Kafka."""

    def __init__(self, partition: TopicPartition, next_offset: int, log_end_offset: int) -> None:
        super().__init__(
            f"{partition}: the position is {next_offset}, but Kafka's log ends at {log_end_offset}. The log"
            " lost its end (an unclean leader election, or restored brokers); offsets from there on will be"
            " given to other records. Nothing of this topic was committed; rows loaded before are untouched.",
            [
                Choice("get the lost end back, from another replica or a backup", RUN_AGAIN.command),
                COMPARE,
                LOAD_APART,
                LEAVE_OUT,
            ],
        )
        self.partition, self.next_offset, self.log_end_offset = partition, next_offset, log_end_offset


class LogDiverged(PersonDecides):
    """The leader epoch shows that offsets below the position were rewritten (KIP-320)."""

    def __init__(
        self, partition: TopicPartition, next_offset: int, leader_epoch: int, epoch_end: int
    ) -> None:
        super().__init__(
            f"{partition}: loaded up to {next_offset} in leader epoch {leader_epoch}, but that epoch now ends"
            f" at {epoch_end}: offsets [{epoch_end}, {next_offset}) were rewritten after an unclean leader"
            " election. Nothing of this topic was committed; rows loaded before are untouched.",
            [COMPARE, LOAD_APART, LEAVE_OUT],
        )
        self.partition, self.next_offset = partition, next_offset
        self.leader_epoch, self.epoch_end = leader_epoch, epoch_end


class CorruptBatch(PersonDecides):
    """Bytes of the log that cannot be what a producer sent."""

    def __init__(self, partition: TopicPartition, offset: int, node_id: int, problem: str) -> None:
        super().__init__(
            f"{partition} at offset {offset}, read from broker {node_id}: {problem}. Nothing of this topic"
            " was committed. If it repeats, the broker's copy of the log is damaged: compare its replicas.",
            [RUN_AGAIN, LEAVE_OUT],
        )
        self.partition, self.offset, self.node_id, self.problem = partition, offset, node_id, problem


class UnsupportedMessageFormat(PersonDecides):
    """Message formats 0 and 1 hold no record batches; this loader reads format 2 only."""

    def __init__(self, partition: TopicPartition, offset: int, magic: int) -> None:
        super().__init__(
            f"{partition} at offset {offset}: message format {magic}, written before Kafka 0.11. Only format"
            " 2 can be read. Nothing of this topic was committed. Copy the topic with a Java client to"
            " rewrite it in format 2, or start behind these offsets.",
            [LEAVE_OUT],
        )
        self.partition, self.offset, self.magic = partition, offset, magic


class SchemaChanged(PersonDecides):
    """The columns that a topic's records have today do not fit to those of the rows it has already.

    Not a mistake of the config alone: rows of both kinds exist, and which of them the table is to hold is
    a question to those who read it.
    """

    def __init__(self, topic: str, path: str, problem: str, schema_ids: Sequence[int] = ()) -> None:
        by = f" (schema id {', '.join(map(str, schema_ids))})" if schema_ids else ""
        super().__init__(
            f"{topic}: column {path}{by}: {problem}. Columns may be added, int become long, and float become"
            " double. Nothing of this topic was committed; rows loaded before are untouched.",
            # What is in `kafka` is no field of the value: it has no other name.
            [LOAD_APART, LEAVE_OUT] if path.startswith("kafka.") else [RENAME_FIELD, LOAD_APART, LEAVE_OUT],
        )
        self.topic, self.path, self.problem, self.schema_ids = topic, path, problem, tuple(schema_ids)


class TooManyBadRecords(PersonDecides):
    """More records of a topic cannot be decoded than it may have."""


class LedgerDamaged(PersonDecides):
    """The ledger is missing beside data, has a hole, or a commit that cannot be read."""
