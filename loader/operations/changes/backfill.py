"""Offsets below the position, loaded again or for the first time: in one commit, and the position stays.

    plan -> stage -> load -> check -> replace -> commit -> publish -> sweep

What these offsets were before goes with that commit, each row of theirs and no other: a file that holds more
is written again without them. Refused where Kafka no longer holds all of them: rows would be gone for good.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace

from loader.commits.log import CommitLog
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.config.starts import AtTimestamp
from loader.engine.protocol import Engine
from loader.errors import BackfillExpired, CommitSuperseded, ConfigError, gravest_exit_status
from loader.kafka_source.client import KafkaClient
from loader.operations.changes.replacing import Older, read_older
from loader.operations.changes.topic_log import Place, TopicLog, offsets_at, read_topic_log
from loader.operations.committing import (
    commit_after,
    commit_on_newest,
    commits_since,
    drop_staged,
    drop_staged_after,
    loads_any,
    publish_commit,
    recover,
)
from loader.operations.decisions import Committed, LeftOut, Published
from loader.operations.estimates import estimate_sizes
from loader.operations.job import Job
from loader.operations.listening import Listener, Step
from loader.operations.loading import Loaded, Work, load_splits
from loader.operations.plan import read_ledger
from loader.planning.covered import cut
from loader.planning.ranges import PlannedPartition
from loader.planning.splits import SizedRange, make_splits
from loader.tables.snapshot import live_files
from loader.values import OffsetRange, Split, merge_adjacent


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be loaded: of one partition or of all, from one place to another, the latter exclusive."""

    topic: str
    partition: int | None
    begin: Place
    end: Place


@dataclass(frozen=True, slots=True)
class BackfillPlan:
    """What a backfill would load.

    newest  the commit that it is planned on
    older   what is loaded so far
    ranges  not empty, in order
    """

    newest: Commit
    older: Older
    topic: str
    topic_id: str
    ranges: tuple[SizedRange, ...]
    splits: tuple[Split, ...]

    @property
    def offset_count(self) -> int:
        """Of all ranges."""
        return sum(each.offset_count for each in self.ranges)

    @property
    def again_count(self) -> int:
        """How many of the offsets were loaded before, and are replaced."""
        parts = (part for each in self.ranges for part in cut(each.range, self.older.covered))
        return sum(part.offset_count for part, is_loaded in parts if is_loaded)

    @property
    def estimated_bytes(self) -> int:
        """Of the log, as compressed there."""
        return sum(each.estimated_bytes for each in self.ranges)


@dataclass(frozen=True, slots=True)
class BackfillReport:
    """What a backfill did. `commit` is None where the topic failed."""

    run_id: str
    commit: Commit | None
    failures: Mapping[str, tuple[Exception, ...]] = field(default_factory=dict)

    @property
    def exit_status(self) -> int:
        """0, or the gravest of what the topic failed with."""
        errors = (error for errors in self.failures.values() for error in errors)
        return gravest_exit_status(errors, some_unanswered=False)


def plan_backfill(job: Job, asked: Asked, slots: int) -> BackfillPlan:
    """Work out what would be loaded. Asks the brokers, and reads the whole ledger.

    Writes nothing, but finishes publishing the newest commit where its run did not.

    slots  how many tasks will run at once

    Raises ConfigError for a topic that the job has not loaded or its file does not name, a place that is not
    in Kafka's log, or offsets at the position or behind, which are the next run's; BackfillExpired where
    Kafka no longer holds all of them, and what `read_topic_log` raises.
    """
    if job.config.topic_config(asked.topic) is None:
        raise ConfigError([f"{asked.topic}: no entry of [[topics]] says what its rows are to be"])
    newest = read_ledger(job)
    if newest is None:
        raise ConfigError([f"job {job.name} has not loaded anything yet; run it first"])
    recover(job, newest)
    older = read_older(job, newest.version)
    with KafkaClient(job.kafka) as client:
        log = read_topic_log(client, job, newest, asked.topic)
        numbers = sorted(log.known.partitions) if asked.partition is None else [asked.partition]
        if asked.partition is not None and asked.partition not in log.known.partitions:
            raise ConfigError([f"{asked.topic}-{asked.partition}: the job has not met this partition"])
        ranges = [
            each for each in _ranges(client, job, log, older, asked, numbers) if each.range.offset_count
        ]
        sized = estimate_sizes(client, log.listing, ranges, newest)
    return BackfillPlan(
        newest,
        older,
        asked.topic,
        log.known.topic_id,
        tuple(sized),
        make_splits(sized, job.config.plan.target_split_bytes, slots),
    )


def backfill(
    job: Job,
    engine: Engine,
    plan: BackfillPlan,
    ticket: RunTicket,
    reason: str,
    now_ms: Callable[[], int],
    is_dead: Callable[[RunTicket], bool],
    listener: Listener,
) -> BackfillReport:
    """Load what was planned, and commit it in the place of what was there.

    Raises what stops a run; nothing is committed then, unless the error says so.
    """
    newest = plan.newest
    listener.step(Step.STAGE)
    engine.prepare(len(plan.splits))
    try:
        write_ticket(job.storage, job.name, ticket)
        work = Work(
            splits=plan.splits,
            ticket=ticket,
            job_id=newest.job_id,
            cluster_id=newest.cluster_id,
            topic_ids={plan.topic: plan.topic_id},
            columns=newest.columns,
            older=plan.older,
        )
        loaded = load_splits(job, engine, work, listener)
    except BaseException as error:
        # Failed or interrupted before the commit: nobody else knows these files.
        drop_staged_after(error, job, ticket.run_id)
        raise
    if loaded.failures:
        drop_staged(job, ticket.run_id)
        for topic, errors in sorted(loaded.failures.items()):
            listener.decided(LeftOut(topic, errors))
        return BackfillReport(ticket.run_id, None, loaded.failures)
    listener.step(Step.COMMIT)
    commit = commit_on_newest(job, ticket, newest, _maker(job, plan, loaded, ticket, reason, now_ms))
    listener.decided(Committed(commit))
    listener.step(Step.PUBLISH)
    publish_commit(job, commit)
    listener.decided(Published(commit))
    listener.step(Step.SWEEP)
    sweep(job.storage, job.name, commit.version, now_ms(), is_dead)
    return BackfillReport(ticket.run_id, commit)


def _ranges(
    client: KafkaClient, job: Job, log: TopicLog, older: Older, asked: Asked, numbers: Iterable[int]
) -> list[PlannedPartition]:
    """The offsets of each partition between the two places, as far as the job has come."""
    wanted = list(numbers)
    begins = offsets_at(client, job, log, wanted, asked.begin)
    ends = offsets_at(client, job, log, wanted, asked.end)
    planned = []
    for number in wanted:
        place, bounds = log.known.partitions[number], log.bounds_of(number)
        reached_offset = place.reached_offset or place.next_offset
        begin, end = begins[number], ends[number]
        if isinstance(asked.end, int) and end > reached_offset:
            raise ConfigError(
                [
                    f"{log.bounds.of(number)}: the job has come to offset {reached_offset}; its next run"
                    f" loads those from there to {end}. Nothing was changed"
                ]
            )
        end = min(end, reached_offset)
        if isinstance(asked.begin, AtTimestamp) and begin == bounds.log_start_offset:
            _refuse_expired(log, number, older, asked.begin.timestamp_ms)
        planned.append(
            PlannedPartition(OffsetRange(asked.topic, number, begin, max(begin, end)), bounds, is_new=False)
        )
    return planned


def _refuse_expired(log: TopicLog, number: int, older: Older, begin_ms: int) -> None:
    """Raise BackfillExpired where rows of that time or later are of offsets that Kafka has deleted."""
    log_start_offset = log.bounds_of(number).log_start_offset
    partition = log.bounds.of(number)
    for file in older.files:
        is_so_late = file.max_timestamp_ms is None or file.max_timestamp_ms >= begin_ms
        for span in file.ranges:
            if span.topic_partition == partition and span.start_offset < log_start_offset and is_so_late:
                raise BackfillExpired(span, log_start_offset)


def _maker(
    job: Job,
    plan: BackfillPlan,
    loaded: Loaded,
    ticket: RunTicket,
    reason: str,
    now_ms: Callable[[], int],
) -> Callable[[Commit | None], Commit]:
    """How the commit is made behind those of others that left alone what it is about."""
    ranges = merge_adjacent(loaded.ranges)

    def make(newest: Commit | None) -> Commit:
        base = newest or plan.newest
        if base.version != plan.newest.version:
            _refuse_conflict(job, plan, loaded, ticket, base)
        return replace(
            commit_after(base, ticket, "backfill", now_ms()),
            ranges=ranges,
            files=loaded.files,
            removed_files=loaded.removed_files,
            columns=loaded.columns,
            reason=reason,
            slowest_splits=loaded.slowest,
        )

    return make


def _refuse_conflict(job: Job, plan: BackfillPlan, loaded: Loaded, ticket: RunTicket, newest: Commit) -> None:
    """Raise CommitSuperseded where others took away, loaded or replayed what this is about, or grew columns.

    A replayed row is of a quarantined record that is replaced here, and would be there beside the new one.
    """
    log = CommitLog(job.storage, job.name)
    live = {file.path for file in live_files(log.read(at) for at in log.versions() if at <= newest.version)}
    since = commits_since(job, plan.newest.version, newest.version)
    is_replayed = any(
        span.overlaps(each.range)
        for commit in since
        for file in commit.files
        if file.is_replay and commit.operation == "replay"
        for span in file.ranges
        for each in loaded.ranges
    )
    is_same = newest.columns == plan.newest.columns and live.issuperset(loaded.removed_files)
    if loads_any(since, loaded.ranges) or is_replayed or not is_same:
        raise CommitSuperseded(newest.version, ticket.run_id, newest.run_id)
