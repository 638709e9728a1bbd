"""What a run did, as a value."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from loader.commits.record import Commit
from loader.errors import gravest_exit_status
from loader.operations.plan import LoadPlan


@dataclass(frozen=True, slots=True)
class LoadedTopic:
    """What a run did of one topic.

    partition_count  of those that had offsets to load
    size_bytes       of the files
    lag_offsets      that could be read when the run was planned, and are not loaded: limits or a failure left
                     them out
    """

    topic: str
    partition_count: int
    row_count: int
    file_count: int
    size_bytes: int
    lag_offsets: int


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What a run did.

    commit     None when there was nothing new, or nothing that could be loaded
    failures   by topic, why nothing of it was committed
    recovered  version of a commit whose publishing this run finished
    swept      run ids of dead runs whose files this run removed
    """

    run_id: str
    plan: LoadPlan
    commit: Commit | None
    failures: Mapping[str, tuple[Exception, ...]] = field(default_factory=dict)
    recovered: int | None = None
    swept: tuple[str, ...] = ()

    @property
    def exit_status(self) -> int:
        """0, or the gravest of what topics failed with; 3 when partitions gave no answer this time."""
        errors = (error for errors in self.failures.values() for error in errors)
        return gravest_exit_status(errors, some_unanswered=bool(self.plan.unlisted))

    @property
    def topics(self) -> tuple[LoadedTopic, ...]:
        """Of each topic of which something was loaded, or is left."""
        ranges = self.commit.ranges if self.commit else ()
        loaded = [each for each in ranges if each.range.offset_count]
        partitions = Counter(each.range.topic for each in loaded)
        rows: Counter[str] = Counter()
        left: Counter[str] = Counter()
        for each in self.plan.partitions:
            left[each.range.topic] += each.range.offset_count
        for done in loaded:
            rows[done.range.topic] += done.counts.row_count
            left[done.range.topic] -= done.range.offset_count
        files: Counter[str] = Counter()
        sizes: Counter[str] = Counter()
        for file in self.commit.files if self.commit else ():
            files[file.ranges[0].topic] += 1
            sizes[file.ranges[0].topic] += file.size_bytes
        names = sorted(partitions.keys() | {topic for topic, count in left.items() if count})
        return tuple(
            LoadedTopic(name, partitions[name], rows[name], files[name], sizes[name], left[name])
            for name in names
        )
