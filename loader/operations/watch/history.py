"""What each commit did: the ledger, read back commit by commit. Asks no broker.

A ledger may have 100,000 commits: what is asked for is read, and no more.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import ConfigError
from loader.operations.job import Job
from loader.values import DataFile, Position, TopicPartition, layout
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class CommitSummary:
    """One commit in numbers; of all topics, or of one.

    offset_count        offsets of its ranges, whatever became of them
    row_count           rows that it loaded, or a replay recovered; rewriting rows that were there counts none
    removed_file_count  published files that it took away
    """

    version: int
    run_id: str
    operation: str
    started_at_ms: int | None
    committed_at_ms: int
    committed_by: str
    reason: str
    offset_count: int
    row_count: int
    quarantined_count: int
    lost_count: int
    file_count: int
    size_bytes: int
    removed_file_count: int


@dataclass(frozen=True, slots=True)
class Move:
    """Where a partition stood before and after; None where it was not known, or is no more."""

    partition: TopicPartition
    from_offset: int | None
    to_offset: int | None


@dataclass(frozen=True, slots=True)
class ColumnChange:
    """A column of a topic's table that is new, or has another type; None where it is not there."""

    topic: str
    column: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class CommitDetails:
    """All of one commit, and what it changed against the one before."""

    commit: Commit
    moves: tuple[Move, ...]
    columns: tuple[ColumnChange, ...]


@dataclass(frozen=True, slots=True)
class RemovedFile:
    """A published file that was taken away; `file` is None where no commit before tells what it was."""

    path: str
    file: DataFile | None


@dataclass(frozen=True, slots=True)
class Difference:
    """What lies between two commits: all that came after the older one, up to and with the newer one.

    commits  in numbers, oldest first
    added    files that are part of the data at the newer commit and were not at the older one
    removed  files that were part of the data at the older one and are no more
    """

    older: int
    newer: int
    commits: tuple[CommitSummary, ...]
    moves: tuple[Move, ...]
    added: tuple[DataFile, ...]
    removed: tuple[RemovedFile, ...]
    columns: tuple[ColumnChange, ...]


def read_history(job: Job, topic: str | None, commit_count: int) -> list[CommitSummary]:
    """The newest `commit_count` commits, oldest first; with a topic, the newest that touched it."""
    log = CommitLog(job.storage, job.name)
    found: list[CommitSummary] = []
    for version in reversed(log.versions()):
        if len(found) == commit_count:
            break
        commit = log.read(version)
        if topic is None or _touches(log, commit, topic):
            found.append(summary_of(commit, topic))
    return found[::-1]


def read_commit(job: Job, version: int) -> CommitDetails:
    """One commit, and what it changed. Raises ConfigError where there is none of that number."""
    log = CommitLog(job.storage, job.name)
    versions = log.versions()
    _require(job, versions, version)
    commit = log.read(version)
    before = log.read(version - 1) if version - 1 in versions else None
    return CommitDetails(
        commit,
        moves_between(before.position if before else Position(), commit.position),
        changed_columns(before.columns if before else {}, commit.columns),
    )


def read_difference(job: Job, older: int, newer: int) -> Difference:
    """What lies between two commits; 0 as the older one is the time before the first.

    Raises ConfigError where there is no commit of a number, or the older is not the older.
    """
    log = CommitLog(job.storage, job.name)
    versions = log.versions()
    if older >= newer:
        raise ConfigError(
            [f"history diff: the first number must be the lower one, found {older} and {newer}"]
        )
    _require(job, versions, newer)
    if older != 0 or versions[0] != 1:
        _require(job, versions, older)
    before = log.read(older) if older else None
    summaries = []
    added: dict[str, DataFile] = {}
    removed: list[str] = []
    for version in range(older + 1, newer + 1):
        commit = log.read(version)
        summaries.append(summary_of(commit))
        added.update({file.path: file for file in commit.files})
        removed += [path for path in commit.removed_files if added.pop(path, None) is None]
    known = _files_named(log, range(versions[0], older + 1), removed)
    return Difference(
        older=older,
        newer=newer,
        commits=tuple(summaries),
        moves=moves_between(before.position if before else Position(), commit.position),
        added=tuple(added.values()),
        removed=tuple(RemovedFile(path, known.get(path)) for path in removed),
        columns=changed_columns(before.columns if before else {}, commit.columns),
    )


def summary_of(commit: Commit, topic: str | None = None) -> CommitSummary:
    """A commit in numbers; with a topic, in those of that topic."""
    ranges = [each for each in commit.ranges if topic in (None, each.range.topic)]
    files = [each for each in commit.files if topic in (None, each.ranges[0].topic)]
    row_count = sum(loaded.counts.row_count for loaded in ranges)
    if commit.operation == "replay":
        row_count = sum(file.row_count for file in files if not file.is_quarantine)
    return CommitSummary(
        version=commit.version,
        run_id=commit.run_id,
        operation=commit.operation,
        started_at_ms=commit.started_at_ms,
        committed_at_ms=commit.committed_at_ms,
        committed_by=commit.committed_by,
        reason=commit.reason,
        offset_count=sum(loaded.range.offset_count for loaded in ranges),
        row_count=row_count,
        quarantined_count=sum(loaded.counts.quarantined_count for loaded in ranges),
        lost_count=sum(loaded.counts.lost_count for loaded in ranges),
        file_count=len(files),
        size_bytes=sum(file.size_bytes for file in files),
        removed_file_count=len(list(_removed(commit, topic))),
    )


def moves_between(before: Position, after: Position) -> tuple[Move, ...]:
    """The partitions whose next offset is not the same, in order."""
    partitions = sorted({partition for position in (before, after) for partition, _ in position})
    moves = []
    for partition in partitions:
        old, new = before.of(partition), after.of(partition)
        from_offset, to_offset = (None if place is None else place.next_offset for place in (old, new))
        if from_offset != to_offset:
            moves.append(Move(partition, from_offset, to_offset))
    return tuple(moves)


def changed_columns(
    before: Mapping[str, StructType], after: Mapping[str, StructType]
) -> tuple[ColumnChange, ...]:
    """The columns that are new, gone or of another type, by topic."""
    changes = []
    for topic in sorted({*before, *after}):
        old, new = (dict(each[topic].fields) if topic in each else {} for each in (before, after))
        for column in dict.fromkeys([*old, *new]):
            types = [str(each[column]) if column in each else None for each in (old, new)]
            if types[0] != types[1]:
                changes.append(ColumnChange(topic, column, types[0], types[1]))
    return tuple(changes)


def _require(job: Job, versions: Sequence[int], version: int) -> None:
    if version not in versions:
        there = f"there are {versions[0]} to {versions[-1]}" if versions else "it has not run yet"
        raise ConfigError([f"history: job {job.name} has no commit {version}: {there}"])


def _touches(log: CommitLog, commit: Commit, topic: str) -> bool:
    if any(each.range.topic == topic for each in commit.ranges):
        return True
    if any(file.ranges[0].topic == topic for file in commit.files) or any(_removed(commit, topic)):
        return True
    if commit.operation != "set_position" or commit.version == 1:
        return False
    before = log.read(commit.version - 1).position.topics.get(topic)
    return before != commit.position.topics.get(topic)


def _removed(commit: Commit, topic: str | None) -> Iterator[str]:
    if topic is None:
        yield from commit.removed_files
        return
    folders = f"{layout.topic_folder(topic)}/", f"{layout.quarantine_folder(topic)}/"
    yield from (path for path in commit.removed_files if path.startswith(folders))


def _files_named(log: CommitLog, versions: range, paths: Iterable[str]) -> dict[str, DataFile]:
    """What commits say of files, from the newest down to where all are found."""
    wanted = set(paths)
    found: dict[str, DataFile] = {}
    for version in reversed(versions):
        if not wanted - found.keys():
            break
        found.update({file.path: file for file in log.read(version).files if file.path in wanted})
    return found
