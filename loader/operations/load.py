"""One run: what is new in Kafka becomes files and a commit, in one atomic step.

    recover -> plan -> stage -> load -> check -> commit -> publish -> sweep

Until the commit nothing is visible and nothing is moved; a run that ends before it leaves Kafka and the
destination as they were. After it the position has moved and the rows are safe; what is left to do, the
next run finishes if this one cannot.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import loader
from loader.commits.identity import JobIdentity, create_identity, read_identity
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, write_ticket
from loader.commits.sweep import sweep
from loader.engine.protocol import Engine
from loader.errors import CommitSuperseded
from loader.operations.committing import (
    commit_on_newest,
    commits_since,
    drop_staged,
    drop_staged_after,
    loads_any,
    publish_commit,
    recover,
)
from loader.operations.decisions import Committed, LeftOut, Published, Recovered, Swept
from loader.operations.job import Job
from loader.operations.listening import Listener, Step
from loader.operations.load_report import LoadReport
from loader.operations.loading import Loaded, Work, load_splits
from loader.operations.plan import LoadPlan, plan_load, read_ledger
from loader.values import LoadedRange, RangeCounts, merge_adjacent

if TYPE_CHECKING:
    from loader.operations.changes.replacing import Older


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
            identity = _stage(job, plan, ticket)
            work = Work(
                splits=plan.splits,
                ticket=ticket,
                job_id=identity.job_id,
                cluster_id=plan.cluster_id,
                topic_ids=plan.topic_ids,
                columns=plan.columns,
                loss_allowed=loss_allowed,
                older=_older(job, plan),
            )
            loaded = load_splits(job, engine, work, listener)
            commit = _new_commit(plan, loaded, ticket, identity, now_ms())
        except BaseException as error:
            # Failed or interrupted before the commit: nobody else knows these files.
            drop_staged_after(error, job, ticket.run_id)
            raise
        failures.update(loaded.failures)
        for topic, errors in sorted(loaded.failures.items()):
            listener.decided(LeftOut(topic, errors))
        if commit is None:
            drop_staged(job, ticket.run_id)
        else:
            listener.step(Step.COMMIT)
            commit = commit_on_newest(job, ticket, newest, _behind(job, plan, commit))
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


def _new_commit(
    plan: LoadPlan,
    loaded: Loaded,
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
        if planned.is_new and planned.range.offset_count and planned.range.topic in loaded.failures
    ]
    log_ends = {each.range.topic_partition: each.bounds.high_watermark for each in plan.partitions}
    ranges = tuple(
        replace(each, log_end_offset=log_ends.get(each.range.topic_partition))
        for each in merge_adjacent([*loaded.ranges, *beginnings])
    )
    if not loaded.ranges and not plan.beginnings:
        return None
    position = plan.position.advanced(
        (each.range for each in ranges), plan.topic_ids, plan.leader_epochs(ranges)
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
        files=loaded.files,
        removed_files=loaded.removed_files,
        columns=loaded.columns,
        started_at_ms=ticket.started_at_ms,
        slowest_splits=loaded.slowest,
    )


def _older(job: Job, plan: LoadPlan) -> "Older | None":
    """What was loaded before, where a partition that is loaded was set back; None as mostly."""
    places = (plan.position.of(planned.topic_partition) for split in plan.splits for planned in split.ranges)
    if not any(place is not None and place.reached_offset is not None for place in places):
        return None
    from loader.operations.changes.replacing import read_older

    return read_older(job, plan.base_version)


def _behind(job: Job, plan: LoadPlan, commit: Commit) -> Callable[[Commit | None], Commit]:
    """How the commit is made behind those of others that left the position and the columns as they were.

    And that loaded nothing of its offsets: below what a position that was set back had reached, a backfill
    may have filled what was left out.
    """

    def make(newest: Commit | None) -> Commit:
        if newest is None or newest.version == plan.base_version:
            return commit
        is_same = newest.position == plan.position and newest.columns == plan.columns
        since = commits_since(job, plan.base_version, newest.version)
        if not is_same or commit.removed_files or loads_any(since, commit.ranges):
            raise CommitSuperseded(commit.version, commit.run_id, newest.run_id)
        return replace(commit, version=newest.version + 1)

    return make
