"""A ledger that cannot be trusted is made anew, in one commit that holds all that is known of the job.

    survey -> propose -> (a person agrees) -> stage -> publish what waits -> identity -> begin there -> commit

Nothing is deleted but what a good commit took away, and no commit is changed: the ledger begins anew with
the repair's number, which no other commit ever had. That number is marked as the first before there is a
commit of it, so that runs stop at the ledger until all is done.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import loader
from loader.commits.identity import JobIdentity, create_identity
from loader.commits.log import CommitLog
from loader.commits.markers import read_marker
from loader.commits.publish import publish_file
from loader.commits.rebuild import RebuiltLedger, rebuild
from loader.commits.record import Commit
from loader.commits.runs import RunTicket, read_ticket, write_ticket
from loader.commits.sweep import ABANDONED_AFTER_MS, last_change_ms
from loader.errors import REPAIR, RUN_AGAIN, LedgerDamaged, PathNotFound, PersonDecides
from loader.operations.export import export_offsets
from loader.operations.job import Job
from loader.operations.repairs.survey import Survey, survey
from loader.values import layout


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a repair would write.

    version     of its commit
    job_id      of the job, as commits and files give it
    cluster_id  the same
    """

    survey: Survey
    ledger: RebuiltLedger
    version: int
    job_id: str
    cluster_id: str


def propose(job: Job, now_ms: int, is_dead: Callable[[RunTicket], bool]) -> Proposal | None:
    """What a repair would write; None where there is nothing to repair. Writes nothing.

    is_dead  True only where a ticket's driver certainly no longer exists

    Raises PersonDecides where runs may still be at work, LedgerDamaged where what is left contradicts itself.
    """
    found = survey(job)
    if found.is_sound:
        return None
    tickets = _refuse_live_runs(job, now_ms, is_dead)
    job_id, cluster_id = _owner(job, found)
    markers = (layout.newest_folder(job.name), layout.first_folder(job.name))
    taken = [
        *found.numbers,
        *(read_marker(job.storage, folder) for folder in markers),
        *(ticket.base_version + 1 for ticket in tickets),  # what a dead run would have made
    ]
    return Proposal(
        found, rebuild(found.evidence, found.row_counts), max(taken, default=0) + 1, job_id, cluster_id
    )


def write_repair(
    job: Job, proposal: Proposal, ticket: RunTicket, now_ms: int, is_dead: Callable[[RunTicket], bool]
) -> Commit:
    """Write what was proposed; returns its commit. Can be repeated from `propose` on after any failure.

    Raises PersonDecides where runs have begun or committed since it was proposed: a person may have taken
    their time to agree.
    """
    log = CommitLog(job.storage, job.name)
    _refuse_live_runs(job, now_ms, is_dead)
    _refuse_other_commits(log, proposal)
    write_ticket(job.storage, job.name, ticket)
    for file in proposal.ledger.files:
        staged_path = proposal.survey.staged.get(file.path)
        if staged_path is not None:
            publish_file(job.storage, staged_path.rpartition("/")[0], file)
    if proposal.survey.identity is None:
        _write_identity(job, proposal, ticket)
    commit = Commit(
        version=proposal.version,
        run_id=ticket.run_id,
        job_id=proposal.job_id,
        operation="repair",
        committed_at_ms=now_ms,
        committed_by=ticket.started_by,
        loader_version=loader.__version__,
        cluster_id=proposal.cluster_id,
        position=proposal.ledger.position,
        ranges=proposal.ledger.ranges,
        files=proposal.ledger.files,
        removed_files=proposal.survey.taken_away,
        columns=proposal.ledger.columns,
        started_at_ms=ticket.started_at_ms,
    )
    log.mark_first(commit.version)
    _refuse_other_commits(log, proposal)  # one may have been faster than the mark, which stops all later ones
    log.append(commit)
    for path in commit.removed_files:
        job.storage.delete(path)
    log.mark_published(commit.version)
    export_offsets(job, commit)
    job.storage.delete(layout.run_folder(job.name, ticket.run_id))
    return commit


def _refuse_live_runs(job: Job, now_ms: int, is_dead: Callable[[RunTicket], bool]) -> list[RunTicket]:
    """The tickets of runs that have ended; raises PersonDecides when one may still be at work."""
    try:
        folders = job.storage.list(layout.runs_folder(job.name))
    except PathNotFound:
        return []
    tickets = []
    for folder in folders:
        ticket = read_ticket(job.storage, job.name, folder.path.rpartition("/")[2])
        if ticket is None:
            continue
        is_old = now_ms - last_change_ms(job.storage, folder) > ABANDONED_AFTER_MS
        if not is_dead(ticket) and not is_old:
            raise PersonDecides(
                f"{job.storage.url}/{folder.path}: run {ticket.run_id}, started by {ticket.started_by}, may"
                " still be at work; a repair beside it could double its rows. Nothing was written. Wait for"
                f" its end; when it is certain that it has ended, delete {folder.path}/run.json, and nothing"
                " else there: committed rows may lie beside it.",
                [REPAIR],
            )
        tickets.append(ticket)
    return tickets


def _refuse_other_commits(log: CommitLog, proposal: Proposal) -> None:
    """Raise PersonDecides unless the commits are still those that the proposal was made from."""
    since = sorted({*log.numbers()} ^ {*proposal.survey.numbers})
    if since:
        raise PersonDecides(
            f"the ledger was changed since it was looked at, by commit {', '.join(map(str, since))}. No"
            " commit was written. Look at it again.",
            [REPAIR],
        )


def _owner(job: Job, found: Survey) -> tuple[str, str]:
    owners = set(found.owners)
    if found.identity is not None:
        owners.add((found.identity.job_id, found.identity.cluster_id))
    if len(owners) == 1:
        return owners.pop()
    folder = f"{job.storage.url}/{layout.job_folder(job.name)}"
    if not owners:
        raise LedgerDamaged(
            f"{folder}: no commit, no job.json and no published file tells whose this is. Nothing was"
            " written. Move the folder away; the next run begins anew.",
            [RUN_AGAIN],
        )
    named = ", ".join(f"job {job_id} of cluster {cluster_id}" for job_id, cluster_id in sorted(owners))
    raise LedgerDamaged(
        f"{folder}: commits and files are of {named}. Nothing was written. Move what belongs to one of them"
        " away.",
        [REPAIR],
    )


def _write_identity(job: Job, proposal: Proposal, ticket: RunTicket) -> None:
    path = layout.identity_path(job.name)
    with suppress(PathNotFound):
        job.storage.move(path, f"{path}.damaged-{ticket.run_id}")
    create_identity(
        job.storage,
        JobIdentity(
            job_id=proposal.job_id,
            name=job.name,
            cluster_id=proposal.cluster_id,
            created_at_ms=ticket.started_at_ms,
            created_by=ticket.started_by,
        ),
        ticket.run_id,
    )
