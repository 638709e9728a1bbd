"""Whether all that was produced before some moment is loaded and visible, by topic, partition and hour.

A partition has passed a moment when every record that Kafka holds from before it is in published files. One
that has nothing unread, also one that nobody writes to, has passed the moment at which its end was asked for:
planning/completeness.py. A topic has passed it when every partition has; where one did not answer, or the
topic cannot be loaded, that is not known, and counts as not passed.

Lateness is how long records may take from their timestamp to Kafka: so much is taken off. Whatever comes even
later is loaded as ever, into the hour of its timestamp, and the history shows when.
"""

import os
import re
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from loader.commits.publish import is_published
from loader.config.times import RecordTime
from loader.errors import BrokerUnavailable, ConfigError, LoaderError, PathExists, PathNotFound
from loader.operations.job import Job
from loader.operations.watch.standing import PartitionStanding, TopicStanding, read_standing
from loader.planning.completeness import all_complete_up_to
from loader.values import TopicPartition, layout

HOUR_MS = 3_600_000

POLL_S = 5.0
"""Between two looks of one who waits."""

MARKER = "_COMPLETE"
"""An empty file of this name stands in a folder of time that is complete. Readers skip it by its name."""

_DAY = re.compile(r"dt=\d{4}-\d{2}-\d{2}")
_HOUR = re.compile(r"hour=\d{2}")


@dataclass(frozen=True, slots=True)
class PartitionCompleteness:
    """One partition.

    complete_up_to_ms  exclusive, lateness taken off; None where it is not known
    next_offset        the first offset that is not loaded, None where no commit has met the partition
    lag_offsets        how many offsets wait; None where it is not known
    held_back_offsets  more offsets that wait, behind an open transaction
    """

    partition: TopicPartition
    complete_up_to_ms: int | None
    next_offset: int | None
    lag_offsets: int | None
    held_back_offsets: int

    def has_passed(self, until_ms: int) -> bool:
        """Whether all from before a moment is loaded."""
        return self.complete_up_to_ms is not None and self.complete_up_to_ms >= until_ms


@dataclass(frozen=True, slots=True)
class TopicCompleteness:
    """One topic. failure: why it cannot be loaded at all, if so."""

    topic: str
    partitions: tuple[PartitionCompleteness, ...]
    failure: LoaderError | None = None

    @property
    def complete_up_to_ms(self) -> int | None:
        """That of all partitions together; None where it is not known."""
        if self.failure is not None:
            return None
        return all_complete_up_to(each.complete_up_to_ms for each in self.partitions)

    def has_passed(self, until_ms: int) -> bool:
        """Whether all from before a moment is loaded."""
        up_to_ms = self.complete_up_to_ms
        return up_to_ms is not None and up_to_ms >= until_ms

    def missing(self, until_ms: int) -> list[PartitionCompleteness]:
        """The partitions that have not passed a moment."""
        return [each for each in self.partitions if not each.has_passed(until_ms)]


@dataclass(frozen=True, slots=True)
class Completeness:
    """The topics of a job, as they were at a moment.

    unpublished_version  a commit whose files are not all visible yet, if there is one: then nothing is
                         complete
    """

    asked_at_ms: int
    topics: tuple[TopicCompleteness, ...]
    unpublished_version: int | None = None

    @property
    def complete_up_to_ms(self) -> int | None:
        """That of all topics together; None where it is not known."""
        if self.unpublished_version is not None:
            return None
        return all_complete_up_to(each.complete_up_to_ms for each in self.topics)

    def has_passed(self, until_ms: int) -> bool:
        """Whether all from before a moment is loaded and visible."""
        up_to_ms = self.complete_up_to_ms
        return up_to_ms is not None and up_to_ms >= until_ms


def read_completeness(
    job: Job, topic: str | None, lateness_ms: int, now_ms: Callable[[], int]
) -> Completeness:
    """Ask the ledger and Kafka; of one topic, or of all that the job loads.

    Raises what `read_standing` raises, and ConfigError for a topic that the job does not load.
    """
    standing = read_standing(job, len(os.sched_getaffinity(0)), now_ms)
    failures = standing.outlook.plan.failures
    unlisted = set(standing.outlook.plan.unlisted)
    topics = {
        each.topic: _topic(each, unlisted, failures.get(each.topic), lateness_ms) for each in standing.topics
    }
    for name in {partition.topic for partition in unlisted} | failures.keys():
        topics.setdefault(name, TopicCompleteness(name, (), failures.get(name)))
    if topic is not None and topic not in topics:
        raise ConfigError([f"--topic {topic}: this job loads no topic of that name"])
    newest = standing.newest
    is_visible = newest is None or is_published(job.storage, job.name, newest)
    return Completeness(
        standing.outlook.asked_at_ms,
        tuple(topics[name] for name in sorted(topics) if topic in (None, name)),
        None if newest is None or is_visible else newest.version,
    )


def wait_until_passed(
    read: Callable[[], Completeness],
    until_ms: int,
    seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> Completeness:
    """Look again until all is complete up to `until_ms`, or the seconds are over; the last look.

    Brokers that do not answer are asked again, too. Raises BrokerUnavailable where none has answered at all.
    """
    give_up_s = clock() + seconds
    while True:
        found, failure = None, None
        try:
            found = read()
        except BrokerUnavailable as error:
            failure = error
        if found is not None and found.has_passed(until_ms):
            return found
        left_s = give_up_s - clock()
        if left_s <= 0:
            if found is None:
                assert failure is not None  # noqa: S101 - one of the two is there
                raise failure
            return found
        sleep(min(POLL_S, left_s))


def mark_complete(job: Job, completeness: Completeness) -> list[str]:
    """Put a marker into every folder of an hour, or day, that is complete; the paths of those that are new.

    From the newest folder down to the first day whose folders all have theirs, so that it costs little. Only
    where rows lie by the record's time. A marker stays when late rows come; nothing here removes one.
    """
    if job.config.write.partition_by == "none":
        raise ConfigError(
            ["--mark: write.partition_by is none, so there are no folders of hours or days to put markers in"]
        )
    if completeness.unpublished_version is not None:
        return []
    marked: list[str] = []
    for topic in completeness.topics:
        config = job.config.topic_config(topic.topic)
        up_to_ms = topic.complete_up_to_ms
        if up_to_ms is not None and config is not None and isinstance(config.time, RecordTime):
            marked += _mark_topic(job, topic.topic, up_to_ms)
    return sorted(marked)


def _topic(
    standing: TopicStanding,
    unlisted: Iterable[TopicPartition],
    failure: LoaderError | None,
    lateness_ms: int,
) -> TopicCompleteness:
    known = {each.partition for each in standing.partitions}
    silent = [
        PartitionCompleteness(partition, None, None, None, 0)
        for partition in unlisted
        if partition.topic == standing.topic and partition not in known
    ]
    partitions = [*(_partition(each, lateness_ms) for each in standing.partitions), *silent]
    return TopicCompleteness(
        standing.topic, tuple(sorted(partitions, key=lambda each: each.partition)), failure
    )


def _partition(standing: PartitionStanding, lateness_ms: int) -> PartitionCompleteness:
    waiting = standing.waiting
    up_to_ms = waiting.complete_up_to_ms if waiting else None
    return PartitionCompleteness(
        standing.partition,
        None if up_to_ms is None else up_to_ms - lateness_ms,
        standing.next_offset,
        waiting.lag_offsets if waiting else None,
        waiting.held_back_offsets if waiting else 0,
    )


def _mark_topic(job: Job, topic: str, up_to_ms: int) -> Iterator[str]:
    folder, partition_by = layout.topic_folder(topic), job.config.write.partition_by
    still_open = layout.time_folder(partition_by, up_to_ms // HOUR_MS)
    for day in sorted(_names(job, folder), reverse=True):
        if not _DAY.fullmatch(day):
            continue
        hours = [day]
        if partition_by == "hour":
            hours = [f"{day}/{hour}" for hour in _names(job, f"{folder}/{day}") if _HOUR.fullmatch(hour)]
        closed = [f"{folder}/{each}" for each in hours if each < still_open]
        new = [path for each in closed if (path := _mark(job, each)) is not None]
        yield from new
        if closed and not new:
            break


def _names(job: Job, folder: str) -> Sequence[str]:
    try:
        return job.storage.names(folder)
    except PathNotFound:
        return ()


def _mark(job: Job, folder: str) -> str | None:
    """The path of the marker, where there was none and there are rows."""
    names = _names(job, folder)
    if MARKER in names or not any(name.endswith(".parquet") for name in names):
        return None
    path = f"{folder}/{MARKER}"
    try:
        with job.storage.create(path):
            pass
    except PathExists:
        return None  # another has just made it
    return path
