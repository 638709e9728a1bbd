"""What all commits of a ledger say, taken together."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from loader.commits.record import Commit
from loader.values import LoadedRange, OffsetRange, RangeCounts, TopicPartition, united


@dataclass(slots=True)
class LoadedPartition:
    """What all commits together loaded of one partition.

    next_offset  where the commits so far lead to
    counts       of each offset once, as it was loaded last
    stretches    the offsets that were loaded, in order and apart
    """

    start_offset: int
    end_offset: int
    next_offset: int
    counts: RangeCounts = field(default_factory=RangeCounts)
    stretches: list[OffsetRange] = field(default_factory=list)

    def take(self, loaded: LoadedRange) -> None:
        """Add a range, in whatever order they come."""
        wanted = loaded.range
        self.start_offset = min(self.start_offset, wanted.start_offset)
        self.end_offset = max(self.end_offset, wanted.end_offset)
        self.counts += loaded.counts - (loaded.replaced or RangeCounts())
        if wanted.offset_count:
            last = self.stretches[-1:] if self.stretches[-1:] < [wanted] else self.stretches
            self.stretches[len(self.stretches) - len(last) :] = united([*last, wanted])


@dataclass(slots=True)
class Ledger:
    """The commits that count and can be read, taken together.

    job_id      "" where there is no commit
    newest      None where there is no commit
    damaged     numbers of commits that cannot be read
    listed      the files that some commit added and none took away: by path, which commit added it
    removed     paths of those that were taken away
    together    commits that took files of others away, each with those others: only together do their files
                hold the rows that they count
    """

    job_id: str = ""
    versions: list[int] = field(default_factory=list)
    newest: Commit | None = None
    damaged: set[int] = field(default_factory=set)
    listed: dict[str, int] = field(default_factory=dict)
    removed: set[str] = field(default_factory=set)
    together: list[set[int]] = field(default_factory=list)
    partitions: dict[TopicPartition, LoadedPartition] = field(default_factory=dict)

    def take_files(self, commit: Commit) -> None:
        """Note the files that a commit added and took away."""
        self.listed |= {file.path: commit.version for file in commit.files}
        adders = {self.listed.pop(path, commit.version) for path in commit.removed_files}
        if adders:
            self.together.append({commit.version, *adders})
        self.removed |= {*commit.removed_files}

    @property
    def topic_ids(self) -> dict[str, str]:
        """Of every topic that was loaded."""
        topics = self.newest.position.topics if self.newest else {}
        return {name: topic.topic_id for name, topic in topics.items()}


def connected(versions: Sequence[int], together: Iterable[set[int]]) -> list[list[int]]:
    """Versions in groups, each in order: those together that are so by way of others too; the rest alone."""
    leads = {version: version for version in versions}

    def lead_of(version: int) -> int:
        while leads[version] != version:
            leads[version] = version = leads[leads[version]]
        return version

    for group in together:
        known = [lead_of(version) for version in group if version in leads]
        for lead in known:
            leads[lead] = min(known)
    groups: dict[int, list[int]] = {}
    for version in versions:
        groups.setdefault(lead_of(version), []).append(version)
    return list(groups.values())
