"""Whether the commits of a job follow from one another: no number missing, no offset left out or doubled.

Asks the ledger only. What a load loaded begins where the position stood, and leads to the position after it;
only a person moves it otherwise, and the commit says so. Offsets are loaded again only in the place of what
they were before. Where a commit is missing or damaged, the ones after it are judged from their own beginning.
"""

from collections.abc import Iterable

from loader.commits.identity import read_identity
from loader.commits.log import CommitLog
from loader.commits.markers import read_marker
from loader.commits.record import Commit
from loader.errors import REPAIR, LedgerDamaged, PathNotFound, StorageUnavailable
from loader.operations.job import Job
from loader.operations.proof.findings import RESTORE, Findings
from loader.operations.proof.ledger import Ledger, LoadedPartition
from loader.planning.covered import cut
from loader.values import (
    LoadedRange,
    OffsetRange,
    PartitionPosition,
    Position,
    TopicPosition,
    layout,
)

LEDGER_CHOICES = (RESTORE, REPAIR)


def prove_ledger(job: Job, findings: Findings) -> Ledger:
    """Read every commit and hold it against the ones before.

    Raises LedgerDamaged where there were commits and none can be read: then nothing else can be looked at.
    """
    log = CommitLog(job.storage, job.name)
    first = read_marker(job.storage, layout.first_folder(job.name)) or 1
    last = read_marker(job.storage, layout.newest_folder(job.name))
    numbers = log.numbers()  # after the markers: what a run commits meanwhile is not missing
    if not numbers and not last:
        return Ledger()
    job_id = _job_id(job, findings)
    chain = _Chain(job, job_id)
    expected = first
    for number in numbers:
        if number < first:  # a repair began anew behind it, and keeps it for a person to look at
            continue
        if number > expected:
            chain.miss(expected, number - 1, number)
        expected = number + 1
        try:
            commit = log.read(number)
        except (LedgerDamaged, PathNotFound) as error:
            chain.tell_damaged(number, error)
            continue
        if commit.operation == "repair":  # it holds all that was loaded: what is before it counts no more
            chain = _Chain(job, job_id)
        chain.take(commit)
    if last >= expected:
        chain.miss(expected, last, last)
    if not chain.ledger.versions:
        log.newest()  # raises what is wrong with it
        raise StorageUnavailable(f"the ledger of job {job.name} was changed while it was read: look again")
    chain.end()
    findings.problems += chain.findings.problems
    return chain.ledger


def _job_id(job: Job, findings: Findings) -> str:
    """By the identity document; "" where it does not tell."""
    path = layout.identity_path(job.name)
    try:
        identity = read_identity(job.storage, job.name)
    except LedgerDamaged as error:
        findings.problem("commit", error.args[0], path, LEDGER_CHOICES)
        return ""
    if identity is None:
        message = f"{job.storage.url}/{path} is missing, though there are commits: no run can go on"
        findings.problem("commit", message, path, LEDGER_CHOICES)
        return ""
    return identity.job_id


class _Chain:
    """Commits, one after the other.

    The position before the next commit is what the ranges so far lead to, whatever a commit says; None
    behind one that cannot be read.
    """

    def __init__(self, job: Job, job_id: str) -> None:
        self.ledger = Ledger(job_id)
        self.findings = Findings()
        self._folder = layout.commits_folder(job.name)
        self._url = f"{job.storage.url}/{self._folder}"
        self._job = job.name
        self._position: Position | None = Position()

    def tell(self, message: str, version: int | None = None, kind: str = "commit") -> None:
        path = None if version is None else layout.commit_path(self._job, version)
        said = f"{self._url} {message}" if version is None else f"commit {version}: {message}"
        self.findings.problem(kind, said, path, LEDGER_CHOICES)

    def tell_damaged(self, version: int, error: Exception) -> None:
        self._position = None
        self.ledger.damaged.add(version)
        path = layout.commit_path(self._job, version)
        self.findings.problem("commit", str(error.args[0]), path, LEDGER_CHOICES)

    def miss(self, first: int, last: int, made: int) -> None:
        self._position = None
        named = f"commit {first}" if first == last else f"commits {first} to {last}"
        self.tell(f"has no {named}, though {made} was made")

    def take(self, commit: Commit) -> None:
        ledger = self.ledger
        if not ledger.versions:
            ledger.job_id = ledger.job_id or commit.job_id
        if commit.job_id != ledger.job_id:
            self.tell(f"is of job id {commit.job_id}, the ledger of {ledger.job_id}", commit.version)
        if ledger.newest is not None and commit.cluster_id != ledger.newest.cluster_id:
            self.tell(
                f"is of Kafka cluster {commit.cluster_id}, the ones before of {ledger.newest.cluster_id}",
                commit.version,
            )
        for loaded in sorted(commit.ranges, key=lambda each: each.range):
            self._take_range(commit, loaded)
        self._take_position(commit)
        ledger.take_files(commit)
        ledger.versions.append(commit.version)
        ledger.newest = commit

    def end(self) -> None:
        """After the last commit: its position leaves no offset out that no commit tells of."""
        newest = self.ledger.newest
        for partition, place in newest.position if newest else ():
            known = self.ledger.partitions.get(partition)
            reached = known.next_offset if known else 0
            if reached < place.next_offset and (known or self._position is None):
                hole = OffsetRange(partition.topic, partition.partition, reached, place.next_offset)
                self._tell_hole(hole, "the position")

    def _take_range(self, commit: Commit, loaded: LoadedRange) -> None:
        version, wanted, counts = commit.version, loaded.range, loaded.counts
        if counts.explained_count != wanted.offset_count:
            self.tell(
                f"{wanted} has {wanted.offset_count} offsets, but its counts explain"
                f" {counts.explained_count}",
                version,
                "counts",
            )
        known = self.ledger.partitions.setdefault(
            wanted.topic_partition,
            LoadedPartition(wanted.start_offset, wanted.start_offset, wanted.start_offset),
        )
        if commit.operation != "backfill" and known.next_offset > wanted.start_offset:
            self.tell(
                f"{wanted} begins below offset {known.next_offset}, up to which commits before it have"
                " loaded",
                version,
                "range-overlap",
            )
        else:
            self._prove_again(version, loaded, known)
        if commit.operation != "backfill":
            if known.next_offset < wanted.start_offset and commit.operation != "repair":
                hole = OffsetRange(wanted.topic, wanted.partition, known.next_offset, wanted.start_offset)
                self._tell_hole(hole, f"commit {version}")
            known.next_offset = max(known.next_offset, wanted.end_offset)
        known.take(loaded)

    def _prove_again(self, version: int, loaded: LoadedRange, known: LoadedPartition) -> None:
        """Offsets that were loaded before are loaded again only in their place, and others never are."""
        wanted = loaded.range
        parts = list(cut(wanted, {wanted.topic_partition: known.stretches}))
        if loaded.replaced is None:
            for part, is_covered in parts:
                if is_covered:
                    self.tell(
                        f"{wanted} has {part}, which commits before it have loaded", version, "range-overlap"
                    )
        elif not all(is_covered for _, is_covered in parts):
            self.tell(
                f"{wanted} replaces offsets that no commit before it has loaded", version, "range-overlap"
            )

    def _tell_hole(self, hole: OffsetRange, behind: str) -> None:
        self.tell(
            f"tells nothing of {hole}, {hole.offset_count} offsets before those of {behind}",
            kind="range-hole",
        )

    def _take_position(self, commit: Commit) -> None:
        stated = commit.position
        ranges = [] if commit.operation == "backfill" else [loaded.range for loaded in commit.ranges]
        before = _before(stated, ranges) if self._position is None else self._position
        ids = {loaded.topic: _topic_id(stated, loaded.topic) for loaded in ranges}
        for topic, known in before.topics.items():
            if ids.get(topic, known.topic_id) != known.topic_id:
                self.tell(
                    f"{topic} has topic id {ids[topic]}, but {known.topic_id} in the commit before",
                    commit.version,
                    "position",
                )
        try:
            self._position = before.advanced(ranges, ids, {place: at.leader_epoch for place, at in stated})
        except ValueError:  # a hole or an overlap, which is told where the ranges are
            self._position = stated
        if commit.operation == "set_position":
            self._position = _moved(self._position, stated)
        if commit.operation == "repair":  # what a person skipped is in none of its ranges; what is lost, is
            self._position = stated
        if commit.operation in ("set_position", "repair"):
            for partition, place in stated:
                if partition in self.ledger.partitions:
                    self.ledger.partitions[partition].next_offset = place.next_offset
        expected, found = dict(self._position), dict(stated)
        wrong = [
            f"{partition} {_said(found.get(partition))}, not {_said(expected.get(partition))}"
            for partition in sorted({*expected, *found})
            if found.get(partition) != expected.get(partition)
        ]
        if wrong:
            self.tell(
                f"its position is not where its ranges lead to: {'; '.join(wrong[:5])}"
                f"{' …' if len(wrong) > 5 else ''}",
                commit.version,
                "position",
            )


def _moved(before: Position, stated: Position) -> Position:
    """The position after a person moved partitions to where `stated` has them."""
    places: dict[str, dict[int, PartitionPosition]] = {}
    for partition, place in before:
        to = stated.of(partition)
        is_moved = to is not None and to.next_offset != place.next_offset
        found = place.moved(to.next_offset, to.leader_epoch) if to is not None and is_moved else place
        places.setdefault(partition.topic, {})[partition.partition] = found
    return Position(
        {name: TopicPosition(topic.topic_id, places.get(name, {})) for name, topic in before.topics.items()}
    )


def _said(place: PartitionPosition | None) -> str:
    if place is None:
        return "none"
    reached = "" if place.reached_offset is None else f", reached {place.reached_offset}"
    return f"{place.next_offset} (leader epoch {place.leader_epoch}{reached})"


def _topic_id(position: Position, topic: str) -> str:
    known = position.topics.get(topic)
    return known.topic_id if known else ""


def _before(position: Position, ranges: Iterable[OffsetRange]) -> Position:
    """A position without what the ranges led to; where the partitions of `ranges` stood, is left open."""
    touched = {loaded.topic_partition for loaded in ranges}
    topics: dict[str, dict[int, PartitionPosition]] = {name: {} for name in position.topics}
    for partition, place in position:
        if partition not in touched:
            topics[partition.topic][partition.partition] = place
    return Position(
        {name: TopicPosition(position.topics[name].topic_id, places) for name, places in topics.items()}
    )
