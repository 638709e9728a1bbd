"""The steps that every operation which commits has in common, and what each may remove when it fails."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

import loader
from loader.commits.log import CommitLog
from loader.commits.publish import is_published, publish, require_staged
from loader.commits.record import Commit, Operation
from loader.commits.runs import RunTicket, replace_ticket
from loader.errors import CommitOutcomeUnknown, CommitSuperseded, LoaderError
from loader.operations.job import Job
from loader.values import LoadedRange, layout

MOST_REBASES = 10
"""How often others may be faster in a row."""


def commit_after(newest: Commit, ticket: RunTicket, operation: Operation, now_ms: int) -> Commit:
    """The commit of a run behind another one, which leaves everything as it was: what it does is put in."""
    return Commit(
        version=newest.version + 1,
        run_id=ticket.run_id,
        job_id=newest.job_id,
        operation=operation,
        committed_at_ms=now_ms,
        committed_by=ticket.started_by,
        loader_version=loader.__version__,
        cluster_id=newest.cluster_id,
        position=newest.position,
        ranges=(),
        files=(),
        columns=newest.columns,
        started_at_ms=ticket.started_at_ms,
    )


def recover(job: Job, newest: Commit | None) -> int | None:
    """Finish the publishing of the newest commit, if its run did not; the version if there was any to do."""
    if newest is None or is_published(job.storage, job.name, newest):
        return None
    publish_commit(job, newest)
    return newest.version


def append_commit(job: Job, commit: Commit) -> None:
    """Make the commit the newest. Raises CommitSuperseded, CommitOutcomeUnknown, storage errors."""
    try:
        CommitLog(job.storage, job.name).append(commit)
    except CommitOutcomeUnknown:
        raise  # the commit may stand: its files must stay
    except LoaderError as error:
        # Refused, or another run has the number: these files can never be published.
        drop_staged_after(error, job, commit.run_id)
        raise
    # Anything else, like Ctrl-C, may come when the commit is done already. Then its files are the rows; if it
    # is not, the next run's sweep finds that out.


def commit_on_newest(
    job: Job, ticket: RunTicket, newest: Commit | None, make: Callable[[Commit | None], Commit]
) -> Commit:
    """Make a commit that does not depend on being the very next one, and return it as it was made.

    newest  the commit that the work was begun on, None for none
    make    the commit to follow a newest one, with its version + 1. Raises CommitSuperseded where what was
            committed meanwhile does not go together with it

    Raises what `append_commit` and `make` raise; unless the commit may stand, the run's files are gone then.
    """
    base = ticket
    try:
        for _ in range(MOST_REBASES):
            commit = make(newest)
            require_staged(job.storage, job.name, commit)
            try:
                CommitLog(job.storage, job.name).append(commit)
            except CommitSuperseded:
                newest = CommitLog(job.storage, job.name).newest()
                if newest is None or newest.version < commit.version:
                    raise
                recover(job, newest)  # only the newest commit may ever be unpublished
                base = replace(base, base_version=newest.version)
                replace_ticket(job.storage, job.name, base)
            else:
                return commit
        raise CommitSuperseded(commit.version, commit.run_id, newest.run_id if newest else "")
    except CommitOutcomeUnknown:
        raise  # the commit may stand: its files must stay
    except LoaderError as error:
        drop_staged_after(error, job, ticket.run_id)
        raise


def commits_since(job: Job, version: int, newest_version: int) -> list[Commit]:
    """The commits behind one, up to another: what was committed while a run was at work."""
    log = CommitLog(job.storage, job.name)
    return [log.read(number) for number in log.versions() if version < number <= newest_version]


def loads_any(commits: Iterable[Commit], ranges: Sequence[LoadedRange]) -> bool:
    """Whether some commit loaded any of these offsets, or holds all that was loaded, after a repair."""
    return any(
        commit.operation == "repair"
        or any(mine.range.overlaps(other.range) for other in commit.ranges for mine in ranges)
        for commit in commits
    )


def publish_commit(job: Job, commit: Commit) -> None:
    """Make the files of a commit visible, and put it into the table of offsets.

    Raises what the storage raises, saying that the commit stands.
    """
    try:
        publish(job.storage, job.name, commit, lambda: _export(job, commit))
    except LoaderError as error:
        error.add_note(
            f"Commit {commit.version} stands: its rows are safe, but not all visible until a run has"
            " published them."
        )
        raise


def _export(job: Job, commit: Commit) -> None:
    # It imports pyarrow's Parquet, which a run that finds nothing to do has no use for.
    from loader.operations.export import export_offsets

    export_offsets(job, commit)


def drop_staged(job: Job, run_id: str) -> None:
    """Remove a run's folder. Only where it is certain that the run has not committed and never will."""
    job.storage.delete(layout.run_folder(job.name, run_id))


def drop_staged_after(error: BaseException, job: Job, run_id: str) -> None:
    """The same, where `error` is what a person has to hear of, whatever becomes of the files."""
    try:
        drop_staged(job, run_id)
    except LoaderError as leftover:
        error.add_note(f"Staged files of run {run_id} may be left, for a later run to sweep: {leftover}")
