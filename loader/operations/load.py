"""One run: what is new in Kafka becomes files and a commit, in one atomic step.

    recover -> plan -> stage -> load -> check -> commit -> publish -> sweep

Until the commit nothing is visible and nothing is moved; a run that ends before it leaves Kafka and the
destination as they were. After it the position has moved and the rows are safe; what is left to do, the
next run finishes if this one cannot.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Protocol

import loader
from loader.commits.identity import JobIdentity, create_identity, read_identity
from loader.commits.publish import require_staged
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.engine.protocol import Engine
from loader.errors import gravest_exit_status
from loader.operations.committing import (
    append_commit,
    drop_staged,
    drop_staged_after,
    publish_commit,
    recover,
)
from loader.operations.decisions import Committed, Decision, LeftOut, Published, Recovered, Swept
from loader.operations.job import Job
from loader.operations.plan import LoadPlan, plan_load, read_ledger
from loader.planning.coverage import AcceptedLoad, check_coverage
from loader.values import Advance, LoadedRange, RangeCounts, merge_adjacent

if TYPE_CHECKING:
    # These take half a second and more to import, and a run with nothing new needs none of them.
    from loader.operations.row_formats import RowFormats
    from loader.task import LoadTask


class Step(Enum):
    """The steps of a run, in order. Each is announced when it begins."""

    RECOVER = "recover"
    PLAN = "plan"
    STAGE = "stage"
    LOAD = "load"
    CHECK = "check"
    COMMIT = "commit"
    PUBLISH = "publish"
    SWEEP = "sweep"

    def __str__(self) -> str:
        return self.value


class Listener(Protocol):
    """Hears of a run as it goes on; for progress and logs. Nothing in a run depends on it."""

    def step(self, step: Step) -> None:
        """A step begins."""
        ...

    def planned(self, plan: LoadPlan) -> None:
        """The plan is made."""
        ...

    def advanced(self, advance: Advance) -> None:
        """Some of the plan is loaded."""
        ...

    def decided(self, decision: Decision) -> None:
        """Something was decided, or done for good."""
        ...


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


def load(
    job: Job,
    engine: Engine,
    new_ticket: Callable[[int], RunTicket],
    now_ms: Callable[[], int],
    is_dead: Callable[[RunTicket], bool],
    listener: Listener,
    *,
    loss_allowed: bool = False,
) -> LoadReport:
    """Load what is new, once.

    new_ticket  makes this run's ticket from the version it builds on
    is_dead     True only where a ticket's driver certainly no longer exists
    loss_allowed  whether a person agreed to go on without offsets that Kafka deleted before they were loaded;
                the commit then names them

    Raises what stops the whole run; nothing is committed then, unless the error says so. Topics that fail
    by themselves are in the report.
    """
    listener.step(Step.RECOVER)
    newest = read_ledger(job)
    recovered = recover(job, newest)
    if recovered is not None:
        listener.decided(Recovered(recovered))
    listener.step(Step.PLAN)
    plan = plan_load(job, newest, engine.slots, loss_allowed=loss_allowed)
    listener.planned(plan)
    failures: dict[str, tuple[Exception, ...]] = {topic: (error,) for topic, error in plan.failures.items()}
    ticket = new_ticket(plan.base_version)
    commit = None
    if plan.has_work:
        listener.step(Step.STAGE)
        if plan.splits:
            engine.prepare(len(plan.splits))
        try:
            formats = _row_formats(job, plan, ticket)
            identity = _stage(job, plan, ticket)
            task = _task(job, plan, ticket, identity, formats, loss_allowed)
            accepted = _load_splits(engine, task, plan, formats, listener)
            commit = _new_commit(plan, accepted, formats, ticket, identity, now_ms())
            if commit is not None:
                require_staged(job.storage, job.name, commit)
        except BaseException as error:
            # Failed or interrupted before the commit: nobody else knows these files.
            drop_staged_after(error, job, ticket.run_id)
            raise
        failures.update(accepted.failures)
        for topic, errors in sorted(accepted.failures.items()):
            listener.decided(LeftOut(topic, errors))
        if commit is None:
            drop_staged(job, ticket.run_id)
        else:
            listener.step(Step.COMMIT)
            append_commit(job, commit)
            listener.decided(Committed(commit))
            listener.step(Step.PUBLISH)
            publish_commit(job, commit)
            listener.decided(Published(commit))
    listener.step(Step.SWEEP)
    newest_version = commit.version if commit else plan.base_version
    swept = sweep(job.storage, job.name, newest_version, now_ms(), is_dead)
    if swept:
        listener.decided(Swept(swept))
    return LoadReport(ticket.run_id, plan, commit, failures, recovered, swept)


def _stage(job: Job, plan: LoadPlan, ticket: RunTicket) -> JobIdentity:
    """Open the run's folder, and make the job known if it is new."""
    identity = read_identity(job.storage, job.name)
    if identity is not None:
        identity.check_cluster(plan.cluster_id)
    write_ticket(job.storage, job.name, ticket)
    if identity is None:
        draft = JobIdentity(
            job_id=ticket.run_id,
            name=job.name,
            cluster_id=plan.cluster_id,
            created_at_ms=ticket.started_at_ms,
            created_by=ticket.started_by,
        )
        identity = create_identity(job.storage, draft, ticket.run_id)
        identity.check_cluster(plan.cluster_id)  # of another run, if that was faster
    return identity


def _row_formats(job: Job, plan: LoadPlan, ticket: RunTicket) -> "RowFormats":
    from loader.operations.row_formats import row_formats

    return row_formats(job, plan.loaded_topics, plan.columns, ticket.started_at_ms)


def _task(
    job: Job,
    plan: LoadPlan,
    ticket: RunTicket,
    identity: JobIdentity,
    formats: "RowFormats",
    loss_allowed: bool,
) -> "LoadTask":
    from loader.formats.protocol import NoSchemas
    from loader.registry.source import RegistrySource
    from loader.task import LoadTask

    return LoadTask(
        job=job.name,
        job_id=identity.job_id,
        cluster_id=plan.cluster_id,
        run_id=ticket.run_id,
        destination=job.config.job.destination,
        kafka=job.kafka,
        write=job.config.write,
        topic_ids=plan.topic_ids,
        formats=formats.formats,
        schemas=NoSchemas() if job.registry is None else RegistrySource(job.registry),
        loss_allowed=loss_allowed,
    )


def _load_splits(
    engine: Engine, task: "LoadTask", plan: LoadPlan, formats: "RowFormats", listener: Listener
) -> AcceptedLoad:
    """Run every split and let the coverage gate judge the manifests. Raises CoverageGap."""
    splits = formats.kept(plan.splits)
    listener.step(Step.LOAD)
    results = engine.run(task, splits, listener.advanced) if splits else []
    listener.step(Step.CHECK)
    accepted = check_coverage(
        splits, results, loss_allowed=task.loss_allowed, max_bad_records=formats.max_bad_records
    )
    return replace(accepted, failures={**accepted.failures, **formats.failures})


def _new_commit(
    plan: LoadPlan,
    accepted: AcceptedLoad,
    formats: "RowFormats",
    ticket: RunTicket,
    identity: JobIdentity,
    now_ms: int,
) -> Commit | None:
    """The commit of what was accepted; None when there is nothing to record, since every topic failed."""
    beginnings = [LoadedRange(begin, RangeCounts(), -1, 0) for begin in plan.beginnings]
    # Where a failed topic begins is recorded as well: the next run is not the job's first any more.
    beginnings += [
        LoadedRange(planned.beginning, RangeCounts(), -1, 0)
        for planned in plan.partitions
        if planned.is_new and planned.range.offset_count and planned.range.topic in accepted.failures
    ]
    log_ends = {each.range.topic_partition: each.bounds.high_watermark for each in plan.partitions}
    ranges = tuple(
        replace(loaded, log_end_offset=log_ends.get(loaded.range.topic_partition))
        for loaded in merge_adjacent([*accepted.loaded, *beginnings])
    )
    if not accepted.loaded and not plan.beginnings:
        return None
    position = plan.position.advanced(
        (loaded.range for loaded in ranges), plan.topic_ids, plan.leader_epochs(ranges)
    )
    return Commit(
        version=plan.base_version + 1,
        run_id=ticket.run_id,
        job_id=identity.job_id,
        operation="load",
        committed_at_ms=now_ms,
        committed_by=ticket.started_by,
        loader_version=loader.__version__,
        cluster_id=plan.cluster_id,
        position=position,
        ranges=ranges,
        files=accepted.files,
        columns=formats.columns(plan.columns, accepted.files),
        started_at_ms=ticket.started_at_ms,
    )
