"""The position, moved by a person: to another place, back by some offsets, or to where it was before.

Nothing is lost by it. What was loaded stays; where the position goes back, the next run loads the same
offsets again in the place of their rows. Where it goes forward, what it leaves out can be loaded by a
backfill, or by moving it back. Each move is a commit: the one before still has the old position.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.errors import ConfigError
from loader.kafka_source.client import KafkaClient
from loader.operations.changes.replacing import read_older
from loader.operations.changes.topic_log import Place, offsets_at, read_topic_log
from loader.operations.committing import append_commit, commit_after, publish_commit, recover
from loader.operations.job import Job
from loader.operations.plan import read_ledger
from loader.planning.covered import Covered, cut
from loader.values import OffsetRange, PartitionPosition, Position, TopicPartition, TopicPosition

UNKNOWN_EPOCH = -1


@dataclass(frozen=True, slots=True)
class RewindBy:
    """So many offsets back from where a partition stands."""

    offset_count: int


@dataclass(frozen=True, slots=True)
class Move:
    """One partition's way.

    again_count    offsets that will be loaded a second time, in the place of their rows
    skipped_count  offsets that were not loaded, and will not be by the next run
    """

    partition: TopicPartition
    before: PartitionPosition
    after: PartitionPosition
    again_count: int = 0
    skipped_count: int = 0


@dataclass(frozen=True, slots=True)
class PositionPlan:
    """Moves, worked out from one commit.

    undoes  the version of the move that is undone; None where it is another
    """

    newest: Commit
    moves: tuple[Move, ...]
    undoes: int | None = None


def plan_move(job: Job, topic: str, partition: int | None, to: Place | RewindBy) -> PositionPlan:
    """Where the partitions of a topic, or one of them, would go. Writes nothing; asks the brokers.

    Raises ConfigError where the job has not loaded the topic, or Kafka's log has no such place, and what
    `read_topic_log` raises.
    """
    newest = _newest(job)
    with KafkaClient(job.kafka) as client:
        log = read_topic_log(client, job, newest, topic)
        places = _places(log.known, topic, partition)
        if isinstance(to, RewindBy):
            targets = {number: place.next_offset - to.offset_count for number, place in places.items()}
            for number, offset in targets.items():
                offsets_at(client, job, log, [number], offset)  # it is still there
        else:
            targets = dict(offsets_at(client, job, log, places, to))
    moved = {
        TopicPartition(topic, number): (place, place.moved(targets[number], UNKNOWN_EPOCH))
        for number, place in places.items()
        if targets[number] != place.next_offset
    }
    return PositionPlan(newest, tuple(_moves(job, newest, moved)))


def plan_undo(job: Job, topic: str | None) -> PositionPlan:
    """Back to where the partitions stood before the last move, of one topic or of all. Writes nothing.

    A partition that was set back and has come as far again by itself is left. Raises ConfigError where there
    was no move.
    """
    newest = _newest(job)
    log = CommitLog(job.storage, job.name)
    for version in reversed(log.versions()[1:]):
        commit = log.read(version)
        if commit.operation != "set_position":
            continue
        before = log.read(version - 1).position
        ways = {
            partition: (now, old, new)
            for partition, now in newest.position
            if topic in (None, partition.topic)
            for old, new in [(before.of(partition), commit.position.of(partition))]
            if old is not None and new is not None and old.next_offset != new.next_offset
        }
        if not ways:
            continue  # a move of other topics
        moved = {
            partition: (now, _undone(now, old))
            for partition, (now, old, new) in ways.items()
            if not old.next_offset > new.next_offset or now.next_offset < old.next_offset
        }
        return PositionPlan(newest, tuple(_moves(job, newest, moved)), version)
    raise ConfigError([f"job {job.name}: nobody has moved its position; there is nothing to undo"])


def write_moves(
    job: Job,
    plan: PositionPlan,
    ticket: RunTicket,
    reason: str,
    now_ms: Callable[[], int],
    is_dead: Callable[[RunTicket], bool],
) -> Commit:
    """Commit the moves, with who and why.

    Raises CommitSuperseded when another run has committed since they were planned: nothing is moved then.
    """
    newest = plan.newest
    recover(job, newest)
    write_ticket(job.storage, job.name, ticket)
    commit = replace(
        commit_after(newest, ticket, "set_position", now_ms()),
        position=_with(newest.position, plan.moves),
        reason=reason,
    )
    append_commit(job, commit)
    publish_commit(job, commit)
    sweep(job.storage, job.name, commit.version, now_ms(), is_dead)
    return commit


def _newest(job: Job) -> Commit:
    newest = read_ledger(job)
    if newest is None:
        raise ConfigError(
            [f"job {job.name} has no position yet: the first run begins where `start` of the job file says"]
        )
    return newest


def _places(known: TopicPosition, topic: str, partition: int | None) -> Mapping[int, PartitionPosition]:
    if partition is None:
        return known.partitions
    if partition not in known.partitions:
        raise ConfigError([f"{topic}-{partition}: the job has not met this partition"])
    return {partition: known.partitions[partition]}


def _undone(now: PartitionPosition, old: PartitionPosition) -> PartitionPosition:
    return now.moved(old.next_offset, old.leader_epoch)


def _moves(
    job: Job, newest: Commit, moved: Mapping[TopicPartition, tuple[PartitionPosition, PartitionPosition]]
) -> Sequence[Move]:
    if not moved:
        return ()
    covered = read_older(job, newest.version).covered
    return [
        Move(partition, before, after, *_counts(partition, before, after, covered))
        for partition, (before, after) in sorted(moved.items())
    ]


def _counts(
    partition: TopicPartition, before: PartitionPosition, after: PartitionPosition, covered: Covered
) -> tuple[int, int]:
    """How many offsets are loaded again, and how many left out."""
    reached_offset = before.reached_offset or before.next_offset
    if after.next_offset < reached_offset:
        again = OffsetRange(partition.topic, partition.partition, after.next_offset, reached_offset)
        again_count = sum(part.offset_count for part, is_loaded in cut(again, covered) if is_loaded)
    else:
        again_count = 0
    skipped = OffsetRange(
        partition.topic,
        partition.partition,
        before.next_offset,
        max(before.next_offset, after.next_offset),
    )
    skipped_count = sum(part.offset_count for part, is_loaded in cut(skipped, covered) if not is_loaded)
    return again_count, skipped_count


def _with(position: Position, moves: Iterable[Move]) -> Position:
    places = {name: dict(topic.partitions) for name, topic in position.topics.items()}
    for move in moves:
        places[move.partition.topic][move.partition.partition] = move.after
    return Position({name: replace(each, partitions=places[name]) for name, each in position.topics.items()})
