"""Where a job stands: what is loaded, when that last moved, and what waits in Kafka."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import groupby

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import LedgerDamaged, PathNotFound
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.operations.watch.outlook import Outlook, PartitionOutlook, look_ahead
from loader.planning.completeness import all_complete_up_to
from loader.values import TopicPartition

COMMITS_LOOKED_AT = 10
"""The newest ones, for which of them moved a partition last: each is a document to read, and may be long."""


@dataclass(frozen=True, slots=True)
class Move:
    """A commit that loaded something."""

    version: int
    committed_at_ms: int


@dataclass(frozen=True, slots=True)
class PartitionStanding:
    """One partition.

    next_offset  where the next run goes on; None where no commit has met the partition
    waiting      what waits; None where Kafka did not say, or the topic cannot be loaded
    last_moved   the commit that moved it last; None where that is none of the newest, or it never moved
    """

    partition: TopicPartition
    next_offset: int | None
    waiting: PartitionOutlook | None
    last_moved: Move | None


@dataclass(frozen=True, slots=True)
class TopicStanding:
    """One topic; a number is None where it is not known of one of its partitions."""

    topic: str
    partitions: tuple[PartitionStanding, ...]

    @property
    def lag_offsets(self) -> int | None:
        """Offsets that wait."""
        return _sum(each.lag_offsets if each else None for each in self._waiting)

    @property
    def lag_bytes(self) -> int | None:
        """Bytes of log that wait, as estimated."""
        return _sum(each.lag_bytes if each else None for each in self._waiting)

    @property
    def lag_ms(self) -> int | None:
        """Age of the oldest record that waits; 0 where none does."""
        ages = [each.lag_ms if each else None for each in self._waiting]
        return max((age for age in ages if age is not None), default=None) if None not in ages else None

    @property
    def complete_up_to_ms(self) -> int | None:
        """The earliest of its partitions; see planning/completeness.py."""
        return all_complete_up_to(each.complete_up_to_ms if each else None for each in self._waiting)

    @property
    def last_moved(self) -> Move | None:
        """The newest commit that moved any of it."""
        moves = [each.last_moved for each in self.partitions if each.last_moved is not None]
        return max(moves, key=lambda move: move.version, default=None)

    @property
    def _waiting(self) -> list[PartitionOutlook | None]:
        return [each.waiting for each in self.partitions]


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a job stands.

    newest  the newest commit, None before the first
    """

    newest: Commit | None
    outlook: Outlook
    topics: tuple[TopicStanding, ...]


def read_standing(job: Job, slots: int, now_ms: Callable[[], int]) -> Standing:
    """Ask the ledger and Kafka. Writes nothing; raises what `read_ledger` and `plan_load` raise."""
    newest = read_ledger(job)
    outlook = look_ahead(job, newest, slots, now_ms)
    waiting = {each.wanted.topic_partition: each for each in outlook.partitions}
    known = {partition: place.next_offset for partition, place in outlook.plan.position}
    asked_for = {partition for partition in known if job.config.topic_config(partition.topic) is not None}
    moves = _last_moves(job, newest, set(known))
    partitions = [
        PartitionStanding(partition, known.get(partition), waiting.get(partition), moves.get(partition))
        for partition in sorted(waiting.keys() | asked_for)
    ]
    topics = groupby(partitions, key=lambda each: each.partition.topic)
    return Standing(newest, outlook, tuple(TopicStanding(name, tuple(each)) for name, each in topics))


def _last_moves(
    job: Job, newest: Commit | None, partitions: set[TopicPartition]
) -> dict[TopicPartition, Move]:
    moves: dict[TopicPartition, Move] = {}
    log = CommitLog(job.storage, job.name)
    commit = newest
    for _ in range(COMMITS_LOOKED_AT):
        if commit is None:
            break
        move = Move(commit.version, commit.committed_at_ms)
        for loaded in commit.ranges:
            if loaded.range.offset_count:
                moves.setdefault(loaded.range.topic_partition, move)
        if moves.keys() >= partitions:
            break
        try:
            commit = log.read(commit.version - 1) if commit.version > 1 else None
        except (PathNotFound, LedgerDamaged):  # the ledger begins behind it, after a repair
            break
    return moves


def _sum(numbers: Iterable[int | None]) -> int | None:
    known = list(numbers)
    return sum(each for each in known if each is not None) if None not in known else None
