"""What a stretch of commits did, added up by time and topic: its size does not grow with the ledger's.

Commits are read from the newest back: of what a later commit took away the names are known by then, so no
list of all files is kept.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from heapq import nlargest

from loader.commits.record import Commit
from loader.operations.watch.history import CommitSummary, moves_between, summary_of
from loader.operations.watch.time_grid import TimeGrid
from loader.operations.watch.topic_times import TopicTimes
from loader.values import OffsetRange, PartitionPosition, RangeCounts, SplitTiming, TopicPartition

MOST_LISTED = 20
"""Losses, moved positions: the newest are listed one by one, all are counted."""

MOST_SLOW_SPLITS = 10


@dataclass(frozen=True, slots=True)
class CommitMark:
    """Which commit something is of."""

    version: int
    committed_at_ms: int
    operation: str
    committed_by: str
    reason: str


@dataclass(frozen=True, slots=True)
class Loss:
    """Offsets that a commit recorded as lost, with a person's leave."""

    range: OffsetRange
    commit: CommitMark


@dataclass(frozen=True, slots=True)
class PositionMove:
    """A partition whose position a person moved.

    skipped_count  offsets that nothing had loaded then, and that the position passed over
    """

    partition: TopicPartition
    from_offset: int
    to_offset: int
    skipped_count: int
    commit: CommitMark


@dataclass(frozen=True, slots=True)
class SlowSplit:
    """A split, and the commit that it is of."""

    timing: SplitTiming
    commit: CommitMark


@dataclass(slots=True)
class Activity:
    """Sums over commits; `add` takes them from the newest back, each once.

    commits      in numbers, newest first
    waiting      by cell of the grid and topic, the most offsets that a run found waiting as it began
    left         by cell, the most that a run left waiting, of all topics
    quarantined  by cell and topic, records that could not be decoded
    counts       by topic, what became of all offsets that were loaded
    times        rows of the files that are still part of the data, by record time
    """

    grid: TimeGrid
    commits: list[CommitSummary] = field(default_factory=list)
    waiting: dict[tuple[int, str], int] = field(default_factory=dict)
    left: dict[int, int] = field(default_factory=dict)
    quarantined: Counter[tuple[int, str]] = field(default_factory=Counter)
    counts: dict[str, RangeCounts] = field(default_factory=dict)
    times: TopicTimes = field(default_factory=TopicTimes)
    losses: list[Loss] = field(default_factory=list)
    loss_count: int = 0
    moves: list[PositionMove] = field(default_factory=list)
    move_count: int = 0
    skipped_count: int = 0
    slowest: list[SlowSplit] = field(default_factory=list)
    _removed: set[str] = field(default_factory=set)

    def add(self, commit: Commit, before: Commit | None) -> None:
        """Take the next older commit. `before` is the one before it, for what a moved position was."""
        cell = self.grid.start_of(commit.committed_at_ms)
        mark = CommitMark(
            commit.version, commit.committed_at_ms, commit.operation, commit.committed_by, commit.reason
        )
        self.commits.append(summary_of(commit))
        self._add_files(commit)
        self._add_ranges(commit, cell, mark)
        if commit.operation == "load":
            self._add_waiting(commit, cell)
        if commit.operation == "set_position" and before is not None:
            self._add_moves(commit, before, mark)
        slow = [*self.slowest, *(SlowSplit(timing, mark) for timing in commit.slowest_splits)]
        self.slowest = nlargest(MOST_SLOW_SPLITS, slow, key=lambda each: each.timing.duration_ms)

    def _add_files(self, commit: Commit) -> None:
        self._removed.update(commit.removed_files)
        for file in commit.files:
            if file.path in self._removed:
                self._removed.remove(file.path)
            elif not file.is_quarantine:
                self.times.add(file)

    def _add_ranges(self, commit: Commit, cell: int, mark: CommitMark) -> None:
        by_topic: defaultdict[str, list[RangeCounts]] = defaultdict(list)
        for loaded in commit.ranges:
            by_topic[loaded.range.topic].append(loaded.counts)
            self.loss_count += len(loaded.lost_ranges)
            room = MOST_LISTED - len(self.losses)
            self.losses += [Loss(lost, mark) for lost in loaded.lost_ranges[:room]]
        for topic, counts in by_topic.items():
            total = RangeCounts.total(counts)
            self.counts[topic] = self.counts.get(topic, RangeCounts()) + total
            # What a repair found is older than its commit: it says nothing of that time.
            if total.quarantined_count and commit.operation != "repair":
                self.quarantined[cell, topic] += total.quarantined_count

    def _add_waiting(self, commit: Commit, cell: int) -> None:
        found: Counter[str] = Counter()
        left = 0
        for ends in _partitions(commit).values():
            found[ends.topic] += ends.log_end_offset - ends.start_offset
            left += max(ends.log_end_offset - ends.end_offset, 0)
        if not found:
            return
        for topic, count in found.items():
            self.waiting[cell, topic] = max(self.waiting.get((cell, topic), 0), count)
        self.left[cell] = max(self.left.get(cell, 0), left)

    def _add_moves(self, commit: Commit, before: Commit, mark: CommitMark) -> None:
        for move in moves_between(before.position, commit.position):
            if move.from_offset is None or move.to_offset is None:
                continue
            place = before.position.of(move.partition) or PartitionPosition(move.from_offset)
            reached = max(place.next_offset, place.reached_offset or 0)
            skipped = max(move.to_offset - reached, 0)
            self.move_count += 1
            self.skipped_count += skipped
            if len(self.moves) < MOST_LISTED:
                self.moves.append(
                    PositionMove(move.partition, move.from_offset, move.to_offset, skipped, mark)
                )


@dataclass(slots=True)
class _Ends:
    topic: str
    start_offset: int
    end_offset: int
    log_end_offset: int


def _partitions(commit: Commit) -> dict[TopicPartition, _Ends]:
    """Of each partition the whole stretch that was loaded; it may lie in several ranges."""
    found: dict[TopicPartition, _Ends] = {}
    for loaded in commit.ranges:
        if loaded.log_end_offset is None:
            continue
        wanted = loaded.range
        ends = found.setdefault(
            wanted.topic_partition,
            _Ends(wanted.topic, wanted.start_offset, wanted.end_offset, loaded.log_end_offset),
        )
        ends.start_offset = min(ends.start_offset, wanted.start_offset)
        ends.end_offset = max(ends.end_offset, wanted.end_offset)
        ends.log_end_offset = max(ends.log_end_offset, loaded.log_end_offset)
    return found


def largest_topics(sizes: Iterable[tuple[str, int]], most: int) -> Sequence[str]:
    """The topics with most, the largest first; by name where they are alike."""
    totals: Counter[str] = Counter()
    for topic, size in sizes:
        totals[topic] += size
    return sorted(totals, key=lambda topic: (-totals[topic], topic))[:most]
