"""The coverage gate: what stands between the tasks' answers and the commit.

The position moves to the end of every range that passes here, and nobody looks at those offsets again.
So nothing is believed: not that each split answered, not that it read what it was told, not that its
counts are possible, not that its files hold the rows it counted.

One answer is accepted per split, the first. Spark may run a split twice, by speculation or after it lost
an executor; each attempt has staged files of its own, and those of the others are dropped.

A topic that failed in any split is left out whole, and the other topics go on. Anything else that is not
exactly as planned is a bug, of this program or of what carried the answer: nothing is committed.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from heapq import nlargest
from itertools import pairwise

from loader.planning.bad_records import too_many_bad
from loader.planning.manifests import check_files, check_loaded, file_topic, gap, listed
from loader.values import DataFile, LoadedRange, RangeCounts, Split, SplitResult, SplitTiming
from loader.values.timings import MOST_RANGES_NAMED, MOST_SLOW_SPLITS


@dataclass(frozen=True, slots=True)
class AcceptedLoad:
    """What may be committed, and what must not.

    loaded         every planned range of every topic that did not fail, sorted, exactly once
    files          all files of these ranges
    failures       by topic, why it is left out; at least one error each
    rejected       answers of further attempts at a split that had answered
    dropped_files  staged, not to be published: files of failed topics and of rejected attempts
    slowest        the splits that took longest, the longest first, of those that loaded something
    """

    loaded: tuple[LoadedRange, ...]
    files: tuple[DataFile, ...]
    failures: Mapping[str, tuple[Exception, ...]]
    rejected: tuple[SplitResult, ...]
    dropped_files: tuple[DataFile, ...]
    slowest: tuple[SplitTiming, ...] = ()

    @property
    def counts(self) -> RangeCounts:
        """What became of all offsets."""
        return RangeCounts.total(loaded.counts for loaded in self.loaded)


def check_coverage(
    splits: Sequence[Split],
    results: Iterable[SplitResult],
    *,
    loss_allowed: bool = False,
    max_bad_records: Mapping[str, float] | None = None,
) -> AcceptedLoad:
    """Accept one result of each split, if together they explain every planned offset.

    splits           the plan, as it was given to the engine
    results          in the order of arrival
    loss_allowed     whether a person agreed to go on without offsets that were deleted from Kafka
    max_bad_records  by topic, how many that cannot be decoded it may have, as `too_many_bad` takes it

    Raises CoverageGap. A topic with too many bad records fails, like one that failed in a split.
    """
    _check_plan(splits)
    accepted, rejected = _first_of_each(splits, results)
    failures = _failures(splits, accepted)
    loaded: list[LoadedRange] = []
    files: list[DataFile] = []
    dropped = [file for result in rejected for file in result.files]
    for split in splits:
        result = accepted[split.index]
        planned = [wanted for wanted in split.ranges if wanted.topic not in failures]
        kept = [entry for entry in result.loaded if entry.range.topic not in failures]
        kept_files: list[DataFile] = []
        for file in result.files:
            failed = file_topic(f"split {split.index}", file) in failures
            (dropped if failed else kept_files).append(file)
        check_loaded(split, planned, kept, loss_allowed)
        check_files(split, kept, kept_files)
        loaded += kept
        files += kept_files
    # Only of counts that are explained: those of topics that failed tell nothing of the whole.
    told = [record for result in accepted.values() for record in result.bad_records]
    spoilt = too_many_bad(loaded, told, max_bad_records or {})
    failures |= {topic: (error,) for topic, error in spoilt.items()}
    loaded = [entry for entry in loaded if entry.range.topic not in spoilt]
    dropped += [file for file in files if file.ranges[0].topic in spoilt]
    files = [file for file in files if file.ranges[0].topic not in spoilt]
    _check_names(files, dropped)
    return AcceptedLoad(
        loaded=tuple(sorted(loaded, key=lambda entry: entry.range)),
        files=tuple(files),
        failures=failures,
        rejected=tuple(rejected),
        dropped_files=tuple(dropped),
        slowest=_slowest(accepted.values(), failures),
    )


def _check_plan(splits: Sequence[Split]) -> None:
    """No split twice, and every partition in one stretch of offsets: a piece lost between splits is a gap."""
    if len({split.index for split in splits}) != len(splits):
        raise gap("plan", "two splits have the same index")
    ordered = sorted(planned for split in splits for planned in split.ranges)
    for left, right in pairwise(ordered):
        if left.topic_partition == right.topic_partition and left.end_offset != right.start_offset:
            raise gap("plan", f"{left} is followed by {right}")


def _first_of_each(
    splits: Sequence[Split], results: Iterable[SplitResult]
) -> tuple[dict[int, SplitResult], list[SplitResult]]:
    """The result that counts for each split, and those that came too late."""
    known = {split.index for split in splits}
    accepted: dict[int, SplitResult] = {}
    rejected: list[SplitResult] = []
    by_attempt: dict[str, SplitResult] = {}
    for result in results:
        where = f"split {result.split_index}"
        if result.split_index not in known:
            raise gap(where, "gave a result, but was not planned")
        if not result.attempt_id:
            raise gap(where, "gave a result of no attempt")
        first = by_attempt.setdefault(result.attempt_id, result)
        if first is not result:
            # The same answer delivered twice is no second attempt: its files would be dropped as well.
            if _content(first) != _content(result):
                raise gap(
                    where, f"attempt {result.attempt_id} gave two answers, one for split {first.split_index}"
                )
            continue
        if accepted.setdefault(result.split_index, result) is not result:
            rejected.append(result)
    for split in splits:
        if split.index not in accepted:
            raise gap(f"split {split.index}", f"gave no result for {listed(split.ranges)}")
    return accepted, rejected


def _content(result: SplitResult) -> tuple[object, ...]:
    # Without the errors themselves: an exception is equal only to itself, and not after pickling.
    failed = tuple(failure.topic for failure in result.failures)
    return result.split_index, result.loaded, result.files, failed


def _failures(
    splits: Sequence[Split], accepted: Mapping[int, SplitResult]
) -> dict[str, tuple[Exception, ...]]:
    failures: defaultdict[str, tuple[Exception, ...]] = defaultdict(tuple)
    for split in splits:
        topics = {planned.topic for planned in split.ranges}
        for failure in accepted[split.index].failures:
            if failure.topic not in topics:
                raise gap(f"split {split.index}", f"reports a failure of {failure.topic}, not a topic of it")
            failures[failure.topic] += (failure.error,)
    return dict(failures)


def _slowest(results: Iterable[SplitResult], failures: Mapping[str, object]) -> tuple[SplitTiming, ...]:
    timings = []
    for result in results:
        loaded = [entry for entry in result.loaded if entry.range.topic not in failures]
        if result.duration_ms is None or not loaded:
            continue
        ranges = [entry.range for entry in loaded]
        timings.append(
            SplitTiming(
                ranges=tuple(nlargest(MOST_RANGES_NAMED, ranges, key=lambda each: each.offset_count)),
                range_count=len(ranges),
                duration_ms=result.duration_ms,
                fetched_bytes=sum(entry.fetched_bytes for entry in loaded),
                row_count=sum(entry.counts.row_count for entry in loaded),
                host=result.host,
            )
        )
    # By their ranges where they took alike, so that the order of arrival changes nothing.
    timings.sort(key=lambda each: (-each.duration_ms, each.ranges))
    return tuple(timings[:MOST_SLOW_SPLITS])


def _check_names(files: Sequence[DataFile], dropped: Sequence[DataFile]) -> None:
    """No two files meet in one place, and none that is kept is dropped under the same name."""
    paths, staged = set(), set()
    for file in files:
        if file.path in paths or file.staged_name in staged:
            raise gap("files", f"two files are {file.path}, staged as {file.staged_name}")
        paths.add(file.path)
        staged.add(file.staged_name)
    for file in dropped:
        if file.staged_name in staged:
            raise gap("files", f"{file.staged_name} is to be kept and to be dropped")
