"""What a run would load, worked out once: `plan` prints it, `run` carries it out.

Nothing is written, and no engine is started.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from loader.commits.identity import read_identity
from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.errors import (
    LOAD_APART,
    REPAIR,
    RUN_AGAIN,
    AccessDenied,
    LedgerDamaged,
    LoaderError,
    PathNotFound,
    TopicVanished,
)
from loader.kafka_source.client import KafkaClient
from loader.kafka_source.epochs import read_epoch_ends
from loader.kafka_source.metadata import ClusterListing, read_listing
from loader.kafka_source.watermarks import read_bounds
from loader.operations.estimates import estimate_sizes
from loader.operations.job import Job
from loader.operations.starts import first_offsets_of
from loader.planning.bounds import TopicBounds
from loader.planning.limits import LimitedRanges, apply_limits
from loader.planning.ranges import PlannedPartition, plan_topic
from loader.planning.splits import make_splits
from loader.storage.protocol import FileStatus
from loader.values import LoadedRange, OffsetRange, Position, Split, TopicPartition, layout
from loader.values.column_types import StructType


@dataclass(frozen=True, slots=True)
class LoadPlan:
    """A plan as a value.

    base_version  the newest commit it builds on, 0 for none
    partitions    every partition that could be asked, also those with nothing new
    splits        the tasks, with the limits applied
    limited       what the limits let through, and what they leave to the next runs
    columns       of the tables of topics with typed rows, as the newest commit has them
    failures      topics that cannot be loaded, and why; the others go on
    unlisted      partitions that gave no answer, and why; they keep their position
    """

    job: str
    cluster_id: str
    base_version: int
    position: Position
    partitions: tuple[PlannedPartition, ...]
    splits: tuple[Split, ...]
    limited: LimitedRanges
    topic_ids: Mapping[str, str]
    columns: Mapping[str, StructType] = field(default_factory=dict)
    failures: Mapping[str, LoaderError] = field(default_factory=dict)
    unlisted: Mapping[TopicPartition, str] = field(default_factory=dict)

    @property
    def offset_count(self) -> int:
        """How many offsets this run would load; records may be fewer."""
        return sum(sized.offset_count for sized in self.limited.ranges)

    @property
    def estimated_bytes(self) -> int:
        """Of the log, as compressed there."""
        return sum(sized.estimated_bytes for sized in self.limited.ranges)

    @property
    def beginnings(self) -> tuple[OffsetRange, ...]:
        """Empty ranges that mark where partitions begin which have nothing to load yet."""
        return tuple(
            planned.range for planned in self.partitions if planned.is_new and not planned.range.offset_count
        )

    @property
    def held_back(self) -> dict[TopicPartition, int]:
        """How many offsets lie behind an open transaction, where there are any: they come when it ends."""
        return {
            each.range.topic_partition: each.bounds.high_watermark - each.range.end_offset
            for each in self.partitions
            if each.bounds.high_watermark > each.range.end_offset
        }

    @property
    def loaded_topics(self) -> set[str]:
        """The topics with something to load."""
        return {planned.topic for split in self.splits for planned in split.ranges}

    def leader_epochs(self, loaded: Iterable[LoadedRange]) -> dict[TopicPartition, int]:
        """The epoch that goes with each new position: of the last batch read, else the one before."""
        epochs = {partition: place.leader_epoch for partition, place in self.position}
        read = (each for each in loaded if each.leader_epoch >= 0)
        return epochs | {each.range.topic_partition: each.leader_epoch for each in read}

    @property
    def has_work(self) -> bool:
        """Whether a run would commit anything."""
        return bool(self.splits or self.beginnings)


def plan_load(job: Job, newest: Commit | None, slots: int, *, loss_allowed: bool = False) -> LoadPlan:
    """Work out what a run would load now.

    newest  the newest commit, as `read_ledger` gave it
    slots   how many tasks will run at once
    loss_allowed  whether a person agreed to go on without offsets that were deleted from Kafka

    Raises what concerns the whole job: ConfigError, AccessDenied, BrokerUnavailable, ClusterChanged,
    LedgerDamaged, StorageUnavailable. What concerns one topic is in the plan's failures.
    """
    with KafkaClient(job.kafka) as client:
        plan, _ = plan_by(client, job, newest, slots, loss_allowed=loss_allowed)
    return plan


def plan_by(
    client: KafkaClient, job: Job, newest: Commit | None, slots: int, *, loss_allowed: bool = False
) -> tuple[LoadPlan, ClusterListing]:
    """As `plan_load`, by a client that the caller asks more of; also what the cluster said of the topics."""
    position = newest.position if newest else Position()
    timeout_ms = job.kafka.request_timeout_ms
    client.connect(timeout_ms)
    listing = _list_topics(job, client, position)
    if newest is not None:
        identity = read_identity(job.storage, job.name)
        if identity is not None:
            identity.check_cluster(listing.cluster_id)
    failures = _missing_topics(job, listing, position)
    failures.update(_strangers(job, listing, newest))
    deadline_s = time.monotonic() + timeout_ms / 1000
    bounds = read_bounds(client, listing, deadline_s)
    planned = _plan_topics(job, client, listing, bounds, newest, failures, deadline_s, loss_allowed)
    sized = estimate_sizes(client, listing, planned, newest)
    limits = job.config.limits
    limited = apply_limits(sized, limits.max_bytes, limits.max_records)
    plan = LoadPlan(
        job=job.name,
        cluster_id=listing.cluster_id,
        base_version=newest.version if newest else 0,
        position=position,
        partitions=planned,
        splits=make_splits(limited.ranges, job.config.plan.target_split_bytes, slots),
        limited=limited,
        topic_ids={name: topic.topic_id for name, topic in listing.topics.items()},
        columns=newest.columns if newest else {},
        failures=failures,
        unlisted=_unlisted(bounds, position),
    )
    return plan, listing


def _unlisted(bounds: Mapping[str, TopicBounds], position: Position) -> dict[TopicPartition, str]:
    """Partitions that gave no answer; also those that the job has loaded, and the metadata did not name."""
    unlisted = {
        partition: "not in the metadata"
        for partition, _ in position
        if partition.topic in bounds and partition.partition not in bounds[partition.topic].partitions
    }
    for topic in bounds.values():
        unlisted.update({topic.of(number): reason for number, reason in topic.unlisted.items()})
    return unlisted


def read_ledger(job: Job) -> Commit | None:
    """The newest commit; None before the first. Raises LedgerDamaged where it is not this job's."""
    newest = CommitLog(job.storage, job.name).newest()
    identity = read_identity(job.storage, job.name)
    if newest is not None and (identity is None or identity.job_id != newest.job_id):
        raise LedgerDamaged(
            f"{job.storage.url}/{layout.identity_path(job.name)} is"
            f" {'missing' if identity is None else 'of another job'}, though there are commits up to"
            f" {newest.version}. Nothing was read or committed; published rows are untouched. Restore the"
            " file from a backup or snapshot of the file system, or make it anew from the commits.",
            [RUN_AGAIN, REPAIR],
        )
    return newest


def _list_topics(job: Job, client: KafkaClient, position: Position) -> ClusterListing:
    entries = job.config.topics
    names = [entry.name for entry in entries if entry.name is not None]
    # By name, not by pattern: only so is a topic that this user may not see told from one that is gone.
    names += [name for name in position.topics if job.config.topic_config(name) is not None]
    patterns = [entry.pattern for entry in entries if entry.pattern is not None]
    return read_listing(client, names, patterns)


def _missing_topics(job: Job, listing: ClusterListing, position: Position) -> dict[str, LoaderError]:
    """Topics that the config asks for and that are not to be had."""
    failures: dict[str, LoaderError] = {
        name: AccessDenied(
            f"{name}: this user may not describe the topic. Nothing of it was committed. Give it DESCRIBE and"
            " READ on the topic."
        )
        for name in listing.denied
    }
    for name in listing.missing:
        failures[name] = TopicVanished(name, was_loaded=name in position.topics)
    for name in position.topics:
        is_asked_for = job.config.topic_config(name) is not None
        if is_asked_for and name not in listing.topics and name not in failures:
            failures[name] = TopicVanished(name, was_loaded=True)
    return failures


def _strangers(job: Job, listing: ClusterListing, newest: Commit | None) -> dict[str, LoaderError]:
    """Topics new to this job whose folder holds rows already: another job's, or of a ledger that was lost."""
    new_topics = sorted(set(listing.topics) - set(newest.position.topics if newest else ()))
    if not new_topics:
        return {}
    present = {entry.path for within in ("", layout.QUARANTINE_FOLDER) for entry in _entries(job, within)}
    failures: dict[str, LoaderError] = {}
    for name in new_topics:
        folders = {layout.topic_folder(name), layout.quarantine_folder(name)} & present
        folder = next((each for each in sorted(folders) if holds_files(job, each)), None)
        if folder is None:
            continue
        if _is_overtaken(job, newest):
            # The files can be of the run that committed since. This run's own commit will be refused.
            return {}
        failures[name] = LedgerDamaged(
            f"{job.storage.url}/{folder} holds files, but the ledger of job {job.name} has never loaded"
            f" {name}. Nothing of this topic was committed: its rows could be doubled. If another job loads"
            " it, give this one another destination; if this job's ledger was lost, restore"
            f" {layout.job_folder(job.name)} from a backup or snapshot, or rebuild it.",
            [LOAD_APART, REPAIR],
        )
        if newest is None:
            raise failures[name]
    return failures


def _entries(job: Job, folder: str) -> Sequence[FileStatus]:
    try:
        return job.storage.list(folder)
    except PathNotFound:
        return ()


def _is_overtaken(job: Job, newest: Commit | None) -> bool:
    """Whether another run has committed since `newest` was read."""
    there = CommitLog(job.storage, job.name).newest()
    return there is not None and (newest is None or there.version > newest.version)


def holds_files(job: Job, folder: str) -> bool:
    """Whether there is a Parquet file below a folder. Raises PathNotFound where that does not exist."""
    return any(
        holds_files(job, entry.path) if entry.is_folder else entry.path.endswith(".parquet")
        for entry in job.storage.list(folder)
    )


def _plan_topics(
    job: Job,
    client: KafkaClient,
    listing: ClusterListing,
    bounds: Mapping[str, TopicBounds],
    newest: Commit | None,
    failures: dict[str, LoaderError],
    deadline_s: float,
    loss_allowed: bool,
) -> tuple[PlannedPartition, ...]:
    position = newest.position if newest else Position()
    epochs = {
        partition: place.leader_epoch
        for partition, place in position
        if place.leader_epoch >= 0 and listing.leader_of(partition) is not None
    }
    epoch_ends = read_epoch_ends(client, listing, epochs, deadline_s).answered
    planned: list[PlannedPartition] = []
    for name, topic in sorted(bounds.items()):
        if name in failures:
            continue
        # Only a job's very first run begins where its config says: what appears later is loaded whole. So a
        # start that cannot be found stops the whole first run: the next would be another's second.
        first_offsets = {} if newest else first_offsets_of(job, client, listing, topic, deadline_s)
        try:
            known = position.topics.get(name)
            ends = {number: epoch_ends.get(topic.of(number), -1) for number in topic.partitions}
            isolation = job.kafka.isolation
            planned += plan_topic(topic, known, isolation, first_offsets, ends, loss_allowed=loss_allowed)
        except LoaderError as error:
            failures[name] = error
    return tuple(planned)
