"""Errors of what is out of reach and expected to come back: exit status 3."""

from loader.errors.base import RunAgainLater
from loader.values import OffsetRange


class BrokerUnavailable(RunAgainLater):
    """No broker answered, or a partition had no leader, until the limit."""


class FetchStalled(RunAgainLater):
    """A range made no progress for the stall timeout."""

    def __init__(self, wanted: OffsetRange, stall_timeout_s: float, waited_for: str) -> None:
        super().__init__(
            f"{wanted}: no progress for {stall_timeout_s:g} s, {waited_for}. Nothing of this topic was"
            " committed; what is in Kafka is safe. Run again; if it repeats, look at the broker's log."
        )
        self.wanted, self.stall_timeout_s, self.waited_for = wanted, stall_timeout_s, waited_for


class WorkersLost(RunAgainLater):
    """Worker processes or executors died, so that not every split was loaded."""


class RegistryUnavailable(RunAgainLater):
    """The schema registry did not answer, or answered with a fault of its own, until the limit."""


class PushFailed(RunAgainLater):
    """The push gateway did not take the metrics."""


class SchemaNotPlanned(RunAgainLater):
    """A record is written in a schema that the topic's columns were not planned with, and do not hold."""

    def __init__(self, schema_id: int, problem: str = "") -> None:
        super().__init__(
            f"schema id {schema_id} was registered since this run was planned, and its records have what no"
            f" column of this run holds{problem}. Nothing of this topic was committed. Run again. If it"
            " repeats, the schema belongs to another subject than the one that the columns are made of: see"
            " `subject` of the topic's format."
        )
        self.schema_id, self.problem = schema_id, problem


class StorageUnavailable(RunAgainLater):
    """The file system did not answer, or answered with a fault of its own."""


class StorageFull(RunAgainLater):
    """No space or quota left at the destination."""


class CommitOutcomeUnknown(RunAgainLater):
    """The commit's move got no answer and could not be read back: delete none of this run's files."""


class SnapshotGone(RunAgainLater):
    """A later commit moved files of a snapshot, or took them away, while they were read: nothing is wrong."""

    def __init__(self, version: int, path: str) -> None:
        super().__init__(
            f"{path} is part of commit {version}, and a later commit has moved it or taken it away since. No"
            " row is lost: the newest commit has them all. Open the tables again."
        )
        self.version, self.path = version, path


class MoveOutcomeUnknown(StorageUnavailable):
    """A move got no answer: it may have been done. The caller reads back what it needs to know."""
